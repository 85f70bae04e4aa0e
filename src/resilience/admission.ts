/**
 * Client-side admission control (Google SRE book, "Handling Overload"; Envoy `admission_control`): an
 * upstream that answers much with failures is asked less, at random, so that it gets the air to recover:
 *
 *   P(reject) = ((n - ok / threshold) / (n + 1)) ^ (1 / aggression), at most rejectMax
 *
 * with n the requests that were let through in the last two minutes and ok those of them that went well.
 * What is rejected is not counted: some go through always, and show when it is well again.
 */
export type AdmissionRules = {
  /** Success rate below which requests are rejected, 0 < rate <= 1. */
  readonly threshold: number;
  /** 1 = in proportion; more = sooner. */
  readonly aggression: number;
  /** Requests per second below which none is rejected. */
  readonly ratePerSecondMin: number;
  readonly rejectMax: number;
  readonly windowMs: number;
};

export const DEFAULT_ADMISSION: AdmissionRules = {
  threshold: 0.95,
  aggression: 1,
  ratePerSecondMin: 5,
  rejectMax: 0.8,
  windowMs: 120_000,
};

/** The window moves on in steps of a slice. */
const SLICES = 60;

export type AdmissionState = {
  readonly requests: Float64Array;
  readonly successes: Float64Array;
  /** Sums of the slices. */
  requestsTotal: number;
  successesTotal: number;
  /** Number of the newest slice since time began. */
  slice: number;
};

export function createAdmissionState(): AdmissionState {
  return {
    requests: new Float64Array(SLICES),
    successes: new Float64Array(SLICES),
    requestsTotal: 0,
    successesTotal: 0,
    slice: 0,
  };
}

/**
 * Whether a request may go to the upstream.
 * @param draw a random number in [0, 1)
 */
export function admits(
  state: AdmissionState,
  rules: AdmissionRules,
  nowMs: number,
  draw: number,
): boolean {
  return draw >= rejectProbability(state, rules, nowMs);
}

/** 0..rejectMax, for metrics too. */
export function rejectProbability(
  state: AdmissionState,
  rules: AdmissionRules,
  nowMs: number,
): number {
  moveOn(state, rules, nowMs);
  const { requestsTotal, successesTotal } = state;
  if ((requestsTotal * 1000) / rules.windowMs < rules.ratePerSecondMin) return 0;
  const excess = (requestsTotal - successesTotal / rules.threshold) / (requestsTotal + 1);
  if (excess <= 0) return 0;
  return Math.min(rules.rejectMax, excess ** (1 / rules.aggression));
}

/** A request that was let through has ended; `ok` as the upstream is concerned: a 404 is. */
export function observeAdmitted(
  state: AdmissionState,
  rules: AdmissionRules,
  ok: boolean,
  nowMs: number,
): void {
  moveOn(state, rules, nowMs);
  const at = state.slice % SLICES;
  state.requests[at]! += 1;
  state.requestsTotal += 1;
  if (!ok) return;
  state.successes[at]! += 1;
  state.successesTotal += 1;
}

/** Forgets the slices that have left the window. */
function moveOn(state: AdmissionState, { windowMs }: AdmissionRules, nowMs: number): void {
  const slice = Math.floor(nowMs / (windowMs / SLICES));
  const steps = Math.min(SLICES, slice - state.slice);
  for (let step = 1; step <= steps; step += 1) {
    const at = (state.slice + step) % SLICES;
    state.requestsTotal -= state.requests[at]!;
    state.successesTotal -= state.successes[at]!;
    state.requests[at] = state.successes[at] = 0;
  }
  state.slice = Math.max(state.slice, slice);
}
