import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { EventRecord, RegionStatus } from '../../src/control/control-plane.ts';
import { parsePrefix } from '../../src/ip/prefix.ts';
import { NODE_FLAGS } from '../../src/node-flags.mjs';
import { nestedRecord, writeMmdb } from '../geo/mmdb-writer.ts';
import { until } from '../node/until.ts';
import { type Clients, type Report, startClients } from './clients.ts';
import type { LabProcess, Outcome } from './processes.ts';
import { ipv4, ipv6, openTopology, type Topology } from './topology.ts';

/**
 * Meridian as it is run: a nameserver node with its own probes, in each of three regions a balancer
 * node with an origin behind it, every one a process of its own in its own network; and clients near
 * each region. All of it from one configuration file.
 *
 * The nameserver probes from three addresses in three networks, so a path can fail without the region.
 */
export type World = {
  readonly topology: Topology;
  /** Runs `meridian WORDS` beside the nameserver. */
  meridian(...words: readonly string[]): Promise<Outcome>;
  startNameserver(): void;
  startBalancer(region: RegionName): void;
  startOrigin(region: RegionName): void;
  /** Beside the clients: what is there when every region is dark. */
  startCanaries(): void;
  /** SIGKILL: no goodbye. */
  killNameserver(): Promise<void>;
  killBalancer(region: RegionName): Promise<void>;
  killOrigin(region: RegionName): Promise<void>;
  clients(type?: 'A' | 'AAAA'): Clients;
  /** What the admin API says of the regions; empty while it does not answer. */
  regions(): Promise<readonly RegionStatus[]>;
  /** What happened to endpoints since this time. */
  endpointEvents(sinceMs: number): Promise<readonly EventRecord[]>;
  /** Waits until the regions are as wanted; resolves to the milliseconds it took. */
  untilRegions(
    what: string,
    wanted: (regions: readonly RegionStatus[]) => boolean,
  ): Promise<number>;
  /** The same, until every vantage point sees every region up. */
  untilAllUp(): Promise<number>;
  /** What the running processes have written, for when something is wrong. */
  words(): string;
};

export type RegionName = 'virginia' | 'frankfurt' | 'singapore';
export const REGION_NAMES: readonly RegionName[] = ['virginia', 'frankfurt', 'singapore'];

export const NAME = 'www.gslb.example';
const VIP_NETWORK = { virginia: 1, frankfurt: 2, singapore: 3 } as const;
const CLIENT_NETWORK = { virginia: 21, frankfurt: 22, singapore: 23 } as const;
/** What resolvers send of clients near each region: private networks would rightly not count. */
export const SUBNETS = {
  virginia: ['192.0.2.0/24', '2001:db8:1::/48'],
  frankfurt: ['198.51.100.0/24', '2001:db8:2::/48'],
  singapore: ['203.0.113.0/24', '2001:db8:3::/48'],
} as const;
const NAMESERVER_NETWORKS = [11, 12, 13] as const;
const VANTAGES = ['north', 'south', 'west'] as const;

const at = (family: 4 | 6, network: number): string => (family === 4 ? ipv4 : ipv6)(network);
export const vip = (region: RegionName, family: 4 | 6 = 4): string =>
  at(family, VIP_NETWORK[region]);
/** The client that is near this region. */
export const client = (region: RegionName, family: 4 | 6 = 4): string =>
  at(family, CLIENT_NETWORK[region]);
export const nameserver = (family: 4 | 6 = 4): string => at(family, NAMESERVER_NETWORKS[0]);
/** Where the nameserver probes from: three addresses in three networks. */
export const vantages = (family: 4 | 6 = 4): readonly string[] =>
  NAMESERVER_NETWORKS.map((network) => at(family, network));

export type WorldOptions = {
  /** 6: VIPs, nameserver and clients have IPv6 addresses besides. */
  readonly families?: readonly (4 | 6)[];
  readonly monitor?: Readonly<Record<string, unknown>>;
};

/** Quick enough for a test, and gentle enough for a machine that does something else as well. */
export const QUICK_MONITOR = { interval: '500ms', timeout: '400ms', rise: 2, fall: 3 } as const;

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
/** That of the program's own launcher. */
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/meridian', import.meta.url));
const PROGRAM = [process.execPath, ...NODE_FLAGS, MAIN];
/** Many times what is expected: other programs share the machine. */
const DEADLINE_MS = 30_000;
const LOOK_EVERY_MS = 100;
/** One file for all nodes: what differs comes from the environment. */
const NODE = '$'.concat('{MERIDIAN_NODE}');
const API = 'http://127.0.0.1:8053/api/v1/';
const ORIGIN = '127.0.0.1:9001';
/** What the vantage points ask when regions fail: it is none of the regions' and never fails. */
const CANARY_PORT = 9002;

/** Starts everything and waits until every region is up. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const topology = openTopology({
    ns: NAMESERVER_NETWORKS,
    ...Object.fromEntries(REGION_NAMES.map((region) => [region, [VIP_NETWORK[region]]])),
    client: Object.values(CLIENT_NETWORK),
  });
  const file = writeConfig(topology.directory, options);
  const world = populate(topology, file);
  for (const region of REGION_NAMES) {
    world.startOrigin(region);
    world.startBalancer(region);
  }
  world.startCanaries();
  world.startNameserver();
  try {
    await world.untilAllUp();
    return world;
  } catch (error) {
    const words = world.words();
    topology.close();
    throw new Error(words, { cause: error });
  }
}

/** Says what was asked; no answer may ever be empty, and none missing while the nameserver lives. */
export function reportClients(t: TestContext, { asked, empty, lost }: Report, lostMax = 0): void {
  t.diagnostic(`clients asked ${asked} times, ${lost} lost, ${empty.length} empty`);
  t.assert.deepEqual(empty, [], 'an answer was empty');
  t.assert.ok(lost <= lostMax, `${lost} questions were not answered`);
}

function populate(topology: Topology, file: string): World {
  const { processes } = topology;
  const running = new Map<string, LabProcess>();
  const start = (host: string, what: string, words: readonly string[]): LabProcess => {
    const environment = { MERIDIAN_NODE: `${what}-${host}`, NODE_COMPILE_CACHE: COMPILE_CACHE };
    const started = processes.start(host, [...PROGRAM, ...words], environment);
    running.set(`${what} ${host}`, started);
    return started;
  };
  const kill = async (host: string, what: string): Promise<void> => {
    const victim = running.get(`${what} ${host}`);
    victim?.kill('SIGKILL');
    await victim?.exited;
  };
  const run = ['run', '--config', file, '--roles'];
  const meridian = (...words: readonly string[]): Promise<Outcome> =>
    processes.run('ns', [...PROGRAM, ...words]);
  const get = async <Answer>(path: string): Promise<Answer | undefined> => {
    const curl = ['curl', '--silent', '--fail', '--max-time', '5', `${API}${path}`];
    const { code, stdout } = await processes.run('ns', curl);
    return code === 0 ? JSON.parse(stdout) : undefined;
  };
  const regions = async () => (await get<readonly RegionStatus[]>('regions')) ?? [];
  const untilRegions: World['untilRegions'] = async (what, wanted) => {
    let seen: readonly RegionStatus[] = [];
    const look = async (): Promise<boolean> => {
      // The API has a rate limit.
      await delay(LOOK_EVERY_MS);
      seen = await regions();
      return seen.length > 0 && wanted(seen);
    };
    const states = (): string => seen.map(({ name, state }) => `${name} ${state}`).join(', ');
    return until(look, DEADLINE_MS, () => `the regions are ${what}: ${states()}`);
  };
  return {
    topology,
    meridian,
    regions,
    startBalancer: (region) =>
      void start(region, 'balancer', [...run, 'balancer', '--region', region]),
    startOrigin: (region) => void start(region, 'origin', ['origin', region, ORIGIN]),
    startCanaries: () =>
      void start('client', 'canaries', ['origin', 'canaries', `0.0.0.0:${CANARY_PORT}`]),
    startNameserver: () => void start('ns', 'nameserver', [...run, 'nameserver,prober,admin']),
    words: () => [...running].map(([name, { said }]) => `--- ${name}\n${said()}`).join(''),
    killNameserver: () => kill('ns', 'nameserver'),
    killBalancer: (region) => kill(region, 'balancer'),
    killOrigin: (region) => kill(region, 'origin'),
    clients: (type = 'A') => {
      const family = type === 'A' ? 4 : 6;
      const sources = REGION_NAMES.map((region) => client(region, family));
      const asked = { name: NAME, type, nameserver: nameserver(family), sources };
      return startClients(processes, 'client', asked);
    },
    async endpointEvents(sinceMs) {
      const events = await get<readonly EventRecord[]>('events?count=1000');
      if (events === undefined) throw new Error('the admin API does not tell its events');
      return events.filter(({ atMs, kind }) => atMs >= sinceMs && kind.startsWith('endpoint.'));
    },
    untilRegions,
    untilAllUp: () => untilRegions('up for every vantage point', (seen) => seen.every(isUp)),
  };
}

function isUp({ endpoints, state }: RegionStatus): boolean {
  const verdicts = endpoints.flatMap(({ vantages: seen }) => seen.map(({ verdict }) => verdict));
  return state === 'up' && verdicts.every((verdict) => verdict === 'up');
}

function writeConfig(directory: string, options: WorldOptions): string {
  const geo = join(directory, 'geo.mmdb');
  writeFileSync(geo, geoBytes());
  const file = join(directory, 'meridian.yaml');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(configOf(directory, geo, options), undefined, 2));
  return file;
}

function configOf(
  directory: string,
  geo: string,
  { families = [4], monitor = QUICK_MONITOR }: WorldOptions,
) {
  const perRegion = <Value>(value: (region: RegionName) => Value) =>
    Object.fromEntries(REGION_NAMES.map((region) => [region, value(region)]));
  return {
    node: {
      name: NODE,
      stateDirectory: join(directory, NODE),
      workers: { dns: 1, balancer: 1 },
      vantages: VANTAGES.map((name, index) => ({
        name,
        source: families.map((family) => vantages(family)[index]),
      })),
      canaries: REGION_NAMES.map((region) => ({
        monitor: 'canary',
        address: client(region),
        port: CANARY_PORT,
      })),
    },
    geo: { databases: [geo] },
    regions: perRegion((region) => ({
      location: LOCATIONS[region],
      vips: families.map((family) => vip(region, family)),
    })),
    monitors: {
      web: { kind: 'http', path: '/healthz', ...monitor },
      origin: { kind: 'http', path: '/healthz', ...QUICK_MONITOR },
      canary: { kind: 'tcp', ...QUICK_MONITOR },
    },
    pools: { web: { monitor: 'web', port: 80, endpoints: REGION_NAMES } },
    zones: {
      'gslb.example': {
        nameservers: ['ns1'],
        records: { ns1: { A: nameserver() }, mail: { A: '192.0.2.25' } },
        steered: { www: { pool: 'web', ttl: { min: 2, max: 30 } } },
      },
    },
    dns: { listeners: families.map((family) => ({ address: nameserver(family), port: 53 })) },
    balancer: {
      listeners: REGION_NAMES.flatMap((region) =>
        families.map((family) => ({
          region,
          address: vip(region, family),
          port: 80,
          upstream: `web-${region}`,
        })),
      ),
      upstreams: Object.fromEntries(
        REGION_NAMES.map((region) => [`web-${region}`, { monitor: 'origin', servers: [ORIGIN] }]),
      ),
    },
  };
}

const LOCATIONS = {
  virginia: { latitude: 38.95, longitude: -77.45, country: 'US' },
  frankfurt: { latitude: 50.11, longitude: 8.68, country: 'DE' },
  singapore: { latitude: 1.35, longitude: 103.82, country: 'SG' },
} as const;

/** A geo database that knows only where the lab's clients are: near the region of their name. */
function geoBytes(): Uint8Array {
  const entries = REGION_NAMES.flatMap((region) => {
    const number = CLIENT_NETWORK[region];
    const networks = [`10.99.${number}.0/24`, `fd00:99:${number}::/64`, ...SUBNETS[region]];
    return networks.map((network) => {
      const prefix = parsePrefix(network);
      if (!prefix) throw new Error(`not a network: ${network}`);
      return { prefix, record: nestedRecord(LOCATIONS[region]) };
    });
  });
  return writeMmdb(entries, { databaseType: 'Lab-City' });
}
