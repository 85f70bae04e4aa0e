import { parseName } from '../dns/name.ts';
import type { Places } from '../geo/places.ts';
import { formatAddress, parseAddress } from '../ip/address.ts';
import { formatPrefix, parsePrefix } from '../ip/prefix.ts';
import { formatSocketAddress } from '../ip/socket-address.ts';
import { resolveCapacity } from './capacity-config.ts';
import { resolveClients } from './clients-schema.ts';
import type {
  BalancerConfig,
  BalancerListenerConfig,
  ClusterConfig,
  Config,
  DnsListenerConfig,
  DnstapConfig,
  EndpointConfig,
  IdentityConfig,
  KeyConfig,
  MonitorConfig,
  PolicyConfig,
} from './config.ts';
import { extensions } from './extensions.ts';
import type { FlowConfig } from './front-config.ts';
import type { RegionConfig } from './geo-config.ts';
import type { Report } from './issue.ts';
import { resolveLatency } from './latency-config.ts';
import { present } from './present.ts';
import { resolveAffinity } from './resolve-affinity.ts';
import { resolveLocation } from './resolve-location.ts';
import { resolveResilience } from './resolve-resilience.ts';
import type { ConfigFile } from './schema.ts';
import { namesAbove } from './standing.ts';
import { type NamedZone, zonesOfFolders } from './zone-folders.ts';
import { type MasterFiles, type ResolvedZone, resolveZone } from './zone-records.ts';
import { DEFAULT_POLICY } from './zone-schema.ts';

/**
 * From the file's shape to `Config`: defaults that depend on other entries, names in full, addresses
 * in their one canonical form. Everything that consumes `Config` can then compare text.
 */

const DEFAULT_CHAIN = ['healthy', 'nearest', 'weighted', 'first'];
const NODE_NAME_DEFAULT = 'meridian';
/** Of a probe; half of the interval when that is shorter. */
const TIMEOUT_DEFAULT_MS = 2000;
/** While failures count, probes come this many times as often, but not more often than that. */
const RECHECK_QUICKER = 4;
const RECHECK_DEFAULT_MIN_MS = 50;
/** What has been down for long is probed this many times less often, but not less often than that. */
const IDLE_SLOWER = 4;
const IDLE_DEFAULT_MAX_MS = 60_000;

export type Resolved = { readonly config: Config; readonly zones: readonly ResolvedZone[] };

/** Builds the Config; what cannot be understood is reported and left out. */
export function resolveConfig(
  file: ConfigFile,
  hostname: string | undefined,
  places: Places,
  masters: MasterFiles,
  error: Report,
  warn: Report,
): Resolved {
  const regions = resolveRegions(file, places, error);
  const zones = resolveZones(file, masters, error, warn);
  const nodeName = file.node.name ?? (hostname || NODE_NAME_DEFAULT);
  const { stateDirectory, vantages = [{ name: nodeName, source: [] }] } = file.node;
  const config: Config = {
    node: {
      name: nodeName,
      roles: [...new Set(file.node.roles)],
      ...(stateDirectory === undefined ? {} : { stateDirectory }),
      workers: file.node.workers,
      vantages: vantages.map(({ name, region, source }) => ({
        name,
        ...(region === undefined ? {} : { region }),
        source: source.map(canonical),
      })),
      canaries: file.node.canaries.map((canary) => ({
        ...canary,
        address: canonical(canary.address),
      })),
    },
    regions,
    geo: resolveGeo(file, places, error),
    latency: resolveLatency(file),
    capacity: resolveCapacity(file),
    monitors: mapValues(file.monitors, resolveMonitor),
    monitorGroups: mapValues(file.monitorGroups, ({ of, need }) => ({
      of,
      need: need ?? of.reduce((sum, { weight }) => sum + weight, 0),
    })),
    pools: resolvePools(file, regions),
    policies: { [DEFAULT_POLICY]: closest(), ...file.policies },
    zones: Object.fromEntries(zones.map(({ name, config }) => [name, config])),
    dns: {
      listeners: file.dns.listeners.map((listener) => resolveDnsListener(file, listener)),
      udpSizeMax: file.dns.udpSizeMax,
      udpEngine: file.dns.udpEngine,
      udpGatherUs: file.dns.udpGatherMicroseconds,
      tcp: {
        connectionsMax: file.dns.tcp.connectionsMax,
        perClientMax: file.dns.tcp.perClientMax,
        idleTimeoutMs: file.dns.tcp.idleTimeout,
        queriesPerSecond: file.dns.tcp.queriesPerSecond,
        connectionsPerSecond: file.dns.tcp.connectionsPerSecond,
      },
      keys: resolveKeys(file, error),
      identity: resolveIdentity(file, nodeName),
      rateLimit: {
        ...file.dns.rateLimit,
        exempt: file.dns.rateLimit.exempt.map(canonicalNetwork),
      },
      access: {
        allow: file.dns.access.allow.map(canonicalNetwork),
        deny: file.dns.access.deny.map(canonicalNetwork),
      },
      ...(file.dns.dnstap === undefined
        ? {}
        : { dnstap: resolveDnstap(file.dns.dnstap, resolveIdentity(file, nodeName)) }),
      explain: { allow: file.dns.explain.allow.map(canonicalNetwork) },
    },
    balancer: resolveBalancer(file),
    store: file.store,
    cluster: resolveCluster(file),
    admin: { ...file.admin, address: canonical(file.admin.address) },
    log: file.log,
  };
  return { config, zones };
}

function resolveZones(
  { zoneFolders, zones }: ConfigFile,
  masters: MasterFiles,
  error: Report,
  warn: Report,
): readonly ResolvedZone[] {
  const written = Object.entries(zones).map(
    ([name, file]): NamedZone => ({ name, file, master: file.file, path: ['zones', name] }),
  );
  const all = [...written, ...zonesOfFolders(zoneFolders, masters.files, error)];
  const above = namesAboveAll(all.map(({ name }) => name));
  const isAbove = (apexText: string): boolean => above.has(apexText);
  return all.flatMap((zone) => resolveZone(zone, masters, isAbove, error, warn) ?? []);
}

/** All names above these, without the final dot but for the root. */
function namesAboveAll(zones: readonly string[]): ReadonlySet<string> {
  const above = new Set<string>();
  for (const zone of zones) {
    const name = zone.endsWith('.') && zone !== '.' ? zone.slice(0, -1) : zone;
    for (const each of namesAbove(`${name.toLowerCase()}.`.replace('..', '.'))) {
      const text = each === '.' ? each : each.slice(0, -1);
      if (above.has(text)) break;
      above.add(text);
    }
  }
  return above;
}

function resolveDnsListener(
  file: ConfigFile,
  listener: ConfigFile['dns']['listeners'][number],
): DnsListenerConfig {
  const { address, path, port, protocol } = listener;
  const { certificate, proxies } = { certificate: undefined, proxies: undefined, ...listener };
  const isSecure = protocol === 'tls' || protocol === 'https';
  const shown = certificate ?? (isSecure ? file.dns.certificate : undefined);
  return {
    address: canonical(address),
    port,
    protocol,
    ...(proxies === undefined ? {} : { proxies: proxies.map(canonicalNetwork) }),
    ...(shown === undefined ? {} : { certificate: shown }),
    ...(protocol === 'https' ? { path } : {}),
  };
}

/** By their absolute names in lower case, as messages have them. */
function resolveKeys({ dns: { keys } }: ConfigFile, error: Report): Config['dns']['keys'] {
  const resolved: Record<string, KeyConfig> = {};
  for (const [name, key] of Object.entries(keys)) {
    const full = `${name.replace(/\.$/, '').toLowerCase()}.`;
    const path = ['dns', 'keys', name];
    if (parseName(full) === undefined)
      error(path, `"${name}" is not a domain name`, undefined, 'key');
    else if (Object.hasOwn(resolved, full))
      error(path, `the key ${full} is there twice`, undefined, 'key');
    else resolved[full] = key;
  }
  return resolved;
}

function resolveIdentity({ dns: { identity } }: ConfigFile, nodeName: string): IdentityConfig {
  const { id = nodeName, reportChannel, version } = identity;
  return {
    ...(id === false ? {} : { id }),
    ...(version === false ? {} : { version }),
    ...(reportChannel === undefined ? {} : { reportChannel }),
  };
}

function resolveDnstap(
  { bufferMiB, identity, messages, sample, to, version }: NonNullable<ConfigFile['dns']['dnstap']>,
  own: IdentityConfig,
): DnstapConfig {
  const said = { identity: identity ?? own.id ?? false, version: version ?? own.version ?? false };
  return {
    to,
    messages: [...new Set(messages)],
    ...(said.identity === false ? {} : { identity: said.identity }),
    ...(said.version === false ? {} : { version: said.version }),
    sample,
    bufferBytes: 2 ** (20 + Math.ceil(Math.log2(bufferMiB))),
  };
}

function resolveCluster({ cluster: { advertise, listen, ...rest } }: ConfigFile): ClusterConfig {
  return {
    ...rest,
    listen: listen.map(({ address, port }) => ({ address: canonical(address), port })),
    ...(advertise === undefined ? {} : { advertise }),
  };
}

/** Healthy, then nearest, then by weight, then the first: what a newcomer expects of steering. */
function closest(): PolicyConfig {
  const chain = DEFAULT_CHAIN.map((kind) => {
    const step = extensions.steps.find((one) => one.kind === kind);
    return { kind, options: step?.options.parse({}) };
  });
  return { chain };
}

function resolveRegions(
  file: ConfigFile,
  places: Places,
  error: Report,
): Readonly<Record<string, RegionConfig>> {
  return mapValues(file.regions, ({ location, vips, capacity }, name) => ({
    location:
      location === undefined
        ? {}
        : resolveLocation(location, ['regions', name, 'location'], places, error),
    vips: vips.map(canonical),
    capacity,
  }));
}

function resolveGeo(file: ConfigFile, places: Places, error: Report): Config['geo'] {
  const seen = new Map<string, string>();
  const overrides = file.geo.overrides.map(({ networks, location }, index) => {
    const path = ['geo', 'overrides', index];
    const canonicalNetworks = networks.map((text, place) => {
      const network = canonicalNetwork(text);
      const at = [...path, 'networks', place];
      const before = seen.get(network);
      if (before !== undefined)
        error(at, `${network} is there twice`, `the other one is at ${before}`);
      else seen.set(network, at.join('.'));
      return network;
    });
    return {
      networks: canonicalNetworks,
      location: resolveLocation(location, [...path, 'location'], places, error),
    };
  });
  const { databases, maxAge, resolvers } = file.geo;
  return { databases, overrides, resolvers, maxAgeMs: maxAge };
}

function resolveMonitor({
  address,
  idle,
  interval,
  port,
  recheck,
  retry,
  slowAbove,
  timeout,
  ...rest
}: ConfigFile['monitors'][string]): MonitorConfig {
  const recheckMs = recheck ?? Math.max(RECHECK_DEFAULT_MIN_MS, interval / RECHECK_QUICKER);
  const idleMs = idle.interval ?? Math.min(IDLE_DEFAULT_MAX_MS, interval * IDLE_SLOWER);
  return {
    ...rest,
    ...(address === undefined ? {} : { address: canonical(address) }),
    ...(port === undefined ? {} : { port }),
    ...(slowAbove === undefined ? {} : { slowAboveMs: slowAbove }),
    ...(retry === undefined ? {} : { retryMs: retry }),
    intervalMs: interval,
    timeoutMs: timeout ?? Math.min(TIMEOUT_DEFAULT_MS, Math.floor(interval / 2)),
    recheckMs: Math.min(interval, Math.round(recheckMs)),
    idle: { afterMs: idle.after, intervalMs: Math.max(interval, idleMs) },
  };
}

function resolvePools(file: ConfigFile, regions: Config['regions']): Config['pools'] {
  return mapValues(
    file.pools,
    ({ monitor, endpoints, ramp, regionalHealth, sorry, withdrawals, ...rest }) => ({
      ...rest,
      ...(regionalHealth === undefined ? {} : { regionalHealth }),
      ramp: { from: ramp.from, overMs: ramp.over },
      withdrawals: {
        shareMax: withdrawals.shareMax,
        countMax: withdrawals.countMax,
        windowMs: withdrawals.window,
      },
      ...(monitor === undefined ? {} : { monitor }),
      endpoints: endpoints.map((endpoint): EndpointConfig => {
        const { addresses, monitor: its, region, weight, ...more } = endpoint;
        const isKnown = Object.hasOwn(regions, region) && more.cname === undefined;
        const vips = isKnown ? regions[region]!.vips : [];
        return {
          ...{ region, weight, addresses: addresses?.map(canonical) ?? vips },
          ...(its === undefined ? {} : { monitor: its }),
          ...present(more),
        };
      }),
      sorry: sorry.map(canonical),
    }),
  );
}

function resolveBalancer(file: ConfigFile): BalancerConfig {
  const upstreams = mapValues(
    file.balancer.upstreams,
    ({
      algorithm,
      discovery,
      servers,
      monitor,
      readiness,
      keepalive,
      proxyOptions,
      proxyProtocol,
      affinity,
      connectTimeout,
      responseTimeout,
      bodyIdleTimeout,
      ...rest
    }) => ({
      algorithm,
      servers: servers.map((server) => {
        const address = canonical(server.address);
        const name = server.name ?? formatSocketAddress({ address, port: server.port });
        const { port, priority, weight } = server;
        return { name, address, port, weight, ...(priority === undefined ? {} : { priority }) };
      }),
      ...(discovery === undefined ? {} : { discovery: { dns: resolveDiscovery(discovery.dns) } }),
      ...present({ monitor, readiness }),
      keepalive: { idleMax: keepalive.idleMax, idleTimeoutMs: keepalive.idleTimeout },
      connectTimeoutMs: connectTimeout,
      responseTimeoutMs: responseTimeout,
      bodyIdleTimeoutMs: bodyIdleTimeout,
      ...resolveResilience(rest, responseTimeout),
      ...(proxyProtocol === undefined ? {} : { proxyProtocol }),
      ...(proxyOptions === undefined ? {} : { proxyOptions }),
      ...(affinity === undefined ? {} : { affinity: resolveAffinity(affinity, file.store.kind) }),
    }),
  );
  const listeners = file.balancer.listeners.map(resolveBalancerListener);
  const { accessLog, clients, engine, metrics, warmUp } = file.balancer;
  return {
    engine,
    ...(accessLog === undefined ? {} : { accessLog }),
    ...(metrics === 'all' ? {} : { metrics }),
    ...(warmUp === 0 ? {} : { warmUpMs: warmUp }),
    clients: resolveClients(clients),
    upstreams,
    listeners,
  };
}

function resolveDiscovery({ maxTtl, minTtl, port, resolvers, ...dns }: FileDiscovery) {
  return { ...dns, ...present({ port, resolvers }), minTtlMs: minTtl, maxTtlMs: maxTtl };
}
type FileDiscovery = NonNullable<ConfigFile['balancer']['upstreams'][string]['discovery']>['dns'];

function resolveBalancerListener(
  listener: ConfigFile['balancer']['listeners'][number],
): BalancerListenerConfig {
  const address = canonical(listener.address);
  const {
    abortOnClose,
    port,
    proxies,
    region,
    routes = [],
    sni = [],
    trace,
    trust,
    upstream,
  } = listener;
  const everything = { hosts: [], pathPrefix: '/', filters: [] };
  const all = [
    ...routes,
    ...sni.map(({ names, upstream: to }) => ({ ...everything, hosts: names, upstream: to })),
    ...(upstream === undefined ? [] : [{ ...everything, upstream }]),
  ];
  const layer4 = resolveFlows(listener);
  // TCP may have the same address and port.
  const suffix = layer4?.protocol === 'udp' ? '/udp' : '';
  return {
    name: listener.name ?? `${formatSocketAddress({ address, port })}${suffix}`,
    region,
    address,
    port,
    routes: all.map((route) => ({
      ...present(route),
      filters: route.filters,
      pathPrefix: route.pathPrefix ?? '/',
      hosts: route.hosts.map((host) => host.toLowerCase()),
    })),
    ...(layer4 === undefined ? {} : { layer4 }),
    ...(abortOnClose === undefined ? {} : { abortOnClose }),
    ...(trace === undefined ? {} : { trace }),
    ...(trust === undefined
      ? {}
      : { trust: { ...trust, proxies: trust.proxies.map(canonicalNetwork) } }),
    ...(proxies === undefined ? {} : { proxies: proxies.map(canonicalNetwork) }),
  };
}

function resolveFlows(
  listener: ConfigFile['balancer']['listeners'][number],
): FlowConfig | undefined {
  const { idleTimeout, protocol, responses = 0, sessionsMax = FLOWS.sessionsMax, sni } = listener;
  const { drainTimeout: drainTimeoutMs = FLOWS.drainTimeoutMs } = listener;
  if (protocol === 'http') return undefined;
  const idleTimeoutMs = idleTimeout ?? FLOWS.idleTimeoutMs[protocol];
  const byServerName = sni !== undefined;
  return { protocol, byServerName, idleTimeoutMs, drainTimeoutMs, sessionsMax, responses };
}

/** What holds for layer 4 where nothing is written. */
const FLOWS = {
  idleTimeoutMs: { tcp: 600_000, udp: 60_000 },
  drainTimeoutMs: 300_000,
  sessionsMax: 10_000,
} as const;

/** RFC 5952 text of an address that the schema has accepted. */
function canonical(text: string): string {
  const address = parseAddress(text);
  return address ? formatAddress(address) : text;
}

function canonicalNetwork(text: string): string {
  const network = parsePrefix(text);
  return network ? formatPrefix(network) : text;
}

function mapValues<From, To>(
  record: Readonly<Record<string, From>>,
  map: (value: From, key: string) => To,
): Readonly<Record<string, To>> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
}
