import { balancedAt } from '../config/balanced-at.ts';
import type {
  Config,
  EndpointConfig,
  MonitorConfig,
  PoolConfig,
  ServerConfig,
  UpstreamConfig,
  VantageConfig,
} from '../config/config.ts';
import { present } from '../config/present.ts';
import { upstreamsByLayer } from '../config/route-upstreams.ts';
import type { Check, TargetCheck } from '../health/composite.ts';
import { formatSocketAddress } from '../ip/socket-address.ts';
import type { ProbeTarget } from '../probe/probe.ts';
import type { HealthEndpoint, HealthPool } from './health-table.ts';
import type { JobRules, MonitoringJob } from './monitoring.ts';
import type { HealthServer } from './servers.ts';

/**
 * From configuration to what is monitored. A target is a monitor with an address and a port, so
 * endpoints of several pools that share a VIP and a monitor share the probes too.
 */

/** Every endpoint, in the order of pools and of endpoints in them. */
export function healthEndpoints(config: Config): readonly HealthEndpoint[] {
  return Object.entries(config.pools).flatMap(([pool, settings]) => {
    const { downShare, endpoints, monitor, port, quorumMin } = settings;
    const capacities = capacitiesOf(config, settings);
    return endpoints.map((endpoint, index): HealthEndpoint => {
      const { monitor: its, name = endpoint.region, region } = endpoint;
      const addresses = probed(config, endpoint);
      const judge = its ?? monitor;
      const targets = addresses.flatMap((address) => {
        const own = { address, port, region };
        const check = checkOf(config, judge, (found) => endpointTarget(config, found, own));
        return check === undefined ? [] : [{ address, check }];
      });
      return {
        name: `${pool}/${name}`,
        pool,
        region,
        quorumMin,
        downShare,
        capacity: capacities[index] ?? 1,
        sockets: balancedAt(addresses, config.regions[region]?.vips ?? []).map((address) =>
          formatSocketAddress({ address, port }),
        ),
        targets,
      };
    });
  });
}

/** How pools take endpoints out and back in. */
export function healthPools(config: Config): ReadonlyMap<string, HealthPool> {
  return new Map(
    Object.entries(config.pools).map(([name, { ramp, withdrawals }]) => [
      name,
      { ramp, withdrawals },
    ]),
  );
}

/** What each endpoint of a pool carries: as its region says, if all say so, else by weight. */
function capacitiesOf(config: Config, { endpoints }: PoolConfig): readonly number[] {
  const stated = endpoints.map(({ region }) => config.regions[region]?.capacity ?? 0);
  return stated.every((capacity) => capacity > 0) ? stated : endpoints.map(({ weight }) => weight);
}

type OwnAddress = { readonly address: string; readonly port: number; readonly region: string };

/** The region whose vantage points are at home at the address that is asked. */
function homeOf(
  { pools, regions }: Config,
  asked: string | undefined,
  own: OwnAddress,
): string | undefined {
  if (asked === undefined || asked === own.address) return own.region;
  const owner = Object.entries(regions).find(([, { vips }]) => vips.includes(asked));
  if (owner !== undefined) return owner[0];
  const endpoints = Object.values(pools).flatMap((pool) => pool.endpoints);
  return endpoints.find(({ addresses }) => addresses.includes(asked))?.region;
}

/**
 * The check that a monitor or a group of monitors is for one target; undefined when there is none such.
 * @param targetOf what one monitor asks there
 */
function checkOf(
  config: Config,
  name: string | undefined,
  targetOf: (found: NamedMonitor) => TargetCheck,
): Check | undefined {
  const [found] = monitorOf(config, name);
  if (found !== undefined) return targetOf(found);
  const group = groupOf(config, name);
  if (name === undefined || group === undefined) return undefined;
  const members = group.of.flatMap(({ monitor, ...rest }) => {
    const check = checkOf(config, monitor, targetOf);
    return check === undefined ? [] : [{ ...rest, check }];
  });
  return { kind: 'composite', name, members, need: group.need };
}

function endpointTarget(config: Config, found: NamedMonitor, own: OwnAddress): TargetCheck {
  const key = endpointKey(found, own.address, own.port);
  const home = homeOf(config, found.config.address, own);
  return { kind: 'target', key, ...(home === undefined ? {} : { home }) };
}

const groupOf = ({ monitorGroups }: Config, name: string | undefined) =>
  name !== undefined && Object.hasOwn(monitorGroups, name) ? monitorGroups[name] : undefined;

/** A monitor alone, or those of a group and of the groups in it. */
function leafMonitors(config: Config, name: string | undefined): readonly NamedMonitor[] {
  const group = groupOf(config, name);
  if (group === undefined) return monitorOf(config, name);
  return group.of.flatMap(({ monitor }) => leafMonitors(config, monitor));
}

/** Every server behind the balancer, in the order of upstreams and of servers in them. */
export function healthServers(config: Config): readonly HealthServer[] {
  return announcing(config).flatMap(([upstream, settings]) =>
    settings.servers.map((server) => {
      const [live, ready] = [settings.monitor, settings.readiness].map((monitor) =>
        checkOf(config, monitor, (found) => {
          return { kind: 'target', key: serverKey(found, serverTarget(found, settings, server)) };
        }),
      );
      const { mode, name } = server;
      return { upstream, name, mode, ...present({ live, ready }) };
    }),
  );
}

/**
 * The probes of endpoints that this node's vantage points run. A vantage point with source addresses
 * of one family only does not probe the other: it cannot tell, so it abstains.
 */
export function endpointJobs(config: Config): readonly MonitoringJob[] {
  const jobs = Object.values(config.pools).flatMap(({ endpoints, monitor, port }) =>
    endpoints.flatMap((endpoint) =>
      leafMonitors(config, endpoint.monitor ?? monitor).flatMap((found) =>
        probed(config, endpoint).flatMap((address) =>
          config.node.vantages.flatMap((vantage) =>
            jobFrom(vantage, found, endpointKey(found, address, port), {
              address: found.config.address ?? address,
              port: found.config.port ?? port,
            }),
          ),
        ),
      ),
    ),
  );
  return unique(jobs);
}

/**
 * The probes by which this node's vantage points doubt themselves. They never rest, however long they
 * fail: trust comes back with them.
 */
export function canaryJobs(config: Config): readonly MonitoringJob[] {
  const jobs = config.node.canaries.flatMap(({ monitor, address, port: own }) =>
    monitorOf(config, monitor).flatMap((found) => {
      const port = own ?? found.config.port ?? (found.config.kind === 'icmp' ? NO_PORT : undefined);
      if (port === undefined) return [];
      const key = canaryKey(port === NO_PORT ? address : formatSocketAddress({ address, port }));
      return config.node.vantages.flatMap((vantage) =>
        jobFrom(vantage, restless(found), key, { address, port }),
      );
    }),
  );
  return unique(jobs);
}

function restless({ config, name }: NamedMonitor): NamedMonitor {
  const { afterMs } = config.idle;
  return { name, config: { ...config, idle: { afterMs, intervalMs: config.intervalMs } } };
}

/** ICMP has none. */
const NO_PORT = 0;
const CANARY = 'canary ';
const canaryKey = (socket: string): string => `${CANARY}${socket}`;
/** The canary that a job's key is about; undefined when it is about something else. */
export const canaryOf = (key: string): string | undefined =>
  key.startsWith(CANARY) ? key.slice(CANARY.length) : undefined;

/** The probes of the balancer's servers, which this node runs for itself. */
export function serverJobs(config: Config): readonly MonitoringJob[] {
  const jobs = announcing(config).flatMap(([, upstream]) =>
    [upstream.monitor, upstream.readiness]
      .flatMap((name) => leafMonitors(config, name))
      .flatMap((found) =>
        upstream.servers.map((server): MonitoringJob => {
          const target = serverTarget(found, upstream, server);
          return {
            vantage: SERVER_VANTAGE,
            group: SERVER_VANTAGE,
            key: serverKey(found, target),
            probe: found.config.kind,
            options: found.config.options,
            target,
            rules: rulesOf(found.config),
          };
        }),
      ),
  );
  return unique(jobs);
}

/** All upstreams, with `proxyProtocol` only where connections go: requests get no header, so those servers want none. */
function announcing(config: Config): readonly (readonly [string, UpstreamConfig])[] {
  const { layer4 } = upstreamsByLayer(config);
  return Object.entries(config.balancer.upstreams).map(([name, upstream]) => {
    const { proxyProtocol, ...rest } = upstream;
    return [name, layer4.has(name) ? { ...rest, ...present({ proxyProtocol }) } : rest];
  });
}

/** A server that wants PROXY headers wants one of a probe, too; another port is another listener. */
function serverTarget(
  { config }: NamedMonitor,
  { proxyProtocol }: UpstreamConfig,
  { address, port }: ServerConfig,
): ProbeTarget {
  const asked = config.port ?? port;
  return asked === port
    ? { address, port, ...present({ proxyProtocol }) }
    : { address, port: asked };
}

function serverKey(found: NamedMonitor, { address, port, proxyProtocol }: ProbeTarget): string {
  const key = targetKey('server', found, address, port);
  return proxyProtocol === undefined ? key : `${key} PROXY ${proxyProtocol}`;
}

/** The name under which a node looks at its own servers; no configured vantage point has it. */
export const SERVER_VANTAGE = '@balancer';

type NamedMonitor = { readonly name: string; readonly config: MonitorConfig };

/** None or one, as a list, because "no monitor" means "no targets". */
function monitorOf(config: Config, name: string | undefined): readonly NamedMonitor[] {
  const found = name === undefined ? undefined : config.monitors[name];
  return name === undefined || found === undefined ? [] : [{ name, config: found }];
}

/** Its own addresses, else those of its region; of one that is answered as a CNAME only its own. */
function probed(config: Config, { addresses, cname, region }: EndpointConfig): readonly string[] {
  if (addresses.length > 0 || cname !== undefined) return addresses;
  return config.regions[region]?.vips ?? [];
}

function targetKey(
  what: 'endpoint' | 'server',
  { name }: NamedMonitor,
  address: string,
  port: number,
): string {
  return `${what} ${name} ${formatSocketAddress({ address, port })}`;
}

function endpointKey(found: NamedMonitor, address: string, port: number): string {
  const { address: fixed, port: own } = found.config;
  return targetKey('endpoint', found, fixed ?? address, own ?? port);
}

function jobFrom(
  vantage: VantageConfig,
  { config: { kind, options, ...rules } }: NamedMonitor,
  key: string,
  { address, port }: { readonly address: string; readonly port: number },
): readonly MonitoringJob[] {
  const isV6 = address.includes(':');
  const source = vantage.source.find((each) => each.includes(':') === isV6);
  if (source === undefined && vantage.source.length > 0) return [];
  const target = { address, port, ...(source === undefined ? {} : { sourceAddress: source }) };
  return [
    {
      vantage: vantage.name,
      group: vantage.region ?? vantage.name,
      key,
      probe: kind,
      options,
      target,
      rules: rulesOf(rules),
    },
  ];
}

function rulesOf(monitor: Omit<MonitorConfig, 'kind' | 'options'>): JobRules {
  const { address: _address, port: _port, ...rules } = monitor;
  return rules;
}

function unique(jobs: readonly MonitoringJob[]): readonly MonitoringJob[] {
  return [...new Map(jobs.map((job) => [`${job.vantage} ${job.key}`, job])).values()];
}
