import type { OutlierRules, OutlierState } from './outlier.ts';

/** What servers of a pool are compared with: each other, over one interval. */
export type PoolRates = {
  /** Servers with requests in this interval, the lowest success rate first. */
  readonly worstFirst: readonly number[];
  /** Success rates of the servers with enough requests for it, by index; NaN for others. */
  readonly successRates: Float64Array;
  /** How many of those there are. */
  readonly compared: number;
  /** Servers with enough requests for their failure percentage. */
  readonly busy: number;
  /** Of the average times of servers with enough answers; NaN when those are too few. */
  readonly medianMs: number;
};

export function poolRates(state: OutlierState, rules: OutlierRules): PoolRates {
  const { answered, averageMs, failures, requests } = state;
  const rates = Float64Array.from(requests, (count, server) =>
    count === 0 ? Number.NaN : 1 - failures[server]! / count,
  );
  const asked = [...requests.keys()].filter((server) => requests[server]! > 0);
  const timed = [...answered.keys()].filter(
    (server) => answered[server]! >= rules.latencyRequestsMin,
  );
  const enough = asked.filter((server) => requests[server]! >= rules.successRequestsMin);
  const successRates = new Float64Array(requests.length).fill(Number.NaN);
  for (const server of enough) successRates[server] = rates[server]!;
  return {
    worstFirst: asked.sort((a, b) => rates[a]! - rates[b]!),
    successRates,
    compared: enough.length,
    busy: asked.filter((server) => requests[server]! >= rules.failureRequestsMin).length,
    medianMs:
      timed.length < rules.serversMin
        ? Number.NaN
        : median(timed.map((server) => averageMs[server]!)),
  };
}

/**
 * Whether a success rate is below mean - factor × standard deviation of the pool. One server that fails
 * everything cannot be so among n when n <= factor² + 1 (with 1.9: fewer than five), because it moves the
 * mean and the deviation itself; Envoy asks for five. In a smaller pool a server is compared with the others.
 */
export function isRateOutlier(
  { compared, successRates }: PoolRates,
  server: number,
  rate: number,
  { serversMin, stdevFactor, successRequestsMin }: OutlierRules,
): boolean {
  if (compared < serversMin || Number.isNaN(successRates[server]!)) return false;
  const isSmall = compared <= stdevFactor ** 2 + 1;
  const rates = successRates.filter(
    (each, at) => !Number.isNaN(each) && !(isSmall && at === server),
  );
  let mean = 0;
  for (const each of rates) mean += each / rates.length;
  let variance = 0;
  for (const each of rates) variance += (each - mean) ** 2 / rates.length;
  // What chance alone makes of so many requests, else the least of equals would be an outlier.
  const chance = Math.sqrt((mean * (1 - mean)) / Math.max(1, successRequestsMin));
  return rate < mean - stdevFactor * Math.max(STDEV_MIN, chance, Math.sqrt(variance));
}

/** Smaller differences are no trouble worth the loss of a server. */
const STDEV_MIN = 0.03;

/** Averages above this are out of line; infinite when too few servers can be compared. */
export function latencyOutlierMs({ medianMs }: PoolRates, { latencyFactor }: OutlierRules): number {
  if (Number.isNaN(medianMs)) return Number.POSITIVE_INFINITY;
  return Math.max(LATENCY_MIN_MS, medianMs * latencyFactor);
}

/** Nobody is out for being as slow as this: times below are the network's and the scheduler's. */
const LATENCY_MIN_MS = 20;

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
