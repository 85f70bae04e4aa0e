/**
 * A clock that stands still until it is moved. `advance` runs what is due on the way, in order, and
 * lets promises settle after every timer, so that code between timers sees the time it was due at.
 */
export type MovedClock = {
  nowMs(): number;
  setTimer(ms: number, run: () => void): () => void;
  advance(ms: number): Promise<void>;
  /** Moves the time without running any timer on the way, as a stopped process would see it. */
  leap(ms: number): void;
  /** Timers that are set. */
  pending(): number;
};

export function createMovedClock(startMs = 1_000_000): MovedClock {
  type Timer = { readonly atMs: number; readonly order: number; readonly run: () => void };
  const timers = new Set<Timer>();
  let nowMs = startMs;
  let order = 0;
  const nextBefore = (limitMs: number): Timer | undefined =>
    [...timers]
      .filter((timer) => timer.atMs <= limitMs)
      .toSorted((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
  return {
    nowMs: () => nowMs,
    setTimer(ms, run) {
      order += 1;
      const timer = { atMs: nowMs + Math.max(0, ms), order, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advance(ms) {
      const endMs = nowMs + ms;
      await settle();
      for (let timer = nextBefore(endMs); timer !== undefined; timer = nextBefore(endMs)) {
        timers.delete(timer);
        nowMs = Math.max(nowMs, timer.atMs);
        timer.run();
        await settle();
      }
      nowMs = endMs;
    },
    leap(ms) {
      nowMs += ms;
    },
    pending: () => timers.size,
  };
}

/** Lets everything that is ready run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
