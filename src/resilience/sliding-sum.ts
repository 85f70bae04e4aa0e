/** A sum of what was added within the last so many milliseconds; the window moves on in steps of a slice. */
export type SlidingSum = {
  readonly slices: Float64Array;
  readonly sliceMs: number;
  total: number;
  /** Number of the newest slice since time began. */
  newest: number;
};

export function createSlidingSum(windowMs: number, slices: number): SlidingSum {
  return {
    slices: new Float64Array(slices),
    sliceMs: windowMs / slices,
    total: 0,
    newest: Number.NEGATIVE_INFINITY,
  };
}

export function addToSum(sum: SlidingSum, amount: number, nowMs: number): void {
  moveOn(sum, nowMs);
  sum.slices[sum.newest % sum.slices.length]! += amount;
  sum.total += amount;
}

export function sumAt(sum: SlidingSum, nowMs: number): number {
  moveOn(sum, nowMs);
  return sum.total;
}

/** Forgets the slices that have left the window. Time that goes back is that of the newest slice. */
function moveOn(sum: SlidingSum, nowMs: number): void {
  const { newest, sliceMs, slices } = sum;
  const { length } = slices;
  const now = Math.floor(nowMs / sliceMs);
  if (now <= newest) return;
  if (now - newest >= length) slices.fill(0);
  else for (let slice = newest + 1; slice <= now; slice += 1) slices[slice % length] = 0;
  sum.newest = now;
  // Added up anew: what was lost in rounding does not gather.
  sum.total = 0;
  for (const each of slices) sum.total += each;
}
