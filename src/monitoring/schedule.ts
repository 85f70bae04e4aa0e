import { isFailing, type VerdictState } from '../health/verdict.ts';

/**
 * When to probe. Targets are spread over the interval by a hash of their name, so that thousands of
 * them never fire together and every restart spreads them alike; a random jitter then keeps vantage
 * points from marching in step.
 *
 * There are three paces. The usual one; a quick one from the first failure until the target is down
 * or forgiven, when the next results decide something; and an idle one for what has been down for
 * long without a single success, where hardly anything is to be learnt. The first success ends that.
 */

/** The first probe comes within this time, however long the interval: unknown should not last. */
export const FIRST_SPREAD_MAX_MS = 5_000;
/** First probes of a node in a second; with more of them the first round takes longer. */
export const FIRST_PER_SECOND_MAX = 500;

/** Over which time the first probes of so many targets are spread. */
export const firstSpreadMs = (count: number): number =>
  Math.max(FIRST_SPREAD_MAX_MS, (count * 1000) / FIRST_PER_SECOND_MAX);

/** Milliseconds from the start to a target's place in the interval: 0 <= phase < intervalMs. */
export function phaseMs(targetKey: string, intervalMs: number): number {
  return Math.floor(spread(targetKey) * intervalMs);
}

/** Milliseconds from the start to the first probe. */
export function firstDueMs(targetKey: string, intervalMs: number, spreadMs: number): number {
  return Math.floor(spread(targetKey) * Math.min(intervalMs, spreadMs));
}

/**
 * From when the second probe is counted, in milliseconds from the start: so that it is at the target's
 * place in the interval. What is looked at before that is looked at once more in the first interval.
 */
export function firstCountedMs(targetKey: string, intervalMs: number, spreadMs: number): number {
  const place = phaseMs(targetKey, intervalMs);
  return firstDueMs(targetKey, intervalMs, spreadMs) < place ? place - intervalMs : place;
}

export type Paces = {
  readonly intervalMs: number;
  /** Fraction of the interval by which a period varies, 0..1. */
  readonly jitter: number;
  /** Period while failures count towards down; absent = the interval. */
  readonly recheckMs?: number;
  /** Period once a target has been down for so long; absent = the interval. */
  readonly idle?: { readonly afterMs: number; readonly intervalMs: number };
};

export type Period = Pick<Paces, 'intervalMs' | 'jitter'>;

/**
 * Re-checks vary by at least this fraction. A fault is seen by all vantage points within one
 * interval, and a target that is only overloaded should not have them all back at one instant.
 */
export const RECHECK_JITTER_MIN = 0.5;

/** The period that follows the state's last observation. */
export function paceAfter(state: VerdictState, paces: Paces): Period {
  const { idle, intervalMs, jitter, recheckMs = intervalMs } = paces;
  if (isFailing(state) && recheckMs < intervalMs) {
    return { intervalMs: recheckMs, jitter: Math.max(jitter, RECHECK_JITTER_MIN) };
  }
  if (idle === undefined || state.verdict !== 'down' || state.successes > 0) {
    return { intervalMs, jitter };
  }
  const downMs = (state.recent.at(-1)?.atMs ?? 0) - state.sinceMs;
  return { intervalMs: downMs < idle.afterMs ? intervalMs : idle.intervalMs, jitter };
}

/**
 * When the next probe is due, given when the last one was and a draw in [0, 1). Counted from the due
 * time, not from the end of the probe, so that slow answers don't thin the probes out. A probe that
 * is late follows at once; after a pause longer than an interval (a stopped process) the probes are
 * spread again, since all of them are late together.
 */
export function nextDueMs(dueMs: number, period: Period, draw: number, nowMs: number): number {
  const { intervalMs, jitter } = period;
  const next = dueMs + Math.round(intervalMs * (1 + jitter * (draw - 0.5)));
  if (next > nowMs) return next;
  return nowMs - next < intervalMs ? nowMs : nowMs + Math.floor(draw * intervalMs);
}

/** FNV-1a, finished by a multiplication so that keys with one different letter land far apart; 0..1. */
function spread(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}
