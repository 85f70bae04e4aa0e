import type { Observation } from '../health/observation.ts';
import type { Statement } from '../health/statement.ts';
import { RECENT_MAX } from '../health/verdict.ts';
import type { StatementRecord } from './wire.ts';

/** Two tellings of one observation differ by the time that each was on its way: less than this. */
const SAME_OBSERVATION_MS = 1000;

/**
 * A statement as it was told, in this node's time; its observations are those told before and the new
 * one. Returns `before` itself when the same statement is told again with nothing newer seen.
 * @param isAgain the record has the number of `before`
 */
export function mergeStatement(
  record: StatementRecord,
  before: Statement | undefined,
  isAgain: boolean,
  nowMs: number,
): Statement {
  const { failing, key, last, leaseMs, reason, secondsToChange, slow, vantage, verdict } = record;
  const seen: Observation = {
    atMs: nowMs - last.ageMs,
    ok: last.ok,
    rttMs: last.rttMs,
    reason: last.reason,
    ...(last.warning === '' ? {} : { warning: last.warning }),
  };
  const isNewer = isLaterThan(seen, before?.recent.at(-1));
  if (isAgain && before !== undefined && !isNewer) return before;
  const recent = before?.recent ?? [];
  return {
    vantage,
    key,
    verdict,
    slow,
    failing,
    sinceMs: nowMs - record.sinceAgeMs,
    secondsToChange,
    leaseMs,
    heardAtMs: nowMs,
    reason,
    recent: isNewer ? [...recent, seen].slice(-RECENT_MAX) : recent,
  };
}

function isLaterThan(seen: Observation, last: Observation | undefined): boolean {
  if (last === undefined) return true;
  const aheadMs = seen.atMs - last.atMs;
  if (aheadMs <= 0) return false;
  const isAlike = seen.ok === last.ok && seen.rttMs === last.rttMs && seen.reason === last.reason;
  return !isAlike || aheadMs > SAME_OBSERVATION_MS;
}
