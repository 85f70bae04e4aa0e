/**
 * A small streaming estimate of a quantile of response times: a histogram whose buckets are an eighth of
 * a doubling wide, with counts that are halved from time to time, so that it follows a route as it
 * changes. Off by at most one bucket, about 9 %, on the high side.
 */
export type LatencyQuantile = {
  readonly quantile: number;
  readonly counts: Float64Array;
  total: number;
  /** Answers until it is worked out again. */
  untilUpdate: number;
  /** NaN until there are enough answers. */
  valueMs: number;
};

/** @param quantile 0..1, for instance 0.95 */
export function createLatencyQuantile(quantile: number): LatencyQuantile {
  return {
    quantile,
    counts: new Float64Array(BUCKETS),
    total: 0,
    untilUpdate: SAMPLES_MIN,
    valueMs: Number.NaN,
  };
}

/** From 0.25 ms to over four minutes. */
const BUCKETS = 160;
const PER_DOUBLING = 8;
const LEAST_MS = 0.25;
/** Fewer answers know no tail. */
const SAMPLES_MIN = 100;
/** Worked out again after so many answers: asking is one look, and telling is cheap. */
const UPDATE_EVERY = 50;
/** At this many all counts are halved, so that the last thousand or two have the say. */
const SAMPLES_MAX = 2000;

export function observeLatency(state: LatencyQuantile, elapsedMs: number): void {
  const exponent = Math.ceil(PER_DOUBLING * Math.log2(Math.max(elapsedMs, LEAST_MS) / LEAST_MS));
  state.counts[Math.min(BUCKETS - 1, exponent)]! += 1;
  state.total += 1;
  state.untilUpdate -= 1;
  if (state.untilUpdate > 0) return;
  state.untilUpdate = UPDATE_EVERY;
  state.valueMs = quantileOf(state);
  if (state.total < SAMPLES_MAX) return;
  for (let bucket = 0; bucket < BUCKETS; bucket += 1) state.counts[bucket]! /= 2;
  state.total /= 2;
}

/** The upper end of the bucket that the quantile is in. */
function quantileOf({ counts, quantile, total }: LatencyQuantile): number {
  let left = quantile * total;
  for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
    left -= counts[bucket]!;
    if (left <= 0) return LEAST_MS * 2 ** (bucket / PER_DOUBLING);
  }
  return LEAST_MS * 2 ** ((BUCKETS - 1) / PER_DOUBLING);
}
