import { setTimeout as delay } from 'node:timers/promises';

/**
 * Waits for something of the outside world to become true, and says how long that took. Looks often,
 * so that the measured time means something; the deadline is for a machine that does much else.
 */
const LOOK_EVERY_MS = 10;

/** Resolves to the milliseconds it took; rejects with `what` after `deadlineMs`. */
export async function until(
  condition: () => unknown,
  deadlineMs: number,
  what: string | (() => string),
): Promise<number> {
  const startedAtMs = performance.now();
  for (;;) {
    if (await condition()) return performance.now() - startedAtMs;
    if (performance.now() - startedAtMs > deadlineMs) {
      const words = typeof what === 'string' ? what : what();
      throw new Error(`not within ${deadlineMs} ms: ${words}`);
    }
    await delay(LOOK_EVERY_MS);
  }
}

/** A measured time for people. */
export const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
