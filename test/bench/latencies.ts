/** Counts of durations in buckets that grow by an eighth, from one microsecond to about a minute. */
const BUCKETS = 212;
const PER_DOUBLING = 8;

export function createLatencies() {
  const counts = new Uint32Array(BUCKETS);
  let total = 0;
  const at = (share: number): number => {
    let seen = 0;
    for (const [bucket, count] of counts.entries()) {
      seen += count;
      if (seen >= share * total && total > 0) return 2 ** ((bucket + 0.5) / PER_DOUBLING);
    }
    return 0;
  };
  return {
    add(microseconds: number): void {
      const bucket = microseconds <= 1 ? 0 : Math.floor(Math.log2(microseconds) * PER_DOUBLING);
      const slot = bucket < BUCKETS ? bucket : BUCKETS - 1;
      counts[slot] = counts[slot]! + 1;
      total += 1;
    },
    p50: () => at(0.5),
    p99: () => at(0.99),
    p999: () => at(0.999),
  };
}
