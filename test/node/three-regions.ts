import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { runOrigin } from '../../src/cli/origin.ts';
import { parsePrefix } from '../../src/ip/prefix.ts';
import type { RunningNode } from '../../src/node/start-node.ts';
import { nestedRecord, writeMmdb } from '../geo/mmdb-writer.ts';
import { freePort, loopbackAddress } from './free-addresses.ts';
import { until } from './until.ts';

/**
 * A small world to run nodes in: three regions on loopback addresses of this test only, a client
 * network near each, and a geo database that knows just these networks, so that a node starts fast.
 */
export type ThreeRegions = {
  readonly directory: string;
  readonly regions: Readonly<Record<RegionName, Region>>;
  readonly dns: Place;
  readonly admin: Place;
  /** Network of the client near each region. */
  readonly clients: Readonly<Record<RegionName, string>>;
  /** A configuration of the quickstart's shape with these addresses; `changes` replace top-level keys. */
  config(changes?: Readonly<Record<string, unknown>>): Record<string, unknown>;
  /** What `config` has under `balancer`, for these regions only. */
  balancer(names: readonly RegionName[]): Record<string, unknown>;
  /** Writes a configuration file and returns its path. */
  write(name: string, config: Readonly<Record<string, unknown>>): string;
};
export type RegionName = 'virginia' | 'frankfurt' | 'singapore';
export type Place = { readonly address: string; readonly port: number };
export type Region = {
  readonly vip: string;
  readonly port: number;
  readonly servers: readonly string[];
};

export const REGION_NAMES: readonly RegionName[] = ['virginia', 'frankfurt', 'singapore'];
/** The steered name and zone. */
export const STEERED = 'www.gslb.example';

const LOCATIONS = {
  virginia: { latitude: 38.95, longitude: -77.45, country: 'US', city: 'Ashburn' },
  frankfurt: { latitude: 50.11, longitude: 8.68, country: 'DE', city: 'Frankfurt' },
  singapore: { latitude: 1.35, longitude: 103.82, country: 'SG', city: 'Singapore' },
} as const;
const CONTINENTS = { virginia: 'NA', frankfurt: 'EU', singapore: 'AS' } as const;
/** The networks of RFC 5737. */
const CLIENTS = {
  virginia: '192.0.2.0/24',
  frankfurt: '198.51.100.0/24',
  singapore: '203.0.113.0/24',
} as const;
const SERVERS_PER_REGION = 2;

export async function planThreeRegions(t: TestContext): Promise<ThreeRegions> {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-e2e-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'geo.mmdb'), geoBytes());
  // A pool has one port, so its VIPs share it. A port free on one random address is free on others.
  const { port } = await place();
  const regions = {
    virginia: await planRegion(port),
    frankfurt: await planRegion(port),
    singapore: await planRegion(port),
  };
  const dns = await place();
  const admin = await place();
  const balancer = (names: readonly RegionName[]) => balancerOf(regions, names);
  return {
    directory,
    regions,
    dns,
    admin,
    clients: CLIENTS,
    balancer,
    config: (changes = {}) => ({
      ...baseConfig(directory, regions, dns, admin),
      balancer: balancer(REGION_NAMES),
      ...changes,
    }),
    write(name, config) {
      const file = join(directory, name);
      writeFileSync(file, JSON.stringify(config, undefined, 2));
      return file;
    },
  };
}

/** An address of this test only and a port that is free there. */
export async function place(): Promise<Place> {
  const address = loopbackAddress();
  return { address, port: await freePort(address) };
}

async function planRegion(port: number): Promise<Region> {
  const vip = loopbackAddress();
  const servers: string[] = [];
  while (servers.length < SERVERS_PER_REGION) {
    const server = `${vip}:${await freePort(vip)}`;
    if (server !== `${vip}:${port}` && !servers.includes(server)) servers.push(server);
  }
  return { vip, port, servers };
}

function baseConfig(
  directory: string,
  regions: Readonly<Record<RegionName, Region>>,
  dns: Place,
  admin: Place,
) {
  const perRegion = <Value>(value: (name: RegionName) => Value) =>
    Object.fromEntries(REGION_NAMES.map((name) => [name, value(name)]));
  // Patient, because a test machine does much else: only a dead target fails three times in a row.
  const monitor = {
    kind: 'http',
    path: '/healthz',
    interval: '500ms',
    timeout: '490ms',
    rise: 2,
    fall: 3,
  };
  return {
    node: {
      name: 'test',
      roles: ['nameserver', 'balancer', 'prober', 'admin'],
      workers: { dns: 1, balancer: 1 },
      vantages: REGION_NAMES.map((name) => ({ name, region: name, source: regions[name].vip })),
    },
    store: 'memory',
    admin,
    geo: { databases: [join(directory, 'geo.mmdb')] },
    regions: perRegion((name) => ({
      location: LOCATIONS[name],
      vips: regions[name].vip,
      capacity: 1000,
    })),
    monitors: { web: monitor, origin: monitor },
    pools: {
      web: { monitor: 'web', port: regions.virginia.port, endpoints: REGION_NAMES },
    },
    zones: {
      'gslb.example': {
        ttl: 300,
        nameservers: ['ns1'],
        soa: { rname: 'hostmaster', serial: 1, minimum: 60 },
        steered: { www: { pool: 'web', policy: 'closest', ttl: { min: 2, max: 30 } } },
        records: {
          ns1: { A: '192.0.2.53' },
          static: { A: '192.0.2.80' },
        },
      },
    },
    dns: { listeners: [`${dns.address}:${dns.port}`] },
    log: { level: 'info' },
  };
}

function balancerOf(
  regions: Readonly<Record<RegionName, Region>>,
  names: readonly RegionName[],
): Record<string, unknown> {
  return {
    listeners: names.map((region) => ({
      region,
      address: regions[region].vip,
      port: regions[region].port,
      upstream: `web-${region}`,
    })),
    upstreams: Object.fromEntries(
      names.map((region) => [
        `web-${region}`,
        { algorithm: 'least-request', monitor: 'origin', servers: regions[region].servers },
      ]),
    ),
  };
}

function geoBytes(): Uint8Array {
  const entries = Object.entries(CLIENTS).map(([name, network]) => {
    const region = name as RegionName;
    const prefix = parsePrefix(network);
    if (!prefix) throw new Error(`not a network: ${network}`);
    const location = { ...LOCATIONS[region], continent: CONTINENTS[region] };
    return { prefix, record: nestedRecord(location) };
  });
  return writeMmdb(entries, { databaseType: 'Test-City' });
}

/** The servers behind these regions' balancers, in this process. */
export async function runOrigins(
  t: TestContext,
  world: ThreeRegions,
  names: readonly RegionName[] = REGION_NAMES,
): Promise<void> {
  for (const name of names) {
    const listen = world.regions[name].servers.map((server) => {
      const [address = '', port] = server.split(':');
      return { address, port: Number(port) };
    });
    const origin = await runOrigin({ name, listen });
    t.after(() => origin.close());
  }
}

const UP_DEADLINE_MS = 30_000;

/** Waits until every region is judged up. */
export async function allUp(node: RunningNode): Promise<void> {
  const states = (): readonly string[] => node.plane.regions().map(({ state }) => state);
  await until(
    () => states().every((state) => state === 'up'),
    UP_DEADLINE_MS,
    () => `all regions up, they are ${states().join(', ')}`,
  );
}
