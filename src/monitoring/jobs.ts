import type { Config, MonitorConfig, VantageConfig } from '../config/config.ts';
import { formatSocketAddress } from '../ip/socket-address.ts';
import type { HealthEndpoint } from './health-table.ts';
import type { JobRules, MonitoringJob } from './monitoring.ts';
import type { HealthServer } from './servers.ts';

/**
 * From configuration to what is monitored. A target is a monitor with an address and a port, so
 * endpoints of several pools that share a VIP and a monitor share the probes too.
 */

/** Every endpoint, in the order of pools and of endpoints in them. */
export function healthEndpoints(config: Config): readonly HealthEndpoint[] {
  return Object.entries(config.pools).flatMap(([pool, { endpoints, quorumMin, monitor, port }]) =>
    endpoints.map(({ region, addresses }) => ({
      name: `${pool}/${region}`,
      pool,
      region,
      quorumMin,
      targets: monitorOf(config, monitor).flatMap((found) =>
        answered(config, region, addresses).map((address) => ({
          address,
          key: targetKey('endpoint', found, address, found.config.port ?? port),
        })),
      ),
    })),
  );
}

/** Every server behind the balancer, in the order of upstreams and of servers in them. */
export function healthServers(config: Config): readonly HealthServer[] {
  return Object.entries(config.balancer.upstreams).flatMap(([upstream, { servers, monitor }]) =>
    servers.map(({ name, address, port }) => {
      const [found] = monitorOf(config, monitor);
      const key =
        found === undefined
          ? undefined
          : targetKey('server', found, address, found.config.port ?? port);
      return { upstream, name, key };
    }),
  );
}

/**
 * The probes of endpoints that this node's vantage points run. A vantage point with source addresses
 * of one family only does not probe the other: it cannot tell, so it abstains.
 */
export function endpointJobs(config: Config): readonly MonitoringJob[] {
  const jobs = Object.values(config.pools).flatMap(({ endpoints, monitor, port }) =>
    monitorOf(config, monitor).flatMap((found) =>
      endpoints.flatMap(({ region, addresses }) =>
        answered(config, region, addresses).flatMap((address) =>
          config.node.vantages.flatMap((vantage) =>
            jobFrom(vantage, found, address, found.config.port ?? port),
          ),
        ),
      ),
    ),
  );
  return unique(jobs);
}

/** The probes of the balancer's servers, which this node runs for itself. */
export function serverJobs(config: Config): readonly MonitoringJob[] {
  const jobs = Object.values(config.balancer.upstreams).flatMap(({ servers, monitor }) =>
    monitorOf(config, monitor).flatMap((found) =>
      servers.map(({ address, port: serverPort }): MonitoringJob => {
        const port = found.config.port ?? serverPort;
        return {
          vantage: SERVER_VANTAGE,
          group: SERVER_VANTAGE,
          key: targetKey('server', found, address, port),
          probe: found.config.kind,
          options: found.config.options,
          target: { address, port },
          rules: rulesOf(found.config),
        };
      }),
    ),
  );
  return unique(jobs);
}

/** The name under which a node looks at its own servers; no configured vantage point has it. */
export const SERVER_VANTAGE = '@balancer';

type NamedMonitor = { readonly name: string; readonly config: MonitorConfig };

/** None or one, as a list, because "no monitor" means "no targets". */
function monitorOf(config: Config, name: string | undefined): readonly NamedMonitor[] {
  const found = name === undefined ? undefined : config.monitors[name];
  return name === undefined || found === undefined ? [] : [{ name, config: found }];
}

function answered(config: Config, region: string, own: readonly string[]): readonly string[] {
  return own.length > 0 ? own : (config.regions[region]?.vips ?? []);
}

function targetKey(
  what: 'endpoint' | 'server',
  { name }: NamedMonitor,
  address: string,
  port: number,
): string {
  return `${what} ${name} ${formatSocketAddress({ address, port })}`;
}

function jobFrom(
  vantage: VantageConfig,
  found: NamedMonitor,
  address: string,
  port: number,
): readonly MonitoringJob[] {
  const isV6 = address.includes(':');
  const source = vantage.source.find((each) => each.includes(':') === isV6);
  if (source === undefined && vantage.source.length > 0) return [];
  const target = { address, port, ...(source === undefined ? {} : { sourceAddress: source }) };
  return [
    {
      vantage: vantage.name,
      group: vantage.region ?? vantage.name,
      key: targetKey('endpoint', found, address, port),
      probe: found.config.kind,
      options: found.config.options,
      target,
      rules: rulesOf(found.config),
    },
  ];
}

function rulesOf({ rise, fall, intervalMs, timeoutMs, jitter }: MonitorConfig): JobRules {
  return { rise, fall, intervalMs, timeoutMs, jitter };
}

function unique(jobs: readonly MonitoringJob[]): readonly MonitoringJob[] {
  return [...new Map(jobs.map((job) => [`${job.vantage} ${job.key}`, job])).values()];
}
