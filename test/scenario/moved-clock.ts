import type { MonitoringClock } from '../../src/monitoring/monitoring.ts';

/** A clock that moves only when told to, and the timers that are due on the way. */
export type MovedClock = MonitoringClock & {
  /** Moves on, runs due timers in order, and lets what they started settle after each instant. */
  pass(ms: number, afterEachInstant?: () => void): Promise<void>;
};

type Timer = { readonly atMs: number; readonly order: number; readonly run: () => void };

export function createMovedClock(startMs: number): MovedClock {
  const timers = new Set<Timer>();
  let nowMs = startMs;
  let count = 0;
  const nextTimer = (): Timer | undefined => {
    let next: Timer | undefined;
    for (const timer of timers) {
      if (next === undefined || timer.atMs < next.atMs) next = timer;
      else if (timer.atMs === next.atMs && timer.order < next.order) next = timer;
    }
    return next;
  };
  return {
    nowMs: () => nowMs,
    setTimer(ms, run) {
      count += 1;
      const timer = { atMs: nowMs + Math.max(0, ms), order: count, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async pass(ms, afterEachInstant = () => undefined) {
      const untilMs = nowMs + ms;
      for (let timer = nextTimer(); timer !== undefined && timer.atMs <= untilMs; ) {
        nowMs = Math.max(nowMs, timer.atMs);
        for (; timer !== undefined && timer.atMs <= nowMs; timer = nextTimer()) {
          timers.delete(timer);
          timer.run();
        }
        // What the timers started are promises without input or output: one turn settles them.
        await new Promise((resolve) => setImmediate(resolve));
        afterEachInstant();
        timer = nextTimer();
      }
      nowMs = untilMs;
      afterEachInstant();
    },
  };
}
