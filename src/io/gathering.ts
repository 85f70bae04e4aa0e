/**
 * How long a worker lets datagrams gather before it takes those that have come, as network cards do with interrupts
 * (ethtool's `rx-usecs`): to wake up costs more than to answer. Only where it pays: so many come that a few are there
 * at the end of the wait, and not so many that batches are large by themselves. Rates are judged by the datagrams of
 * the last milliseconds, so a lone query, or the first ones of many, wait for nobody.
 */
export type Gathering = {
  /**
   * So many datagrams have been answered.
   * @param nowMs milliseconds since the epoch
   * @returns how long to wait before the next are taken, in microseconds; 0 = not at all
   */
  waitUs(count: number, nowMs: number): number;
};

/** What is counted over; shorter ones are no measure of 20 datagrams a millisecond, longer ones are late. */
const WINDOW_MS = 4;
/** Fewer in a wait do not pay for it. */
const GATHERED_MIN = 2;
/** More gain little, and make the wait long; a batch of so many comes without one. */
const GATHERED_MAX = 8;

/** @param maxUs the longest wait, in microseconds; 0 = none ever */
export function createGathering(maxUs: number): Gathering {
  /** Whole numbers, and one place for the time, so that nothing is allocated. */
  const since = new Float64Array(1);
  let came = 0;
  let usual = 0;
  return {
    waitUs(count, nowMs) {
      came += count;
      const elapsedMs = nowMs - since[0]!;
      // A clock may be set back.
      if (elapsedMs >= WINDOW_MS || elapsedMs < 0) {
        usual = usualWait(maxUs, elapsedMs, came);
        since[0] = nowMs;
        came = 0;
      }
      return count < GATHERED_MAX ? usual : 0;
    },
  };
}

function usualWait(maxUs: number, elapsedMs: number, came: number): number {
  const apartUs = (elapsedMs * 1000) / came;
  if (!(apartUs > 0) || apartUs * GATHERED_MIN > maxUs) return 0;
  return Math.floor(Math.min(maxUs, apartUs * GATHERED_MAX));
}
