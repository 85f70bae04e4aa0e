import { openDetour, runLines } from '../detour.ts';
import type { RelayCounts, Way } from '../relay.ts';
import { openTopology, type Topology } from '../topology.ts';

/**
 * Three regions far from each other: a namespace each, and between them a router that sends every
 * packet through a relay (../relay.ts), which has the distance. Partitions are routes of the router, one
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
 * Round trips between the regions, half of it in each direction. The relay adds about a
 * millisecond. A probe by HTTP takes two of them.
 */
const ROUND_TRIPS_MS: readonly (readonly [Region, Region, number])[] = [
  ['virginia', 'frankfurt', 30],
  ['frankfurt', 'singapore', 40],
  ['virginia', 'singapore', 60],
];
const JITTER_MS = 1;
const TABLE = 100;

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
  const rules = REGIONS.map((host) => ({ host, table: TABLE + NETWORK[host] }));
  const detour = await openDetour(topology, { rules, seed });
  await addAddresses(topology);
  let lossPercent = 0;
  let slowed: readonly Way[] = [];
  const routes: string[] = [];
  const apply = (): Promise<RelayCounts> => detour.apply([...plainWays(lossPercent), ...slowed]);
  const swallow = async (from: Region, what: string): Promise<void> => {
    const route = `blackhole ${what} table ${TABLE + NETWORK[from]}`;
    routes.push(route);
    await runLines(topology, 'router', [`ip route replace ${route}`]);
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
      if (removed.length > 0) await runLines(topology, 'router', removed);
      await apply();
    },
    counts: apply,
  };
}

/** Every process of a region has an address of its own there. */
async function addAddresses(topology: Topology): Promise<void> {
  for (const region of REGIONS) {
    const lines = Object.values(HOSTS)
      .filter((host) => host !== HOSTS.vip)
      .map((host) => `ip address add 10.99.${NETWORK[region]}.${host}/24 dev uplink`);
    await runLines(topology, region, lines);
  }
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
