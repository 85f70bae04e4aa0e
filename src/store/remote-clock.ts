/**
 * Another machine's clock as seen from here. Each question brings its time from somewhere between
 * asking and hearing: half the round trip is the error. Of the last few the one with the smallest
 * error counts, until a newer one contradicts it, because a clock was set.
 */
export type RemoteClock = {
  /** @param sentMs @param heardMs times here @param remoteMs the other's time between them */
  observe(sentMs: number, heardMs: number, remoteMs: number): void;
  /** The other's time; null before the first and long after the last observation. */
  nowMs(hereMs: number): number | null;
};

type Sample = { readonly offsetMs: number; readonly errorMs: number; readonly atMs: number };

const SAMPLES_MAX = 8;
/** Two clocks drift apart by a few ms in this time. */
const STALE_MS = 60_000;
/** Clocks in ms cannot agree better. */
const ERROR_MIN_MS = 1;

export function createRemoteClock(): RemoteClock {
  let samples: readonly Sample[] = [];
  return {
    observe(sentMs, heardMs, remoteMs) {
      const errorMs = Math.max(ERROR_MIN_MS, (heardMs - sentMs) / 2);
      const fresh = { offsetMs: remoteMs - (sentMs + heardMs) / 2, errorMs, atMs: heardMs };
      const agreeing = samples.filter(
        (one) => Math.abs(one.offsetMs - fresh.offsetMs) <= one.errorMs + fresh.errorMs,
      );
      samples = [...agreeing, fresh].slice(-SAMPLES_MAX);
    },
    nowMs(hereMs) {
      const newest = samples.at(-1);
      if (newest === undefined || Math.abs(hereMs - newest.atMs) > STALE_MS) return null;
      const best = samples.reduce((a, b) => (b.errorMs <= a.errorMs ? b : a));
      return Math.round(hereMs + best.offsetMs);
    },
  };
}
