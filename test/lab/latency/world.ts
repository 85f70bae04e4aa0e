import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { RegionStatus } from '../../../src/control/control-plane.ts';
import type { NodeStatus } from '../../../src/control/node-status.ts';
import { parsePrefix } from '../../../src/ip/prefix.ts';
import { NODE_FLAGS } from '../../../src/node-flags.mjs';
import { nestedRecord, writeMmdb } from '../../geo/mmdb-writer.ts';
import { until } from '../../node/until.ts';
import type { LabProcess } from '../processes.ts';
import {
  type Internet,
  NETWORK_NAMES,
  NETWORKS,
  nameserver,
  networkOf,
  openInternet,
  REGIONS,
  type Region,
  vip,
} from './networks.ts';
import type { ToldRow } from './read-sketches.ts';

/**
 * Meridian that steers by latency: a nameserver node, which plans, a balancer node in each of three regions, and a
 * Redis that they share, every one a process of its own in its own network.
 */
export type World = Internet & {
  /** Runs `meridian WORDS` beside the nameserver. */
  meridian(...words: readonly string[]): Promise<string>;
  /** What nodes told of round-trip times since then, by the store's clock. */
  toldSince(atMs: number): Promise<readonly ToldRow[]>;
  /** What the nameserver says of its latency map. */
  latency(): Promise<NodeStatus['latency']>;
  /** What the running processes have written, for when something is wrong. */
  words(): string;
};

/** As in `latency` of the configuration: milliseconds. */
export type LatencyRules = {
  readonly windowMs: number;
  readonly windows: number;
  readonly bandMs: number;
  readonly bandPercent: number;
  readonly dwellMs: number;
};

export const NAME = 'www.gslb.example';
const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const READ_SKETCHES = fileURLToPath(new URL('read-sketches.ts', import.meta.url));
/** That of the program's own launcher. */
const COMPILE_CACHE = fileURLToPath(
  new URL('../../../node_modules/.cache/meridian', import.meta.url),
);
const PROGRAM = [process.execPath, ...NODE_FLAGS, MAIN];
/** One file for all nodes: what differs comes from the environment. */
const NODE = '$'.concat('{MERIDIAN_NODE}');
const API = 'http://127.0.0.1:8053/api/v1/';
const REDIS = { servers: [`${nameserver()}:6379`] } as const;
/** Many times what is expected: other programs share the machine. */
const DEADLINE_MS = 30_000;
const LOOK_EVERY_MS = 100;

const LOCATIONS = {
  virginia: { latitude: 38.95, longitude: -77.45, country: 'US' },
  frankfurt: { latitude: 50.11, longitude: 8.68, country: 'DE' },
  singapore: { latitude: 1.35, longitude: 103.82, country: 'SG' },
} as const;

/** Starts everything and waits until all regions are up. */
export async function startWorld(rules: LatencyRules): Promise<World> {
  const internet = await openInternet(1);
  const world = populate(internet, rules);
  try {
    await untilUp(world);
    return world;
  } catch (error) {
    const words = world.words();
    internet.topology.close();
    throw new Error(words, { cause: error });
  }
}

type Populated = World & { regions(): Promise<readonly RegionStatus[]> };

function populate(internet: Internet, rules: LatencyRules): Populated {
  const { directory, processes } = internet.topology;
  const running = new Map<string, LabProcess>();
  const start = (host: string, words: readonly string[], what = host): void => {
    const environment = { MERIDIAN_NODE: what, NODE_COMPILE_CACHE: COMPILE_CACHE };
    running.set(what, processes.start(host, words, environment));
  };
  const [file, geo] = [join(directory, 'meridian.yaml'), join(directory, 'geo.mmdb')];
  writeFileSync(geo, geoBytes());
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(configOf(directory, geo, rules), undefined, 2));
  const redis = ['redis-server', '--bind', nameserver(), '--dir', directory];
  start('ns', [...redis, '--protected-mode', 'no', '--save', ''], 'redis');
  const run = [...PROGRAM, 'run', '--config', file, '--roles'];
  for (const region of REGIONS) start(region, [...run, 'balancer', '--region', region]);
  start('ns', [...run, 'nameserver,prober,admin']);
  const inNs = async (words: readonly string[]): Promise<string> => {
    const { code, stderr, stdout } = await processes.run('ns', words);
    if (code !== 0) throw new Error(`${words.join(' ')}: ${code} ${stderr}`);
    return stdout;
  };
  const get = async <Answer>(path: string): Promise<Answer> =>
    JSON.parse(await inNs(['curl', '--silent', '--fail', '--max-time', '5', `${API}${path}`]));
  return {
    ...internet,
    meridian: (...words) => inNs([...PROGRAM, ...words]),
    async toldSince(sinceMs) {
      const words = [process.execPath, ...NODE_FLAGS, READ_SKETCHES, JSON.stringify(REDIS)];
      const rows: readonly ToldRow[] = JSON.parse(await inNs(words));
      return rows.filter(({ atMs }) => atMs >= sinceMs);
    },
    latency: async () => (await get<NodeStatus>('status')).latency,
    regions: () => get<readonly RegionStatus[]>('regions').catch(() => []),
    words: () => [...running].map(([name, { said }]) => `--- ${name}\n${said()}`).join(''),
  };
}

async function untilUp({ regions }: Populated): Promise<void> {
  const look = async (): Promise<boolean> => {
    // The API has a rate limit.
    await delay(LOOK_EVERY_MS);
    const seen = await regions();
    return seen.length > 0 && seen.every(({ state }) => state === 'up');
  };
  await until(look, DEADLINE_MS, 'all regions are up');
}

function configOf(
  directory: string,
  geo: string,
  { bandMs, bandPercent, dwellMs, windowMs, windows }: LatencyRules,
): object {
  return {
    node: {
      ...{ name: NODE, stateDirectory: join(directory, NODE) },
      workers: { dns: 1, balancer: 1 },
    },
    store: { kind: 'redis', ...REDIS },
    cluster: { keys: ['the cluster key of a lab, long enough to be one'] },
    geo: { databases: [geo] },
    regions: perRegion((region) => ({
      location: LOCATIONS[region],
      vips: [vip(region, 4), vip(region, 6)],
    })),
    latency: {
      ...{ window: `${windowMs}ms`, windows, band: `${bandMs}ms`, dwell: `${dwellMs}ms` },
      // Six networks are few: each is a large part of the demand.
      ...{ bandPercent, churnPercent: 100, explorePercent: 100 },
    },
    // Nobody explores while an endpoint is down, so it takes a lot to be down.
    monitors: { web: { kind: 'http', interval: '2s', timeout: '1500ms', rise: 1, fall: 3 } },
    pools: { web: { monitor: 'web', port: 80, endpoints: REGIONS } },
    policies: { fastest: { chain: ['latency', 'healthy'] } },
    zones: {
      'gslb.example': {
        nameservers: ['ns1'],
        records: { ns1: { A: nameserver() } },
        steered: { www: { pool: 'web', policy: 'fastest' } },
      },
    },
    dns: {
      listeners: [4, 6].map((family) => ({ address: nameserver(family as 4 | 6), port: 53 })),
    },
    balancer: {
      listeners: REGIONS.flatMap((region) =>
        [vip(region, 4), vip(region, 6)].map((address) => ({
          ...{ region, address, port: 80 },
          routes: [{ filters: [{ kind: 'respond', body: region }], upstream: 'web' }],
        })),
      ),
      // Nobody asks it: the balancers answer themselves.
      upstreams: { web: { servers: ['127.0.0.1:9001'] } },
    },
  };
}

/** A geo database that knows only the lab's client networks. */
function geoBytes(): Uint8Array {
  const entries = NETWORK_NAMES.map((name) => {
    const prefix = parsePrefix(networkOf(name));
    if (!prefix) throw new Error(`not a network: ${networkOf(name)}`);
    return { prefix, record: nestedRecord(LOCATIONS[NETWORKS[name].near]) };
  });
  return writeMmdb(entries, { databaseType: 'Lab-City' });
}

const perRegion = <Value>(value: (region: Region) => Value): Readonly<Record<string, Value>> =>
  Object.fromEntries(REGIONS.map((region) => [region, value(region)]));
