import type { Observation } from './observation.ts';

/**
 * One vantage point's judgement of one target: the damping machine of gdnsd's monitor core, as a
 * pure step over an explicit state.
 *
 *                first success                 `fall` failures that were not
 *    ┌─────────┐ ────────────> ┌────┐  cleared by `rise` successes in a row  ┌──────┐
 *    │ unknown │               │ up │ ─────────────────────────────────────> │ down │
 *    └─────────┘               └────┘ <───────────────────────────────────── └──────┘
 *         │                               `rise` successes in a row             ^
 *         └──────────────────────── `fall` failures, likewise ─────────────────┘
 *
 * Unknown is not down: it counts as up everywhere, so the first success only confirms what is
 * assumed and is believed at once, while leaving for down always takes `fall` failures. Failures
 * accumulate over scattered successes, so a target that fails every other probe does go down.
 */

export type Verdict = 'unknown' | 'up' | 'down';

/** `rise` successes in a row bring a target up or forgive its failures; `fall` failures take it down. */
export type VerdictRules = {
  readonly rise: number;
  readonly fall: number;
  readonly intervalMs: number;
  /** Time between probes while failures count towards down; absent = the interval. */
  readonly recheckMs?: number;
  /** A success that took longer than this counts as slow; absent = nothing is too slow. */
  readonly slowAboveMs?: number;
};

/** `successes` and `failures` count towards the next change; `recent` is oldest first. */
export type VerdictState = {
  readonly verdict: Verdict;
  readonly successes: number;
  readonly failures: number;
  /**
   * Slow is a mark beside the verdict, damped alike: `fall` successes in a row that are slow, or say
   * that the target is degraded, set it, `rise` others in a row take it away; `slowCount` is how many
   * there have been of those.
   */
  readonly slow: boolean;
  readonly slowCount: number;
  /** When the verdict became what it is; 0 before the first observation. */
  readonly sinceMs: number;
  readonly recent: readonly Observation[];
};

/** Observations that a state remembers for people to look at. */
export const RECENT_MAX = 10;

/** The state before anything was seen. */
export function initialVerdict(): VerdictState {
  return {
    verdict: 'unknown',
    successes: 0,
    failures: 0,
    slow: false,
    slowCount: 0,
    sinceMs: 0,
    recent: [],
  };
}

/** The state after one more observation. */
export function observe(
  state: VerdictState,
  observation: Observation,
  rules: VerdictRules,
): VerdictState {
  const recent = [...state.recent, observation].slice(-RECENT_MAX);
  const next = state.verdict === 'down' ? whenDown : whenUp;
  const { verdict, successes, failures } = next(state, observation.ok, rules);
  const changed = verdict !== state.verdict || state.recent.length === 0;
  return {
    verdict,
    successes,
    failures,
    ...slowness(state, observation, rules),
    sinceMs: changed ? observation.atMs : state.sinceMs,
    recent,
  };
}

/**
 * The state when eyes that were broken from `sinceMs` on see again: the failures that they saw count
 * for nothing. A "down" that was known before stands; one that came since is unknown until the target
 * has been looked at anew, as nobody can tell. What was remembered is kept for people to look at.
 */
export function doubt(state: VerdictState, sinceMs: number): VerdictState {
  const { failures, recent, verdict } = state;
  const isKnownBefore = verdict === 'down' && state.sinceMs < sinceMs;
  if (isKnownBefore || (verdict !== 'down' && failures === 0)) return state;
  const cleared = { ...state, successes: 0, failures: 0 };
  if (verdict !== 'down') return cleared;
  return { ...cleared, verdict: 'unknown', sinceMs: recent.at(-1)?.atMs ?? sinceMs };
}

/**
 * Seconds (with a fraction) from the last observation to the earliest possible change of the verdict:
 * interval × (threshold − counter), gdnsd's rule, where probes that follow a failure come at the pace
 * of re-checks. 0 while unknown, which may change at any moment.
 */
export function secondsToChange(state: VerdictState, rules: VerdictRules): number {
  const { fall, intervalMs, recheckMs = intervalMs, rise } = rules;
  switch (state.verdict) {
    case 'unknown':
      return 0;
    case 'down':
      return (Math.max(1, rise - state.successes) * intervalMs) / 1000;
    case 'up': {
      const missing = Math.max(1, fall - state.failures);
      const downSeconds = isFailing(state)
        ? (missing * recheckMs) / 1000
        : (intervalMs + (missing - 1) * recheckMs) / 1000;
      return Math.min(downSeconds, secondsToSlow(state, rules));
    }
  }
}

/** Until the mark beside "up" could change: it steers too. Probes come no faster than re-checks. */
function secondsToSlow(state: VerdictState, rules: VerdictRules): number {
  const { slow, slowCount } = state;
  const { fall, intervalMs, recheckMs = intervalMs, rise } = rules;
  const missing = Math.max(1, (slow ? rise : fall) - slowCount);
  return (missing * (isFailing(state) ? recheckMs : intervalMs)) / 1000;
}

/** True while failures count towards down: the change has begun. */
export function isFailing(state: VerdictState): boolean {
  return state.verdict !== 'down' && state.failures > 0;
}

function slowness(
  { slow, slowCount }: VerdictState,
  { degraded = false, ok, rttMs }: Observation,
  { rise, fall, slowAboveMs = Number.POSITIVE_INFINITY }: VerdictRules,
): Pick<VerdictState, 'slow' | 'slowCount'> {
  // A failure is not slow and not quick: it says nothing here.
  if (!ok) return { slow, slowCount };
  const isSlow = degraded || rttMs > slowAboveMs;
  if (isSlow === slow) return { slow, slowCount: 0 };
  const count = slowCount + 1;
  return count >= (slow ? rise : fall) ? { slow: !slow, slowCount: 0 } : { slow, slowCount: count };
}

type Counters = Pick<VerdictState, 'verdict' | 'successes' | 'failures'>;

function whenUp(state: VerdictState, ok: boolean, rules: VerdictRules): Counters {
  if (!ok) {
    const failures = state.failures + 1;
    if (failures >= rules.fall) return { verdict: 'down', successes: 0, failures: 0 };
    return { verdict: state.verdict, successes: 0, failures };
  }
  if (state.failures === 0) return { verdict: 'up', successes: 0, failures: 0 };
  const successes = state.successes + 1;
  if (successes >= rules.rise) return { verdict: 'up', successes: 0, failures: 0 };
  return { verdict: 'up', successes, failures: state.failures };
}

function whenDown(state: VerdictState, ok: boolean, rules: VerdictRules): Counters {
  if (!ok) return { verdict: 'down', successes: 0, failures: 0 };
  const successes = state.successes + 1;
  if (successes >= rules.rise) return { verdict: 'up', successes: 0, failures: 0 };
  return { verdict: 'down', successes, failures: 0 };
}
