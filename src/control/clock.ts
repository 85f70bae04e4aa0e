/** Time as an argument: what the control plane needs of a clock, so that tests can move it. */
export type Clock = {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Calls `run` once after `ms`; returns the function that cancels it. */
  setTimer(ms: number, run: () => void): () => void;
};

/** Longest delay that Node's timers can hold; longer ones would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** The machine's own clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  setTimer(ms, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, ms), TIMER_MAX_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
};
