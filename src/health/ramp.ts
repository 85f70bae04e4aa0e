/**
 * Slow return: an endpoint that comes back gets a part of its share at first and more as time goes
 * by, so that cold caches and half-started servers are not run over. Stated as a function of the
 * time of the return, so that every node that knows when that was computes the same.
 */
export type RampRules = {
  /** The part of its share that it gets at once, 0..1. */
  readonly from: number;
  /** How long until it gets all; 0 = at once. */
  readonly overMs: number;
};

/** The share grows in this many steps: each is a new answer for all that are concerned. */
export const RAMP_STEPS_MAX = 32;

/** The part of its share that an endpoint gets, 0 < share <= 1. */
export function rampShare(
  returnedAtMs: number | undefined,
  rules: RampRules,
  nowMs: number,
): number {
  if (returnedAtMs === undefined || rules.overMs <= 0) return 1;
  const elapsed = Math.max(0, nowMs - returnedAtMs);
  if (elapsed >= rules.overMs) return 1;
  const step = Math.floor((elapsed / rules.overMs) * RAMP_STEPS_MAX) / RAMP_STEPS_MAX;
  return Math.max(1 / RAMP_STEPS_MAX, rules.from + (1 - rules.from) * step);
}

/** Milliseconds until the share changes next; undefined when it is whole. */
export function untilNextRampStepMs(
  returnedAtMs: number | undefined,
  rules: RampRules,
  nowMs: number,
): number | undefined {
  if (rampShare(returnedAtMs, rules, nowMs) === 1 || returnedAtMs === undefined) return undefined;
  const stepMs = rules.overMs / RAMP_STEPS_MAX;
  const elapsed = Math.max(0, nowMs - returnedAtMs);
  return Math.max(1, stepMs - (elapsed % stepMs));
}
