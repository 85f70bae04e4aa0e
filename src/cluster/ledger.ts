import type { Observation } from '../health/observation.ts';
import { STALE_HOLD_MS } from '../health/quorum.ts';
import type { Statement, VantageWord } from '../health/statement.ts';
import { RECENT_MAX } from '../health/verdict.ts';
import {
  type NeedRecord,
  type OutliveRecord,
  type StatementRecord,
  statementHash,
  type ThroughRecord,
  type VantageRecord,
} from './wire.ts';

/**
 * What is known of the vantage points of other nodes, whichever way it came. The last writer wins, by
 * the vantage point's life (incarnation) and its own numbering, so that the order and the number of
 * copies in which news arrive do not matter. A sign of life tells by a digest whether anything was
 * missed; then this node asks for it.
 */
export type Ledger = {
  /** @param node who says so */
  hearVantage(
    record: VantageRecord,
    node: string,
    nowMs: number,
  ): NeedRecord | OutliveRecord | undefined;
  hearStatement(record: StatementRecord, nowMs: number): void;
  hearThrough(record: ThroughRecord): void;
  /** Names of this node's own vantage points: nobody else speaks for them. */
  setOwn(names: ReadonlySet<string>): void;
  /** Forgets those that have been silent for very long. */
  sweep(nowMs: number): void;
  vantages(): readonly VantageWord[];
};

export type LedgerDeps = {
  readonly onStatement: (statement: Statement) => void;
  readonly onWithdrawn: (vantage: string, key: string) => void;
  readonly onVantage: (word: VantageWord) => void;
  /** Another node has a vantage point of the same name. */
  readonly onOwnHeard: (vantage: string, node: string) => void;
};

/** Vantage points of others that are remembered; further ones are not heard. */
export const VANTAGES_MAX = 1000;
/** Statements of one vantage point. */
export const STATEMENTS_MAX = 50_000;
/** What is missing is asked for at most this often. */
export const NEED_INTERVAL_MS = 300;
/** After so many signs of life that did not match although nothing seems to be missing, all is asked for. */
const MISMATCHES_MAX = 4;

type Known = {
  word: VantageWord;
  incarnation: number;
  digest: number;
  /** All statements up to this number have been heard, or were overtaken by later ones. */
  contiguous: number;
  neededAtMs: number;
  mismatches: number;
  /** While everything is asked for anew: what has not been said again when it is through is gone. */
  round: number;
  readonly statements: Map<string, Heard>;
};
type Heard = { readonly seq: number; readonly statement: Statement; readonly round: number };

export function createLedger(deps: LedgerDeps): Ledger {
  const known = new Map<string, Known>();
  let own: ReadonlySet<string> = new Set();

  /** The record's vantage point in the record's life; undefined when it is not to be heard. */
  const lifeOf = (vantage: string, incarnation: number, nowMs: number): Known | undefined => {
    const before = known.get(vantage);
    if (before === undefined && known.size >= VANTAGES_MAX) return undefined;
    if (before !== undefined && incarnation < before.incarnation) return undefined;
    if (before !== undefined && incarnation === before.incarnation) return before;
    const fresh = newLife(before?.word ?? unheard(vantage, nowMs), incarnation);
    known.set(vantage, fresh);
    return fresh;
  };
  return {
    hearVantage(record, node, nowMs) {
      const { digest, group, incarnation, reason, seq, trusted, vantage } = record;
      if (own.has(vantage)) {
        deps.onOwnHeard(vantage, node);
        return undefined;
      }
      const life = lifeOf(vantage, incarnation, nowMs);
      if (life === undefined) {
        const later = known.get(vantage)?.incarnation;
        return later === undefined ? undefined : { kind: 'outlive', vantage, incarnation: later };
      }
      life.word = { vantage, group, node, heardAtMs: nowMs, trusted, reason };
      deps.onVantage(life.word);
      if (life.digest >>> 0 === digest) {
        life.contiguous = Math.max(life.contiguous, seq);
        life.mismatches = 0;
        return undefined;
      }
      return needOf(life, seq, nowMs);
    },
    hearStatement(record, nowMs) {
      const { incarnation, key, seq, vantage } = record;
      if (own.has(vantage)) return;
      const life = lifeOf(vantage, incarnation, nowMs);
      if (life === undefined) return;
      const before = life.statements.get(key);
      if (before !== undefined && before.seq >= seq) {
        life.statements.set(key, { ...before, round: life.round });
        return;
      }
      if (before !== undefined) life.digest ^= statementHash(key, before.seq);
      if (record.withdrawn) {
        life.statements.delete(key);
        deps.onWithdrawn(vantage, key);
        return;
      }
      if (before === undefined && life.statements.size >= STATEMENTS_MAX) return;
      const statement = statementOf(record, before?.statement, nowMs);
      life.statements.set(key, { seq, statement, round: life.round });
      life.digest ^= statementHash(key, seq);
      deps.onStatement(statement);
    },
    hearThrough({ since, through, vantage }) {
      const life = known.get(vantage);
      if (life === undefined || since > life.contiguous) return;
      life.contiguous = Math.max(life.contiguous, through);
      if (since > 0) return;
      for (const [key, heard] of life.statements) {
        if (heard.seq > through || heard.round === life.round) continue;
        life.statements.delete(key);
        life.digest ^= statementHash(key, heard.seq);
        deps.onWithdrawn(vantage, key);
      }
    },
    setOwn(names) {
      own = names;
      for (const name of names) known.delete(name);
    },
    sweep(nowMs) {
      for (const [vantage, { word }] of known) {
        if (nowMs - word.heardAtMs > STALE_HOLD_MS) known.delete(vantage);
      }
    },
    vantages: () => [...known.values()].map(({ word }) => word),
  };
}

function newLife(word: VantageWord, incarnation: number): Known {
  return {
    word,
    incarnation,
    digest: 0,
    contiguous: 0,
    neededAtMs: Number.NEGATIVE_INFINITY,
    mismatches: 0,
    round: 0,
    statements: new Map(),
  };
}

function unheard(vantage: string, nowMs: number): VantageWord {
  return { vantage, group: vantage, node: '', heardAtMs: nowMs, trusted: true, reason: '' };
}

/** Asks for what is missing, now and then; for everything when the two do not come together. */
function needOf(life: Known, seq: number, nowMs: number): NeedRecord | undefined {
  if (nowMs - life.neededAtMs < NEED_INTERVAL_MS) return undefined;
  life.neededAtMs = nowMs;
  life.mismatches += 1;
  if (life.contiguous >= seq || life.mismatches > MISMATCHES_MAX) {
    life.contiguous = 0;
    life.mismatches = 0;
  }
  if (life.contiguous === 0) life.round += 1;
  return { kind: 'need', vantage: life.word.vantage, since: life.contiguous };
}

function statementOf(
  record: StatementRecord,
  before: Statement | undefined,
  nowMs: number,
): Statement {
  const { failing, key, last, leaseMs, reason, secondsToChange, sinceAgeMs, slow } = record;
  const seen: Observation = {
    atMs: nowMs - last.ageMs,
    ok: last.ok,
    rttMs: last.rttMs,
    reason: last.reason,
  };
  return {
    vantage: record.vantage,
    key,
    verdict: record.verdict,
    slow,
    failing,
    sinceMs: nowMs - sinceAgeMs,
    secondsToChange,
    leaseMs,
    heardAtMs: nowMs,
    reason,
    recent: [...(before?.recent ?? []), seen].slice(-RECENT_MAX),
  };
}
