import { fileURLToPath } from 'node:url';
import { until } from '../../node/until.ts';
import { openTopology, type Topology } from '../topology.ts';
import type { RelayCounts, Way } from './relay.ts';

/**
 * Three regions far from each other: a namespace each, and between them a router that sends every
 * packet through a relay (relay.ts), which has the distance. Partitions are routes of the router, one
 * per direction: what they swallow is silence.
 *
 *      virginia ──┐              ┌── TUN ── socat ── relay
 *     frankfurt ──┼── router ────┘
 *     singapore ──┘
 */
export type WideArea = {
  readonly topology: Topology;
  /** Packets are lost between all regions, in each direction. */
  lose(percent: number): Promise<void>;
  /** The way between two regions takes so long, in each direction. */
  slow(one: Region, other: Region, latencyMs: number): Promise<void>;
  /** Everything from and to these hosts of any region (`HOSTS`) takes so much longer. */
  slowHosts(hosts: readonly number[], latencyMs: number): Promise<void>;
  /** Nothing passes any more from the one to the other; the way back is as it was. */
  cut(from: Region, to: Region): Promise<void>;
  /** Nothing passes any more from or to these addresses, as seen from other regions. */
  cutHosts(region: Region, hosts: readonly number[]): Promise<void>;
  /** Nothing from other regions reaches this one host any more, no answer either. */
  cutOff(region: Region, host: number): Promise<void>;
  /** All ways as they were. */
  heal(): Promise<void>;
  counts(): Promise<RelayCounts>;
};

export type Region = 'virginia' | 'frankfurt' | 'singapore';
export const REGIONS: readonly Region[] = ['virginia', 'frankfurt', 'singapore'];
export const NETWORK = { virginia: 1, frankfurt: 2, singapore: 3 } as const;

/** Every process has an address of its own in its region, so that its ways can fail alone. */
export const HOSTS = {
  vip: 1,
  redis: 6,
  replica: 7,
  prober: 8,
  sentinel: 26,
  nameserver: 53,
  client: 100,
  resolver: 101,
  guest: 102,
} as const;

/**
 * Round trips between the regions, half of it in each direction. The relay adds two or three
 * milliseconds. A probe by HTTP takes two of them.
 */
const ROUND_TRIPS_MS: readonly (readonly [Region, Region, number])[] = [
  ['virginia', 'frankfurt', 30],
  ['frankfurt', 'singapore', 40],
  ['virginia', 'singapore', 60],
];
const JITTER_MS = 1;
export const ROUTE_RELAY_PORT = 4002;
export const TUN_PORT = 4001;
const TABLE = 100;
const RELAY = fileURLToPath(new URL('relay.ts', import.meta.url));
const START_DEADLINE_MS = 10_000;

/** The address of a host in a region. */
export const addressOf = (region: Region, host: keyof typeof HOSTS): string =>
  `10.99.${NETWORK[region]}.${HOSTS[host]}`;

export async function openWideArea(seed: number): Promise<WideArea> {
  const topology = openTopology(
    Object.fromEntries(REGIONS.map((region) => [region, [NETWORK[region]]])),
  );
  try {
    return await connect(topology, seed);
  } catch (error) {
    topology.close();
    throw error;
  }
}

async function connect(topology: Topology, seed: number): Promise<WideArea> {
  const relay = await startRelay(topology, seed);
  await detour(topology);
  let lossPercent = 0;
  let slowed: readonly Way[] = [];
  const routes: string[] = [];
  const apply = (): Promise<RelayCounts> => relay.apply([...plainWays(lossPercent), ...slowed]);
  const swallow = async (from: Region, what: string): Promise<void> => {
    const route = `blackhole ${what} table ${TABLE + NETWORK[from]}`;
    routes.push(route);
    await inRouter(topology, [`ip route replace ${route}`]);
  };
  const between = (one: Region, other: Region, latencyMs: number): readonly Way[] => {
    const way = { latencyMs, jitterMs: JITTER_MS, lossPercent };
    const [from, to] = [NETWORK[one], NETWORK[other]];
    return [
      { from, to, ...way },
      { from: to, to: from, ...way },
    ];
  };
  await apply();
  return {
    topology,
    async lose(percent) {
      lossPercent = percent;
      await apply();
    },
    async slow(one, other, latencyMs) {
      slowed = between(one, other, latencyMs);
      await apply();
    },
    async slowHosts(hosts, latencyMs) {
      const way = { latencyMs, jitterMs: JITTER_MS, lossPercent };
      slowed = hosts.map((host) => ({ host, ...way }));
      await apply();
    },
    cut: (from, to) => swallow(from, `10.99.${NETWORK[to]}.0/24`),
    async cutHosts(region, hosts) {
      for (const other of REGIONS.filter((each) => each !== region)) {
        for (const host of hosts) {
          await swallow(other, `10.99.${NETWORK[region]}.${host}/32`);
          await swallow(region, `10.99.${NETWORK[other]}.${host}/32`);
        }
      }
    },
    async cutOff(region, host) {
      for (const other of REGIONS.filter((each) => each !== region)) {
        await swallow(other, `10.99.${NETWORK[region]}.${host}/32`);
      }
    },
    async heal() {
      slowed = [];
      lossPercent = 0;
      topology.heal();
      const removed = [...new Set(routes.splice(0))].map((route) => `ip route delete ${route}`);
      if (removed.length > 0) await inRouter(topology, removed);
      await apply();
    },
    counts: apply,
  };
}

type Relay = { apply(ways: readonly Way[]): Promise<RelayCounts> };

async function startRelay({ processes }: Topology, seed: number): Promise<Relay> {
  const flags = ['--disable-warning=ExperimentalWarning', RELAY, `${seed}`];
  const child = processes.start('router', [process.execPath, ...flags]);
  const heard: string[] = [];
  child.onLine((line) => heard.push(line));
  await until(
    () => heard.length > 0,
    START_DEADLINE_MS,
    () => `the relay: ${child.said()}`,
  );
  heard.splice(0);
  let last: Promise<unknown> = Promise.resolve();
  return {
    apply(ways) {
      const asked = last.then(async () => {
        child.write(`${JSON.stringify(ways)}\n`);
        const what = (): string => `the relay answers: ${child.said().slice(-500)}`;
        await until(() => heard.length > 0, START_DEADLINE_MS, what);
        return JSON.parse(heard.shift()!) as RelayCounts;
      });
      last = asked.catch(() => {});
      return asked;
    },
  };
}

/** From now on every packet between hosts takes the way through the relay, which must be there. */
async function detour(topology: Topology): Promise<void> {
  const { processes } = topology;
  const device = 'TUN,tun-name=wan,iff-no-pi,iff-up';
  const there = `UDP4:127.0.0.1:${ROUTE_RELAY_PORT},bind=127.0.0.1:${TUN_PORT}`;
  const socat = processes.start('router', ['socat', device, there]);
  const isThere = async (): Promise<boolean> =>
    (await processes.run('router', ['ip', 'link', 'show', 'wan'])).code === 0;
  await until(isThere, START_DEADLINE_MS, () => `socat makes a TUN device: ${socat.said()}`);
  await inRouter(topology, [
    // Packets come back with addresses that live behind other interfaces.
    'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done',
    'ip link set wan txqueuelen 5000',
    ...REGIONS.flatMap((region) => [
      `ip rule add iif ${region} lookup ${TABLE + NETWORK[region]}`,
      `ip route add default dev wan table ${TABLE + NETWORK[region]}`,
    ]),
  ]);
  for (const region of REGIONS) {
    const lines = Object.values(HOSTS)
      .filter((host) => host !== HOSTS.vip)
      .map((host) => `ip address add 10.99.${NETWORK[region]}.${host}/24 dev uplink`);
    await run(topology, region, lines);
  }
}

const inRouter = (topology: Topology, lines: readonly string[]): Promise<void> =>
  run(topology, 'router', lines);

async function run({ processes }: Topology, host: string, lines: readonly string[]): Promise<void> {
  const { code, stderr } = await processes.run(host, ['sh', '-e', '-c', lines.join('\n')]);
  if (code !== 0) throw new Error(`${lines.join('; ')}: ${stderr}`);
}

function plainWays(lossPercent: number): readonly Way[] {
  return ROUND_TRIPS_MS.flatMap(([one, other, roundTripMs]) => {
    const way = { latencyMs: (roundTripMs - JITTER_MS) / 2, jitterMs: JITTER_MS, lossPercent };
    const [from, to] = [NETWORK[one], NETWORK[other]];
    return [
      { from, to, ...way },
      { from: to, to: from, ...way },
    ];
  });
}
