/** Time as an argument: what the control plane needs of a clock, so that tests can move it. */
export type Clock = {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Calls `run` once after `ms`; returns the function that cancels it. */
  setTimer(ms: number, run: () => void): () => void;
};

/** Calls `act` again and again; returns the function that stops it. @param everyMs may change from one time to the next */
export function repeat(
  clock: Clock,
  everyMs: number | (() => number),
  act: () => void,
): () => void {
  let cancel: () => void = () => {};
  const later = (): void => {
    const waitMs = typeof everyMs === 'number' ? everyMs : everyMs();
    cancel = clock.setTimer(waitMs, () => {
      act();
      later();
    });
  };
  later();
  return () => cancel();
}

/** Longest delay that Node's timers can hold; longer ones would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** Fault injection: what this process believes to be wall time is off by so much. */
const OFFSET_MS = offsetOf(process.env['MERIDIAN_CLOCK_OFFSET_MS']);

/**
 * The machine's own clock as it was when the process started, and steady from there: somebody who sets
 * the wall clock ages no observation and ends no lease. Its timers do not keep the process alive.
 */
export const systemClock: Clock = {
  nowMs: () => Math.floor(performance.timeOrigin + performance.now()) + OFFSET_MS,
  setTimer(ms, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, ms), TIMER_MAX_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** The machine's wall clock, which steps when somebody sets it. */
export function wallClockMs(): number {
  return Date.now() + OFFSET_MS;
}

function offsetOf(text: string | undefined): number {
  const offsetMs = Number(text ?? 0);
  return Number.isFinite(offsetMs) ? Math.round(offsetMs) : 0;
}
