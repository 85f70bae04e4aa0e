import type { Observation } from '../health/observation.ts';
import { participates } from '../health/quorum.ts';
import type { Statement, VantageWord } from '../health/statement.ts';
import { isFailing, secondsToChange, type VerdictState } from '../health/verdict.ts';
import type { LocalFault } from './local-faults.ts';
import type { VantageVerdict } from './monitoring.ts';

/** What people see of one vantage point's word on an endpoint. */
export type VantageHealth = {
  readonly vantage: string;
  readonly verdict: 'up' | 'down' | 'unknown' | 'abstains';
  readonly slow: boolean;
  readonly sinceMs: number;
  /** Why it abstains; '' when it does not. */
  readonly abstains: string;
  /** Oldest first; the address is named in the reason when the endpoint has several. */
  readonly recent: readonly Observation[];
};

/** A verdict of this node as the statement that others hear. */
export function statementOf({
  key,
  leaseMs,
  rules,
  state,
  vantage,
}: Omit<VantageVerdict, 'group'>): Statement {
  return {
    vantage,
    key,
    verdict: state.verdict,
    slow: state.slow,
    failing: isFailing(state),
    sinceMs: state.sinceMs,
    secondsToChange: secondsToChange(state, rules),
    leaseMs,
    heardAtMs: state.recent.at(-1)?.atMs ?? 0,
    reason: evidenceOf(state)?.reason ?? '',
    recent: state.recent,
  };
}

/** The last observation that speaks for the verdict; a later one that does not is not yet believed. */
function evidenceOf({ recent, verdict }: VerdictState): Observation | undefined {
  if (verdict === 'unknown') return recent.at(-1);
  return recent.findLast(({ ok }) => ok === (verdict === 'up')) ?? recent.at(-1);
}

/** What is said about one target, and what people should see before each reason. */
type Spoken = {
  readonly statements: readonly Statement[];
  readonly word: (vantage: string) => VantageWord | undefined;
  /** Vantage points that cannot look at it, and why. */
  readonly faults: ReadonlyMap<string, LocalFault>;
  readonly prefix: string;
  readonly nowMs: number;
};

/** One line per vantage point: over several targets the worst verdict, and all observations. */
export function vantageHealth(targets: readonly Spoken[]): readonly VantageHealth[] {
  const byVantage = new Map<string, VantageHealth>();
  for (const spoken of targets) {
    const said = spoken.statements.map((statement) => healthOf(statement, spoken));
    for (const health of [...said, ...unsaid(spoken)]) {
      const other = byVantage.get(health.vantage);
      byVantage.set(health.vantage, other === undefined ? health : merge(other, health));
    }
  }
  return [...byVantage.values()].toSorted((a, b) => (a.vantage < b.vantage ? -1 : 1));
}

const SEVERITY = { abstains: 0, up: 1, unknown: 2, down: 3 } as const;

/** Those that have not been able to look since they began. */
function unsaid({ faults, statements }: Spoken): readonly VantageHealth[] {
  const speaking = new Set(statements.map(({ vantage }) => vantage));
  return [...faults].flatMap(([vantage, fault]) => {
    if (speaking.has(vantage)) return [];
    const { reason, sinceMs } = fault;
    const abstains = `it cannot look: ${reason}`;
    return [{ vantage, verdict: 'abstains', slow: false, sinceMs, abstains, recent: [] }];
  });
}

function healthOf(statement: Statement, { faults, nowMs, prefix, word }: Spoken): VantageHealth {
  const known = word(statement.vantage);
  const atMs = Math.max(statement.heardAtMs, known?.heardAtMs ?? 0);
  const trusted = known?.trusted ?? true;
  const counts = participates({ atMs, leaseMs: statement.leaseMs, trusted }, nowMs);
  const fault = faults.get(statement.vantage);
  const silence = fault === undefined ? SILENCE : `it cannot look: ${fault.reason}`;
  return {
    vantage: statement.vantage,
    verdict: counts ? statement.verdict : 'abstains',
    slow: statement.slow,
    sinceMs: statement.sinceMs,
    abstains: counts ? '' : trusted ? silence : `it distrusts itself: ${known?.reason ?? ''}`,
    recent: statement.recent.map((each) => ({ ...each, reason: `${prefix}${each.reason}` })),
  };
}

const SILENCE = 'it has been silent for too long';

function merge(a: VantageHealth, b: VantageHealth): VantageHealth {
  const worse = SEVERITY[b.verdict] > SEVERITY[a.verdict] ? b : a;
  const recent = [...a.recent, ...b.recent].toSorted((x, y) => x.atMs - y.atMs);
  return { ...worse, slow: a.slow || b.slow, recent };
}
