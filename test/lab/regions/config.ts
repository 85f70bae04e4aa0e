import { join } from 'node:path';
import { parsePrefix } from '../../../src/ip/prefix.ts';
import { nestedRecord, writeMmdb } from '../../geo/mmdb-writer.ts';
import { CLIENTS } from './clients.ts';
import { addressOf, REGIONS, type Region } from './wide-area.ts';

/** The configuration of the lab's nodes: one world, and what differs from process to process. */
export type StoreKind = 'sentinel' | 'cluster' | 'none';
export type Role = 'nameserver' | 'prober' | 'balancer';

export type Setting = {
  readonly store: StoreKind;
  /** Whether nodes tell each other directly. */
  readonly hasPeers: boolean;
  readonly monitor: Readonly<Record<string, unknown>>;
};

export const NAME = 'www.gslb.example';
export const POOL = 'web';
/** What the times of the requirement are for. */
export const QUICK_MONITOR = { interval: '250ms', timeout: '200ms', rise: 2, fall: 3 } as const;
export const ORIGIN = '127.0.0.1:9001';
export const REDIS_PORT = 6379;
export const SENTINEL_PORT = 26_379;
export const MASTER_NAME = 'mymaster';
/** Both are on the loopback of their region. */
export const ADMIN_PORT = { nameserver: 8053, prober: 8063 } as const;

const KEY = 'the cluster key of a lab, long enough to be one';
const PEER_PORT = 8054;
const LOCATIONS = {
  virginia: { latitude: 38.95, longitude: -77.45, country: 'US' },
  frankfurt: { latitude: 50.11, longitude: 8.68, country: 'DE' },
  singapore: { latitude: 1.35, longitude: 103.82, country: 'SG' },
} as const;
const HOST = { nameserver: 'nameserver', prober: 'prober', balancer: 'vip' } as const;

export const GEO_FILE = 'geo.mmdb';

/** A geo database that knows only the lab's clients. */
export function geoBytes(): Uint8Array {
  const entries = CLIENTS.flatMap(({ isGuest, near, network }) => {
    const hosts = isGuest ? (['guest'] as const) : (['client', 'resolver'] as const);
    return hosts.map((host) => {
      const prefix = parsePrefix(`${addressOf(network, host)}/32`);
      if (!prefix) throw new Error(`not a network: ${addressOf(network, host)}`);
      return { prefix, record: nestedRecord(LOCATIONS[near]) };
    });
  });
  return writeMmdb(entries, { databaseType: 'Lab-City' });
}

export const nodeName = (region: Region, role: Role): string => `${role}-${region}`;

export function configOf(
  region: Region,
  role: Role,
  directory: string,
  { hasPeers, monitor, store }: Setting,
): object {
  return {
    node: nodeOf(region, role, directory),
    ...(hasPeers ? { cluster: clusterOf(region, role) } : { cluster: { keys: [KEY] } }),
    store: storeOf(store),
    regions: perRegion((each) => ({ location: LOCATIONS[each], vips: addressOf(each, 'vip') })),
    geo: { databases: [join(directory, GEO_FILE)] },
    monitors: {
      web: { kind: 'http', path: '/healthz', ...monitor },
      origin: { kind: 'http', path: '/healthz', ...QUICK_MONITOR },
      resolver: { kind: 'tcp', port: 53, interval: '5s', timeout: '1s' },
    },
    pools: { [POOL]: { monitor: 'web', port: 80, endpoints: REGIONS } },
    zones: {
      'gslb.example': {
        nameservers: REGIONS.map((each) => `ns-${each}`),
        records: Object.fromEntries(
          REGIONS.map((each) => [`ns-${each}`, { A: addressOf(each, 'nameserver') }]),
        ),
        steered: { www: { pool: POOL, ttl: { min: 1, max: 5 } } },
      },
    },
    dns: { listeners: [{ address: addressOf(region, 'nameserver'), port: 53 }] },
    balancer: balancerOf(),
    ...(role === 'balancer' ? {} : { admin: { address: '127.0.0.1', port: ADMIN_PORT[role] } }),
  };
}

function nodeOf(region: Region, role: Role, directory: string): object {
  const name = nodeName(region, role);
  return {
    name,
    roles: role === 'balancer' ? ['balancer'] : [role, 'admin'],
    stateDirectory: join(directory, name),
    workers: { dns: 1, balancer: 1 },
    canaries: REGIONS.map((each) => ({
      monitor: 'resolver',
      address: addressOf(each, 'resolver'),
    })),
    ...(role === 'prober'
      ? { vantages: [{ name: region, region, source: addressOf(region, 'prober') }] }
      : {}),
  };
}

function clusterOf(region: Region, role: Role): object {
  const roles: readonly Role[] = ['nameserver', 'prober'];
  return {
    keys: [KEY],
    listen: `${addressOf(region, HOST[role])}:${PEER_PORT}`,
    peers: REGIONS.flatMap((each) =>
      roles.map((other) => `${addressOf(each, HOST[other])}:${PEER_PORT}`),
    ),
  };
}

function storeOf(kind: StoreKind): unknown {
  if (kind === 'none') return 'memory';
  const servers = REGIONS.map((region) =>
    kind === 'sentinel'
      ? `${addressOf(region, 'sentinel')}:${SENTINEL_PORT}`
      : `${addressOf(region, 'redis')}:${REDIS_PORT}`,
  );
  const name = kind === 'sentinel' ? { sentinelName: MASTER_NAME } : {};
  return { kind: 'redis', mode: kind, servers, ...name };
}

function balancerOf(): object {
  return {
    listeners: REGIONS.map((region) => ({
      region,
      address: addressOf(region, 'vip'),
      port: 80,
      upstream: `web-${region}`,
    })),
    upstreams: perRegion(() => ({ monitor: 'origin', servers: [ORIGIN] }), 'web-'),
  };
}

function perRegion<Value>(
  value: (region: Region) => Value,
  prefix = '',
): Readonly<Record<string, Value>> {
  return Object.fromEntries(REGIONS.map((region) => [prefix + region, value(region)]));
}
