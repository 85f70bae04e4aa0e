import type { SessionClock } from '../../src/sessions/session-directory.ts';

/** A clock that stands until it is moved. */
export type ManualClock = SessionClock & {
  move(ms: number): Promise<void>;
  /** Time passes, but nobody notices before `fire` or `move`. */
  skip(ms: number): void;
  /** Calls what is due now, once. */
  fire(): void;
};

export function createManualClock(startMs = 1000): ManualClock {
  let now = startMs;
  const timers = new Set<{ readonly atMs: number; readonly call: () => void }>();
  return {
    nowMs: () => now,
    after(ms, call) {
      const timer = { atMs: now + ms, call };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    afterTurn: queueMicrotask,
    skip(ms) {
      now += ms;
    },
    fire() {
      for (const timer of [...timers].filter(({ atMs }) => atMs <= now)) {
        timers.delete(timer);
        timer.call();
      }
    },
    async move(ms) {
      const endMs = now + ms;
      for (;;) {
        await settle();
        const next = [...timers].sort((a, b) => a.atMs - b.atMs)[0];
        if (next === undefined || next.atMs > endMs) break;
        now = Math.max(now, next.atMs);
        timers.delete(next);
        next.call();
      }
      now = endMs;
    },
  };
}

/** Lets everything happen that waits for nothing but its turn. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
