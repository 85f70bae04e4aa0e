import type { OrderRules } from '../clients/latency-orders.ts';
import { NETWORK_BITS_4, NETWORK_BITS_6 } from '../clients/network-key.ts';
import { formatAddress, parseAddress } from '../ip/address.ts';
import { formatPrefix, networkOf, parsePrefix } from '../ip/prefix.ts';
import type { Config } from './config.ts';
import type { METHODS } from './probes-schema.ts';
import type { ConfigFile } from './schema.ts';

/** What is measured of ways to clients, and how steering follows it. */
export type LatencyConfig = {
  /** New connections in a second, of each worker, whose round-trip time is read; 0 = of none. */
  readonly connectionsPerSecond: number;
  /** Connections of a network before a node tells of it. */
  readonly clientsMin: number;
  readonly windowMs: number;
  readonly networksMax: number;
  readonly rules: OrderRules;
  readonly memoryMs: number;
  readonly ageMaxMs: number;
  readonly probes: ProbesConfig;
  /** Undefined = pages measure nothing. */
  readonly pages?: PagesConfig;
};

export type ProbeMethod = (typeof METHODS)[number];

/** What probes measure by themselves. */
export type ProbesConfig = {
  /** Networks of resolvers, of those that ask most; 0 = none. */
  readonly resolversMax: number;
  readonly beacons: readonly BeaconConfig[];
  readonly methods: readonly ProbeMethod[];
  readonly intervalMs: number;
  readonly perSecond: number;
  /** Private and special networks that may be measured. */
  readonly allow: readonly string[];
  readonly exclude: readonly string[];
};

export type BeaconConfig = {
  readonly address: string;
  readonly kind: ProbeMethod;
  /** 0 for `icmp`. */
  readonly port: number;
  readonly networks: readonly string[];
};

/** What pages measure. */
export type PagesConfig = {
  /** Below it are `beacon.js`, `rtt` and `report`. */
  readonly path: string;
  /** Where a region's balancer is found, by region: origins. */
  readonly regions: Readonly<Record<string, string>>;
  /** Of page views, 0..1. */
  readonly share: number;
  /** Regions that a page view measures. */
  readonly regionsPerView: number;
};

/** Where resolvers and beacons listen. */
export const METHOD_PORTS: Readonly<Record<ProbeMethod, number>> = { dns: 53, tcp: 443, icmp: 0 };

/** Whether some policy has the step `latency`: else nobody has a use for what is measured. */
export function goesByLatency({ policies }: Pick<Config, 'policies'>): boolean {
  return Object.values(policies).some(({ chain }) => chain.some(({ kind }) => kind === 'latency'));
}

/** Whether anybody is to be probed. */
export const probesAnybody = ({ probes }: Pick<LatencyConfig, 'probes'>): boolean =>
  probes.resolversMax > 0 || probes.beacons.length > 0;

export function resolveLatency({ latency }: Pick<ConfigFile, 'latency'>): LatencyConfig {
  const { clientsMin, connectionsPerSecond, maxAge, memory, networksMax, window } = latency;
  return {
    ...{ connectionsPerSecond, clientsMin, networksMax },
    windowMs: window,
    memoryMs: memory,
    ageMaxMs: maxAge,
    rules: {
      bandMs: latency.band,
      bandShare: latency.bandPercent / 100,
      windows: latency.windows,
      connectionsMin: latency.connectionsMin,
      dwellMs: latency.dwell,
      churnShare: latency.churnPercent / 100,
      exploreShare: latency.explorePercent / 100,
      exploreMs: latency.explore,
    },
    probes: resolveProbes(latency.probes),
    ...(latency.pages && { pages: resolvePages(latency.pages) }),
  };
}

function resolveProbes(written: ConfigFile['latency']['probes']): ProbesConfig {
  const { allow, beacons, exclude, interval, methods, perSecond, resolvers } = written;
  return {
    resolversMax: resolvers,
    beacons: beacons.map(({ address, for: named, kind, port }) => ({
      ...{ address: canonical(address), kind },
      port: kind === 'icmp' ? 0 : (port ?? METHOD_PORTS[kind]),
      networks: (named ?? [networkAround(address)]).map(canonicalNetwork),
    })),
    methods: [...new Set(methods)],
    ...{ intervalMs: interval, perSecond },
    ...{ allow: allow.map(canonicalNetwork), exclude: exclude.map(canonicalNetwork) },
  };
}

function resolvePages(written: NonNullable<ConfigFile['latency']['pages']>): PagesConfig {
  const { path, percent, regions, regionsPerView } = written;
  return { path, regions, share: percent / 100, regionsPerView };
}

function canonical(text: string): string {
  const address = parseAddress(text);
  return address === undefined ? text : formatAddress(address);
}

function canonicalNetwork(text: string): string {
  const network = parsePrefix(text);
  return network === undefined ? text : formatPrefix(network);
}

function networkAround(text: string): string {
  const address = parseAddress(text)!;
  const length = address.family === 4 ? NETWORK_BITS_4 : NETWORK_BITS_6;
  return formatPrefix(networkOf(address, length));
}
