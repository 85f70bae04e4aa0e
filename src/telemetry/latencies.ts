/**
 * Histograms of durations in a row of numbers: an addition to a bucket and one to a sum for each duration, nothing
 * made. The bounds are the R10 series of preferred numbers (ISO 3): ten a decade, each about a quarter above the one
 * before, so that a quantile is true to about 12 %; and 1, 2.5 and 5 of each decade, which people set goals by, are
 * bounds themselves.
 */
const PER_DECADE = [1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8];
/** 0.1 ms is the first bound; beyond 100 s is one bucket. */
const DECADES_MS = [0.1, 1, 10, 100, 1000, 10_000];
const LAST_BOUND_MS = 100_000;

/** Upper bounds, inclusive; one more bucket is for what took longer. */
export const LATENCY_BOUNDS_MS = Float64Array.from([
  ...DECADES_MS.flatMap((decade) =>
    PER_DECADE.map((factor) => Number((decade * factor).toPrecision(3))),
  ),
  LAST_BOUND_MS,
]);
/** Of one histogram: the buckets, each for itself, and then the sum in milliseconds. */
export const LATENCY_SLOTS = LATENCY_BOUNDS_MS.length + 2;
const SUM = LATENCY_SLOTS - 1;

/** Counts a duration in the histogram that begins at `base`. */
export function observeLatency(row: Float64Array, base: number, ms: number): void {
  let low = 0;
  let high = LATENCY_BOUNDS_MS.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (LATENCY_BOUNDS_MS[middle]! < ms) low = middle + 1;
    else high = middle;
  }
  row[base + low]! += 1;
  row[base + SUM]! += ms;
}

/** A histogram as it is told: buckets each for itself, those after the last that has something left off. */
export type Latencies = {
  readonly count: number;
  readonly sumMs: number;
  readonly buckets: readonly number[];
};

export function readLatencies(row: Float64Array, base: number): Latencies {
  let [count, used] = [0, 0];
  for (let bucket = 0; bucket < SUM; bucket++) {
    const value = row[base + bucket]!;
    count += value;
    if (value > 0) used = bucket + 1;
  }
  return { count, sumMs: row[base + SUM]!, buckets: [...row.subarray(base, base + used)] };
}

/** What came between two readings; a row that began anew is told as it is. */
export function latenciesSince(before: Latencies | undefined, now: Latencies): Latencies {
  if (before === undefined || before.count > now.count) return now;
  return {
    count: now.count - before.count,
    sumMs: now.sumMs - before.sumMs,
    buckets: now.buckets.map((value, bucket) => value - (before.buckets[bucket] ?? 0)),
  };
}

/**
 * The duration in milliseconds that a share of all stayed below; undefined of none. Within a bucket they are taken
 * to lie evenly; what took longer than the last bound is told as that.
 * @param share 0..1
 */
export function quantileMs({ buckets, count }: Latencies, share: number): number | undefined {
  if (count === 0) return undefined;
  const wanted = share * count;
  let before = 0;
  for (const [bucket, value] of buckets.entries()) {
    if (value > 0 && before + value >= wanted) {
      const low = bucket === 0 ? 0 : LATENCY_BOUNDS_MS[bucket - 1]!;
      const high = LATENCY_BOUNDS_MS[bucket] ?? LAST_BOUND_MS;
      return low + ((high - low) * (wanted - before)) / value;
    }
    before += value;
  }
  return LAST_BOUND_MS;
}

/** As Prometheus wants it: how many took at most so long, for 1, 2.5 and 5 of each decade. */
export function latenciesUpTo({ buckets }: Latencies): readonly {
  readonly seconds: number;
  readonly count: number;
}[] {
  let count = 0;
  return [...LATENCY_BOUNDS_MS].flatMap((ms, bucket) => {
    count += buckets[bucket] ?? 0;
    const isShown = SHOWN.includes(bucket % PER_DECADE.length);
    return isShown ? [{ seconds: ms / 1000, count }] : [];
  });
}
/** Places of 1, 2.5 and 5 in the series. */
const SHOWN = [0, 4, 7];
