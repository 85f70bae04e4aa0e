import { addToSum, createSlidingSum, type SlidingSum, sumAt } from './sliding-sum.ts';

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

/** Of the window. */
const SLICES = 60;

export type AdmissionState = { readonly requests: SlidingSum; readonly successes: SlidingSum };

export function createAdmissionState({
  windowMs,
}: Pick<AdmissionRules, 'windowMs'>): AdmissionState {
  return {
    requests: createSlidingSum(windowMs, SLICES),
    successes: createSlidingSum(windowMs, SLICES),
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
  const requests = sumAt(state.requests, nowMs);
  if ((requests * 1000) / rules.windowMs < rules.ratePerSecondMin) return 0;
  const successes = sumAt(state.successes, nowMs);
  const excess = (requests - successes / rules.threshold) / (requests + 1);
  if (excess <= 0) return 0;
  return Math.min(rules.rejectMax, excess ** (1 / rules.aggression));
}

/** A request that was let through has ended; `ok` as the upstream is concerned: a 404 is. */
export function observeAdmitted(state: AdmissionState, ok: boolean, nowMs: number): void {
  addToSum(state.requests, 1, nowMs);
  if (ok) addToSum(state.successes, 1, nowMs);
}
