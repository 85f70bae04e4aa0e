import { type DetourRule, openDetour, runLines } from '../detour.ts';
import type { Way } from '../relay.ts';
import { ipv4, ipv6, openTopology, type Topology } from '../topology.ts';

/**
 * Client networks, each near one region by geography and nearest to some region by its ways, which is another one
 * mostly. Their packets to the regions take the detour of the lab, so what the kernels measure is what is written here.
 */
export type Region = 'virginia' | 'frankfurt' | 'singapore';
export const REGIONS: readonly Region[] = ['virginia', 'frankfurt', 'singapore'];

/** Round trips, milliseconds. */
export type Ways = Readonly<Record<Region, number>>;

export type Network = {
  /**
   * What its addresses begin with; the last number of it is what ways know it by. Each is alone in its /16 or /32, so
   * that networks learn nothing from each other.
   */
  readonly prefix: string;
  readonly number: number;
  /** By geography. */
  readonly near: Region;
  readonly ways: Ways;
  /** Whether every second of its connections goes to another region than the answer's. */
  readonly hasStrays: boolean;
};

/**
 * Strays are clients that have an answer of yesterday, or that of a resolver far away: what they bring is how a region
 * is known that is in no answer. Where there are none somebody must be sent to find out (`explorePercent`).
 */
export const NETWORKS = {
  munich: {
    ...{ prefix: '198.51.100.', number: 100, near: 'frankfurt', hasStrays: true },
    ways: { virginia: 45, frankfurt: 90, singapore: 140 },
  },
  prague: {
    ...{ prefix: '10.122.22.', number: 22, near: 'frankfurt', hasStrays: false },
    ways: { virginia: 50, frankfurt: 150, singapore: 220 },
  },
  /** Its two best are within the band. */
  boston: {
    ...{ prefix: '10.123.23.', number: 23, near: 'virginia', hasStrays: true },
    ways: { virginia: 44, frankfurt: 38, singapore: 150 },
  },
  delhi: {
    ...{ prefix: '203.0.113.', number: 113, near: 'singapore', hasStrays: true },
    ways: { virginia: 130, frankfurt: 60, singapore: 95 },
  },
  rome: {
    ...{ prefix: '2001:db8:25::', number: 25, near: 'frankfurt', hasStrays: true },
    ways: { virginia: 160, frankfurt: 110, singapore: 45 },
  },
  /** As geography has it. */
  perth: {
    ...{ prefix: '10.126.26.', number: 26, near: 'singapore', hasStrays: false },
    ways: { virginia: 170, frankfurt: 150, singapore: 50 },
  },
} as const satisfies Record<string, Network>;
export type NetworkName = keyof typeof NETWORKS;
export const NETWORK_NAMES = Object.keys(NETWORKS) as readonly NetworkName[];

const REGION_NUMBER = { virginia: 1, frankfurt: 2, singapore: 3 } as const;
const NAMESERVER = 11;
/** The clients' host needs an address before it has those of the networks. */
const CLIENTS = 20;
const TABLE = 100;
const JITTER_MS = 1;
/** Packets are carried in time also when other programs want all of the machine, where that is permitted. */
const AT_ONCE = [
  ...['sh', '-c', 'chrt --fifo 1 true 2>/dev/null && exec chrt --fifo 1 "$@"; exec "$@"'],
  'sh',
];

export const vip = (region: Region, family: 4 | 6 = 4): string =>
  (family === 4 ? ipv4 : ipv6)(REGION_NUMBER[region]);
export const nameserver = (family: 4 | 6 = 4): string => (family === 4 ? ipv4 : ipv6)(NAMESERVER);

export const familyOf = (name: NetworkName): 4 | 6 => (NETWORKS[name].prefix.includes(':') ? 6 : 4);
/** Where its clients are. */
export const addressOf = (name: NetworkName): string => `${NETWORKS[name].prefix}1`;
/** As latency maps have it. */
export const networkOf = (name: NetworkName): string =>
  familyOf(name) === 4 ? `${NETWORKS[name].prefix}0/24` : `${NETWORKS[name].prefix}/48`;

export type Internet = {
  readonly topology: Topology;
  /** From now on these networks have other ways; all others have those of before. */
  change(ways: Readonly<Partial<Record<NetworkName, Partial<Ways>>>>): Promise<void>;
};

/** Hosts: a nameserver's (`ns`), one for each region, and one for all clients (`client`). */
export async function openInternet(seed: number): Promise<Internet> {
  const topology = openTopology({
    ns: [NAMESERVER],
    ...Object.fromEntries(REGIONS.map((region) => [region, [REGION_NUMBER[region]]])),
    client: [CLIENTS],
  });
  try {
    await addNetworks(topology);
    const detour = await openDetour(topology, { rules: rules(), seed, before: AT_ONCE });
    const now = new Map<NetworkName, Ways>(
      NETWORK_NAMES.map((name) => [name, NETWORKS[name].ways]),
    );
    await detour.apply(waysOf(now));
    return {
      topology,
      async change(ways) {
        for (const name of NETWORK_NAMES) now.set(name, { ...now.get(name)!, ...ways[name] });
        await detour.apply(waysOf(now));
      },
    };
  } catch (error) {
    topology.close();
    throw error;
  }
}

/** The clients' host is in all of them. */
async function addNetworks(topology: Topology): Promise<void> {
  const add = (name: NetworkName, host: string, device: string): string => {
    const address = `${NETWORKS[name].prefix}${host}`;
    return familyOf(name) === 4
      ? `ip address add ${address}/24 dev ${device}`
      : `ip address add ${address}/48 dev ${device} nodad`;
  };
  const gateway = (name: NetworkName): string => (familyOf(name) === 4 ? '254' : 'fe');
  const atClient = NETWORK_NAMES.map((name) => add(name, '1', 'uplink'));
  const atRouter = NETWORK_NAMES.map((name) => add(name, gateway(name), 'client'));
  await runLines(topology, 'client', atClient);
  await runLines(topology, 'router', atRouter);
}

/** What goes between clients and regions has distance; questions of DNS, and all else, have none. */
function rules(): readonly DetourRule[] {
  const vips = REGIONS.flatMap((region) => [vip(region, 4), vip(region, 6)]);
  const networks = NETWORK_NAMES.map(networkOf);
  return [
    { host: 'client', to: vips, table: TABLE },
    ...REGIONS.map((host) => ({ host, to: networks, table: TABLE })),
  ];
}

function waysOf(all: ReadonlyMap<NetworkName, Ways>): readonly Way[] {
  return [...all].flatMap(([name, ways]) =>
    REGIONS.flatMap((region) => {
      const [client, there] = [NETWORKS[name].number, REGION_NUMBER[region]];
      const latencyMs = (ways[region] - JITTER_MS) / 2;
      const way = { latencyMs, jitterMs: JITTER_MS, lossPercent: 0 };
      return [
        { from: client, to: there, ...way },
        { from: there, to: client, ...way },
      ];
    }),
  );
}
