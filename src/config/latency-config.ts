import type { OrderRules } from '../clients/latency-orders.ts';
import type { Config } from './config.ts';
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
};

/** Whether some policy has the step `latency`: else nobody has a use for what is measured. */
export function goesByLatency({ policies }: Pick<Config, 'policies'>): boolean {
  return Object.values(policies).some(({ chain }) => chain.some(({ kind }) => kind === 'latency'));
}

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
  };
}
