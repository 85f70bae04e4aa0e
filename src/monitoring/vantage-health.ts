import type { Observation } from '../health/observation.ts';
import { participates, type Vote } from '../health/quorum.ts';
import { isFailing, secondsToChange, type VerdictState } from '../health/verdict.ts';
import type { VantageVerdict } from './monitoring.ts';

/** What people see of one vantage point's word on an endpoint. */
export type VantageHealth = {
  readonly vantage: string;
  readonly verdict: 'up' | 'down' | 'unknown' | 'abstains';
  readonly sinceMs: number;
  /** Oldest first; the address is named in the reason when the endpoint has several. */
  readonly recent: readonly Observation[];
};

/** A verdict as a vote of the quorum. */
export function voteOf({ vantage, group, state, rules, leaseMs }: VantageVerdict): Vote {
  const last = state.recent.at(-1);
  return {
    vantage,
    group,
    verdict: state.verdict,
    reason: evidenceOf(state)?.reason ?? '',
    atMs: last?.atMs ?? 0,
    leaseMs,
    secondsToChange: secondsToChange(state, rules),
    failing: isFailing(state),
  };
}

/** The last observation that speaks for the verdict; a later one that does not is not yet believed. */
function evidenceOf({ recent, verdict }: VerdictState): Observation | undefined {
  if (verdict === 'unknown') return recent.at(-1);
  return recent.findLast(({ ok }) => ok === (verdict === 'up')) ?? recent.at(-1);
}

type AddressVerdicts = {
  readonly address: string;
  readonly verdicts: readonly VantageVerdict[];
};

/** One line per vantage point: over several addresses the worst verdict, and all observations. */
export function vantageHealth(
  targets: readonly AddressVerdicts[],
  nowMs: number,
): readonly VantageHealth[] {
  const byVantage = new Map<string, VantageHealth>();
  for (const { address, verdicts } of targets) {
    for (const each of verdicts) {
      const health = healthOf(each, targets.length > 1 ? `${address}: ` : '', nowMs);
      const other = byVantage.get(each.vantage);
      byVantage.set(each.vantage, other === undefined ? health : merge(other, health));
    }
  }
  return [...byVantage.values()].toSorted((a, b) => (a.vantage < b.vantage ? -1 : 1));
}

const SEVERITY = { abstains: 0, up: 1, unknown: 2, down: 3 } as const;

function healthOf(verdict: VantageVerdict, prefix: string, nowMs: number): VantageHealth {
  const { vantage, state } = verdict;
  return {
    vantage,
    verdict: participates(voteOf(verdict), nowMs) ? state.verdict : 'abstains',
    sinceMs: state.sinceMs,
    recent: state.recent.map((each) => ({ ...each, reason: `${prefix}${each.reason}` })),
  };
}

function merge(a: VantageHealth, b: VantageHealth): VantageHealth {
  const worse = SEVERITY[b.verdict] > SEVERITY[a.verdict] ? b : a;
  const recent = [...a.recent, ...b.recent].toSorted((x, y) => x.atMs - y.atMs);
  return { ...worse, recent };
}
