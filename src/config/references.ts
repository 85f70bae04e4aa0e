import { isLoopback, parseAddress } from '../ip/address.ts';
import { checkAffinity } from './affinity-references.ts';
import type { Config, PoolConfig, UpstreamConfig } from './config.ts';
import { checkDnssec } from './dnssec-references.ts';
import type { ConfigPath, Report } from './issue.ts';
import { checkPages, checkProbes } from './latency-references.ts';
import { checkListeners } from './listeners.ts';
import { warnUnplaced } from './location-references.ts';
import { checkMonitors } from './monitor-references.ts';
import { checkPolicies, namedInPolicies } from './policy-references.ts';
import { checkResilience } from './resilience-references.ts';
import { checkRoutes } from './route-references.ts';
import { upstreamsReached } from './route-upstreams.ts';
import type { ConfigFile } from './schema.ts';
import { didYouMean } from './spelling.ts';
import { checkUpdates } from './update-references.ts';
import type { PlacedSteered } from './zone-records.ts';
import { DEFAULT_POLICY } from './zone-schema.ts';
import { zoneSettings } from './zone-settings.ts';

/**
 * What needs two places of the file to be judged: names that must exist elsewhere, numbers that must
 * fit together, addresses that must not meet. `written` holds the names as they stand in the file,
 * also of entries that the schema refused, so that one mistake is not reported twice.
 */
export type WrittenNames = {
  readonly regions: ReadonlySet<string>;
  readonly monitors: ReadonlySet<string>;
  readonly monitorGroups: ReadonlySet<string>;
  readonly pools: ReadonlySet<string>;
  readonly policies: ReadonlySet<string>;
  readonly upstreams: ReadonlySet<string>;
};

export type Check = {
  readonly file: ConfigFile;
  readonly config: Config;
  readonly written: WrittenNames;
  /** Of all zones. */
  readonly steered: readonly PlacedSteered[];
  readonly error: Report;
  readonly warn: Report;
};

/** Runs every check on the file's shape; zones have their own in zone-consistency.ts. */
export function checkReferences(check: Check): void {
  checkVantages(check);
  checkRegions(check);
  checkMonitors(check);
  checkPools(check);
  checkPolicies(check, DEFAULT_POLICY);
  checkSteered(check);
  warnUnplaced(check);
  checkTransfers(check);
  checkDnssec(check);
  checkUpdates(check);
  checkUpstreams(check);
  checkAffinity(check);
  checkProbes(check);
  checkPages(check, (region, path) => refer(check, 'regions', region, path));
  checkResilience(check);
  checkRoutes(
    check,
    (name, path) => refer(check, 'upstreams', name, path),
    (name, path) => refer(check, 'regions', name, path),
  );
  checkListeners(check);
  checkAdmin(check);
  checkCluster(check);
  checkRoles(check);
  warnUnused(check);
}

type Kind = keyof WrittenNames;
const KIND_WORDS: Readonly<Record<Kind, string>> = {
  regions: 'region',
  monitors: 'monitor',
  monitorGroups: 'monitor group',
  pools: 'pool',
  policies: 'policy',
  upstreams: 'upstream',
};

/** Reports a name that is nowhere defined. */
function refer({ written, error }: Check, kind: Kind, name: string, path: ConfigPath): void {
  if (written[kind].has(name)) return;
  const hint =
    written[kind].size === 0
      ? `define it under "${kind === 'upstreams' ? 'balancer.upstreams' : kind}"`
      : didYouMean(name, [...written[kind]]);
  error(path, `there is no ${KIND_WORDS[kind]} "${name}"`, hint);
}

/** What judges endpoints or servers may be a group of monitors. */
function referMonitor(check: Check, name: string, path: ConfigPath): void {
  const { monitorGroups, monitors } = check.written;
  if (monitorGroups.has(name)) return;
  if (monitorGroups.size === 0 || monitors.has(name)) refer(check, 'monitors', name, path);
  else {
    const hint = didYouMean(name, [...monitors, ...monitorGroups]);
    check.error(path, `there is no monitor "${name}"`, hint);
  }
}

function checkVantages(check: Check): void {
  const seen = new Set<string>();
  for (const [index, vantage] of (check.file.node.vantages ?? []).entries()) {
    const path = ['node', 'vantages', index];
    if (seen.has(vantage.name)) {
      check.error(
        [...path, 'name'],
        `the vantage point "${vantage.name}" is there twice`,
        'names are unique',
      );
    }
    seen.add(vantage.name);
    if (vantage.region !== undefined) refer(check, 'regions', vantage.region, [...path, 'region']);
  }
}

function checkRegions({ config, warn }: Check): void {
  const owners = new Map<string, string>();
  for (const [name, { vips }] of Object.entries(config.regions)) {
    for (const [index, vip] of vips.entries()) {
      const owner = owners.get(vip);
      if (owner !== undefined) {
        const hint = 'an answer with it says nothing about the region';
        warn(['regions', name, 'vips', index], `${vip} is a VIP of "${owner}" too`, hint);
      }
      owners.set(vip, name);
    }
  }
}

function checkPools(check: Check): void {
  const { config, error } = check;
  for (const [name, pool] of Object.entries(config.pools)) {
    const path = ['pools', name];
    if (pool.monitor !== undefined) referMonitor(check, pool.monitor, [...path, 'monitor']);
    const seen = new Set<string>();
    for (const [index, { monitor, name: own, region }] of pool.endpoints.entries()) {
      const at = [...path, 'endpoints', index, own === undefined ? 'region' : 'name'];
      if (monitor !== undefined)
        referMonitor(check, monitor, [...path, 'endpoints', index, 'monitor']);
      refer(check, 'regions', region, [...path, 'endpoints', index, 'region']);
      if (seen.has(own ?? region)) {
        const hint = 'give the one both addresses, or each a "name"';
        error(at, `the pool has two endpoints called "${own ?? region}"`, hint);
      }
      seen.add(own ?? region);
    }
    if (pool.endpoints.every(({ weight }) => weight === 0)) {
      error(
        [...path, 'endpoints'],
        'all endpoints have the weight 0',
        'give at least one a weight above 0',
      );
    }
    checkFamilies(check, name);
    warnUnreachableQuorum(check, name);
  }
}

/**
 * A quorum that this node's vantage points can never make: the pool would stay as it is for ever.
 * Only nodes that share a store can have more voices than their own.
 */
function warnUnreachableQuorum({ file, config, warn }: Check, name: string): void {
  const { endpoints, monitor, quorumMin } = config.pools[name]!;
  const { roles, vantages } = config.node;
  if (!roles.includes('prober') || file.store.kind !== 'memory') return;
  const groups = new Set(vantages.map((vantage) => vantage.region ?? vantage.name));
  for (const { monitor: own, region } of endpoints) {
    if ((own ?? monitor) === undefined) continue;
    // A region is judged by the others, if there are any.
    const others = groups.size - Number(groups.has(region));
    const voices = others > 0 ? others : groups.size;
    if (voices >= quorumMin) continue;
    const few = voices === 1 ? 'only one group' : `only ${voices} groups`;
    const message = `quorumMin is ${quorumMin}, but ${few} of this node's vantage points can vote on the endpoint in "${region}": it can never be voted down`;
    const hint = 'lower it, or add vantage points in other regions';
    warn(['pools', name, 'quorumMin'], message, hint);
    return;
  }
}

/**
 * A and AAAA must exist for every client of a name or for none: negative answers are shared by all
 * clients of a resolver (RFC 7871 section 7.4), so one client's "no AAAA" would become everybody's.
 */
function checkFamilies({ file, config, error, warn }: Check, name: string): void {
  const pool = config.pools[name]!;
  if (pool.endpoints.some(({ region }) => !Object.hasOwn(file.regions, region))) return;
  const path = ['pools', name, 'endpoints'];
  if (!checkAliases(pool, path, error)) {
    warnUnprobed(pool, path, warn);
    return;
  }
  const families = pool.endpoints.map(({ addresses }) => familiesOf(addresses));
  for (const [index, endpoint] of pool.endpoints.entries()) {
    if (endpoint.addresses.length > 0) continue;
    const hint = `give the region "vips", or the endpoint "addresses"`;
    error([...path, index], `the endpoint in "${endpoint.region}" has no address`, hint);
  }
  for (const family of [4, 6] as const) {
    const having = families.filter((set) => set.has(family)).length;
    if (having === 0) continue;
    for (const [index, set] of families.entries()) {
      if (set.has(family) || set.size === 0) continue;
      const region = pool.endpoints[index]!.region;
      const message = `the endpoint in "${region}" has no IPv${family} address, but ${having} of the pool have one`;
      error(
        [...path, index],
        message,
        `give every endpoint of the pool an IPv${family} address, or none`,
      );
    }
    if (pool.sorry.length > 0 && !familiesOf(pool.sorry).has(family)) {
      const message = `there is no IPv${family} address here, but the endpoints have one`;
      error(['pools', name, 'sorry'], message, `add an IPv${family} address`);
    }
  }
}

/**
 * All endpoints are answered as CNAMEs, or none: else types beside A and AAAA would be there for one
 * client and not for another. True when the pool answers with addresses.
 */
function checkAliases(pool: PoolConfig, path: ConfigPath, error: Check['error']): boolean {
  const aliases = pool.endpoints.filter(({ cname }) => cname !== undefined).length;
  if (aliases === 0) return true;
  if (aliases < pool.endpoints.length) {
    const message = `${aliases} of ${pool.endpoints.length} endpoints have a "cname"`;
    error(path, message, 'give it to all of them, or to none');
  }
  if (pool.sorry.length > 0) {
    const hint = 'remove it: where everything is switched off, the would-be CNAME is answered';
    error([...path.slice(0, -1), 'sorry'], 'a pool of CNAMEs has no addresses', hint, 'key');
  }
  return false;
}

/** Names are not probed: whoever is behind them may be elsewhere for each vantage point. */
function warnUnprobed(
  { endpoints, monitor }: PoolConfig,
  path: ConfigPath,
  warn: Check['warn'],
): void {
  for (const [index, { addresses, monitor: own = monitor, region }] of endpoints.entries()) {
    if (own === undefined || addresses.length > 0) continue;
    const message = `nothing is probed for the endpoint in "${region}", so it counts as up`;
    warn([...path, index], message, 'give "addresses" to probe beside the "cname"');
  }
}

function familiesOf(addresses: readonly string[]): ReadonlySet<4 | 6> {
  return new Set(addresses.flatMap((text) => parseAddress(text)?.family ?? []));
}

function checkSteered(check: Check): void {
  for (const { config, paths } of check.steered) {
    const { policy, pool, ttlMax, ttlMin } = config;
    refer(check, 'pools', pool, paths.pool);
    if (policy !== DEFAULT_POLICY) refer(check, 'policies', policy, paths.policy);
    if (ttlMin > ttlMax) {
      check.error(paths.ttlMin, `min ${ttlMin} is more than max ${ttlMax}`, 'swap them');
    }
  }
}

/** Keys that zones name. */
function checkTransfers({ config, error, file, warn }: Check): void {
  for (const { path: own, settings } of zoneSettings(file)) {
    const { primary, transfer, update } = settings;
    const path = [...own, 'transfer'];
    const check = (key: string | undefined, at: ConfigPath): void => {
      if (key === undefined || Object.hasOwn(config.dns.keys, key)) return;
      const hint = 'add it to dns.keys';
      error(at, `there is no key "${key.replace(/\.$/, '')}"`, hint);
    };
    for (const [index, each] of (transfer?.allow ?? []).entries()) {
      if ('key' in each) check(each.key, [...path, 'allow', index, 'key']);
    }
    for (const [index, each] of (transfer?.notify ?? []).entries()) {
      if ('key' in each) check(each.key, [...path, 'notify', index, 'key']);
    }
    for (const [index, { key }] of (update?.allow ?? []).entries()) {
      check(key, [...own, 'update', 'allow', index, 'key']);
    }
    for (const [index, each] of (primary?.servers ?? []).entries()) {
      const at = [...own, 'primary', 'servers', index, 'key'];
      if ('key' in each) check(each.key, at);
    }
    if (primary !== undefined && file.node.stateDirectory === undefined) {
      const message = 'the copy is not kept: a node that starts while the primary is away has none';
      warn([...own, 'primary'], message, 'node: { stateDirectory: /var/lib/meridian }', 'key');
    }
  }
}

function checkUpstreams(check: Check): void {
  for (const [name, upstream] of Object.entries(check.config.balancer.upstreams)) {
    const path = ['balancer', 'upstreams', name];
    for (const key of ['monitor', 'readiness'] as const) {
      const named = upstream[key];
      if (named !== undefined) referMonitor(check, named, [...path, key]);
    }
    checkDiscovery(check, upstream, path);
    if (upstream.servers.length > 0 && upstream.servers.every(({ weight }) => weight === 0)) {
      check.error(
        [...path, 'servers'],
        'all servers have the weight 0',
        'give at least one a weight above 0',
      );
    }
    const seen = new Set<string>();
    for (const [index, server] of upstream.servers.entries()) {
      if (seen.has(server.name)) {
        check.error(
          [...path, 'servers', index],
          `the server "${server.name}" is there twice`,
          'use its weight instead',
        );
      }
      seen.add(server.name);
    }
  }
}

function checkDiscovery(
  check: Check,
  { discovery, servers }: UpstreamConfig,
  path: ConfigPath,
): void {
  if (discovery === undefined) {
    if (servers.length > 0) return;
    const hint = 'servers: ["192.0.2.10:8080"], or a discovery';
    check.error([...path], 'an upstream needs servers', hint);
    return;
  }
  const { maxTtlMs, minTtlMs, port, type } = discovery.dns;
  const own = [...path, 'discovery', 'dns'];
  if (type === 'SRV' && port !== undefined) {
    check.error([...own, 'port'], 'SRV records say the ports', 'leave it out');
  } else if (type !== 'SRV' && port === undefined) {
    check.error(own, `a port is missing: ${type} records say none`, 'port: 8080');
  }
  if (minTtlMs > maxTtlMs) {
    check.error([...own, 'minTtl'], 'is above maxTtl', 'maxTtl is 5m unless it is given');
  }
}

/** Whom to believe must be said, or anybody could say that a region is down. */
function checkCluster({ config, error, warn }: Check): void {
  const { advertise, keyFiles, keys, listen, peers } = config.cluster;
  const hasKey = keys.length + keyFiles.length > 0;
  if (listen.length > 0 && !hasKey) {
    const hint = 'cluster.keyFiles: [/etc/meridian/cluster.key], made by: openssl rand -hex 32';
    error(['cluster', 'listen'], 'needs a key: anybody could speak for a node', hint);
  }
  if (listen.length === 0 && peers.length + (advertise === undefined ? 0 : 1) > 0) {
    const path = ['cluster', peers.length > 0 ? 'peers' : 'advertise'];
    warn(path, 'means nothing without cluster.listen', 'listen: [0.0.0.0:8054]');
  }
}

function checkAdmin({ file, error }: Check): void {
  const { address, tokens } = file.admin;
  const parsed = parseAddress(address);
  if (!file.node.roles.includes('admin') || !parsed || isLoopback(parsed) || tokens.length > 0)
    return;
  const message = `the API would be open to everybody who reaches ${address}`;
  error(['admin', 'address'], message, 'add admin.tokens, or listen on 127.0.0.1');
}

function checkRoles({ config, file, warn }: Check): void {
  const { roles } = file.node;
  if (roles.includes('nameserver') && Object.keys(config.zones).length === 0) {
    warn(
      ['zones'],
      'this nameserver has no zone and refuses every query',
      'add a zone, or change node.roles',
    );
  }
  const written = roles.length < 4 && roles.includes('balancer');
  if (written && file.balancer.listeners.length === 0) {
    warn(
      ['balancer'],
      'this balancer has no listener',
      'add balancer.listeners, or change node.roles',
    );
  }
}

/** Something that nothing uses is often the trace of a slip in the name elsewhere. */
function warnUnused({ file, steered: placed, warn }: Check): void {
  const upstreams = Object.values(file.balancer.upstreams);
  const grouped = Object.values(file.monitorGroups).flatMap(({ of }) =>
    of.map(({ monitor }) => monitor),
  );
  const judging = [
    ...Object.values(file.pools).flatMap(({ endpoints, monitor }) => [
      monitor,
      ...endpoints.map((each) => each.monitor),
    ]),
    ...upstreams.flatMap(({ monitor, readiness }) => [monitor, readiness]),
  ];
  const steered = placed.map(({ config }) => config);
  const routes = file.balancer.listeners.flatMap(({ upstream, routes = [], sni = [] }) => [
    upstream,
    ...routes.flatMap(upstreamsReached),
    ...sni.map((route) => route.upstream),
  ]);
  const used: readonly (readonly [ConfigPath, string, object, readonly (string | undefined)[]])[] =
    [
      [
        ['monitors'],
        'monitor',
        file.monitors,
        [...judging, ...file.node.canaries.map(({ monitor }) => monitor), ...grouped],
      ],
      [['monitorGroups'], 'monitor group', file.monitorGroups, [...judging, ...grouped]],
      [['pools'], 'pool', file.pools, steered.map(({ pool }) => pool)],
      [
        ['policies'],
        'policy',
        file.policies,
        [DEFAULT_POLICY, ...steered.map(({ policy }) => policy), ...namedInPolicies({ file })],
      ],
      [['balancer', 'upstreams'], 'upstream', file.balancer.upstreams, routes],
    ];
  for (const [path, word, defined, names] of used) {
    const known = new Set(names);
    for (const name of Object.keys(defined)) {
      if (!known.has(name))
        warn([...path, name], `nothing uses the ${word} "${name}"`, undefined, 'key');
    }
  }
}
