import type { CounterRow } from '../telemetry/counters.ts';

/**
 * How long queries take inside of this program: from the moment that the kernel has handed them over until the kernel
 * (over streams, the connection) has their replies. A clock costs as much as a small answer, so of many batches or
 * queries one is measured: the counts are of a sample, and of what is asked of them, shares and quantiles, true.
 */
export type Stopwatch = {
  /** So many queries have come together. */
  begin(count: number): void;
  /** Their replies are on their way. Of what `begin` did not choose nothing is counted. */
  end(): void;
  /** There is none to wait for. */
  cancel(): void;
};

/** Upper bounds of the buckets in microseconds; one more is for what took longer. */
export const DURATION_BOUNDS_US = [1, 10, 100, 1000, 10_000, 100_000]
  .flatMap((decade) => [decade, 2 * decade, 5 * decade])
  .concat(1_000_000);
/** Of one histogram: the buckets, each for itself, and then the sum of all in microseconds. */
export const DURATION_SLOTS = DURATION_BOUNDS_US.length + 2;
const SUM = DURATION_BOUNDS_US.length + 1;

/**
 * @param counters of the worker, as they are now
 * @param first slot of the histogram
 * @param every of so many beginnings one is measured, the first among them
 * @param steadyMs a clock that nobody sets: milliseconds with fractions (performance.now)
 */
export function createStopwatch(
  counters: () => CounterRow,
  first: number,
  every: number,
  steadyMs: () => number,
): Stopwatch {
  const sinceMs = new Float64Array(1);
  let left = 1;
  /** Queries under measurement. */
  let measured = 0;
  return {
    begin(count) {
      measured = 0;
      left -= 1;
      if (left > 0) return;
      left = every;
      measured = count;
      sinceMs[0] = steadyMs();
    },
    end() {
      if (measured === 0) return;
      const us = (steadyMs() - sinceMs[0]!) * 1000;
      const row = counters();
      const slot = first + bucketOf(us);
      row[slot] = row[slot]! + measured;
      row[first + SUM] = row[first + SUM]! + us * measured;
      measured = 0;
    },
    cancel() {
      measured = 0;
    },
  };
}

function bucketOf(us: number): number {
  let bucket = 0;
  while (bucket < DURATION_BOUNDS_US.length && us > DURATION_BOUNDS_US[bucket]!) bucket += 1;
  return bucket;
}

export type Durations = {
  /** Queries that took at most so long, for each of the bounds. */
  readonly upTo: readonly { readonly seconds: number; readonly count: number }[];
  readonly count: number;
  readonly sumSeconds: number;
};

/** A histogram as it is shown: its buckets added up. */
export function readDurations(total: (slot: number) => number, first: number): Durations {
  let count = 0;
  const upTo = DURATION_BOUNDS_US.map((us, bucket) => {
    count += total(first + bucket);
    return { seconds: us / 1e6, count };
  });
  count += total(first + DURATION_BOUNDS_US.length);
  return { upTo, count, sumSeconds: total(first + SUM) / 1e6 };
}
