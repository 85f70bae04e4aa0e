import { STALE_HOLD_MS } from '../health/quorum.ts';
import type { AgentReport, Statement, VantageWord } from '../health/statement.ts';
import {
  agree,
  createLife,
  FORMER_HOLD_MS,
  isOwner,
  type Life,
  needOf,
  OWNER_HOLD_MS,
  rememberWithdrawn,
} from './life.ts';
import { createReportOrder } from './report-order.ts';
import { digestOf } from './statement-digests.ts';
import { mergeStatement } from './told-statement.ts';
import {
  type BucketRecord,
  type NeedRecord,
  type OutliveRecord,
  type ReportRecord,
  type StatementRecord,
  statementBucket,
  type VantageRecord,
} from './wire.ts';

/**
 * What is known of the vantage points of other nodes, whichever way it came. The last writer wins, by
 * the vantage point's life (incarnation) and its own numbering, so that the order and the number of
 * copies in which news arrive do not matter. A sign of life tells by a digest whether anything was
 * missed; then this node asks for it, bucket by bucket.
 *
 * A vantage point belongs to the node that speaks for it. When two living nodes do, all hearers side
 * with the same one (the first by name), so that they still judge from the same facts.
 */
export type Ledger = {
  /**
   * @param node who says so
   * @returns what to answer
   */
  hearVantage(
    record: VantageRecord,
    node: string,
    nowMs: number,
  ): NeedRecord | OutliveRecord | undefined;
  hearStatement(record: StatementRecord, node: string, nowMs: number): void;
  hearBucket(record: BucketRecord, node: string, nowMs: number): void;
  hearReport(record: ReportRecord, node: string, nowMs: number): void;
  /** Names of this node's own vantage points: nobody else speaks for them. */
  setOwn(names: ReadonlySet<string>): void;
  /** Tells all that is known again: whoever listens knows of other targets now. */
  retell(): void;
  /** Forgets those that have been silent for very long. */
  sweep(nowMs: number): void;
  vantages(): readonly VantageWord[];
  /** Statements that are held, of all vantage points. */
  size(): number;
};

export type LedgerDeps = {
  readonly onStatement: (statement: Statement) => void;
  readonly onWithdrawn: (vantage: string, key: string) => void;
  readonly onVantage: (word: VantageWord) => void;
  readonly onReport: (report: AgentReport) => void;
  /** Another node has a vantage point with the name of one of ours; called again and again. */
  readonly onOwnHeard: (vantage: string, node: string) => void;
  /** Two other nodes speak for one vantage point; called again and again. */
  readonly onConflict: (vantage: string, nodes: readonly [string, string]) => void;
};

/** Vantage points of others that are remembered; further ones are not heard. */
export const VANTAGES_MAX = 1000;
/** Statements of one vantage point, */
export const STATEMENTS_MAX = 50_000;
/** and of all together: some hundred megabytes. */
export const STATEMENTS_TOTAL_MAX = 400_000;
/** A lease longer than this is cut: silence must count at last. */
export const LEASE_MAX_MS = 3_600_000;

export function createLedger(deps: LedgerDeps): Ledger {
  const lives = createLives(deps);
  const reports = createReportOrder();
  return {
    hearVantage(record, node, nowMs) {
      const { vantage } = record;
      const found = lives.find(record, node, nowMs);
      if (found === 'outlived') {
        return { kind: 'outlive', vantage, incarnation: lives.get(vantage)!.incarnation };
      }
      return typeof found === 'string' ? undefined : hearSign(deps, found, { record, node, nowMs });
    },
    hearStatement(record, node, nowMs) {
      const life = lives.find(record, node, nowMs);
      if (typeof life !== 'string') takeStatement(deps, lives, life, { record, nowMs });
    },
    hearBucket(record, node, nowMs) {
      const life = lives.get(record.vantage);
      if (life === undefined || life.incarnation !== record.incarnation) return;
      if (isOwner(life, node, nowMs)) closeBucket(deps, lives, life, record);
    },
    hearReport(record, node, nowMs) {
      const { kind: _kind, incarnation: _incarnation, beat: _beat, ...report } = record;
      // A balancer's node speaks for itself alone.
      if (report.node !== node || !reports.isLater(record, nowMs)) return;
      const leaseMs = Math.min(report.leaseMs, LEASE_MAX_MS);
      deps.onReport({ ...report, leaseMs, heardAtMs: nowMs });
    },
    setOwn: lives.setOwn,
    retell() {
      for (const { statements, word } of lives.all()) {
        deps.onVantage(word);
        for (const { statement } of statements.values()) deps.onStatement(statement);
      }
    },
    sweep(nowMs) {
      for (const { statements, word } of lives.all()) {
        if (nowMs - word.heardAtMs <= STALE_HOLD_MS) continue;
        lives.remove(word.vantage);
        for (const key of statements.keys()) deps.onWithdrawn(word.vantage, key);
      }
      reports.sweep(nowMs);
    },
    vantages: () => lives.all().map(({ word }) => word),
    size: lives.size,
  };
}

/** Why a record is not heard: it is of our own, of an earlier life, of another's, or too many. */
type Unheard = 'own' | 'outlived' | 'foreign' | 'full';

/** The present life of every vantage point. */
type Lives = {
  get(vantage: string): Life | undefined;
  /** The life that a record belongs to, begun when it is a new one. */
  find(
    record: Pick<VantageRecord, 'vantage' | 'incarnation'>,
    node: string,
    nowMs: number,
  ): Life | Unheard;
  all(): readonly Life[];
  remove(vantage: string): void;
  setOwn(names: ReadonlySet<string>): void;
  /** Counts statements, of which there is a limit. */
  count(change: number): void;
  size(): number;
};

function createLives({ onConflict, onOwnHeard, onWithdrawn }: LedgerDeps): Lives {
  const byVantage = new Map<string, Life>();
  let own: ReadonlySet<string> = new Set();
  let statements = 0;
  const remove = (vantage: string): void => {
    statements -= byVantage.get(vantage)?.statements.size ?? 0;
    byVantage.delete(vantage);
  };
  const begin = (vantage: string, incarnation: number, node: string, nowMs: number): Life => {
    const before = byVantage.get(vantage);
    remove(vantage);
    const life = createLife({ vantage, incarnation, node, nowMs }, before);
    byVantage.set(vantage, life);
    if (before?.word.trusted === false) {
      // Its eyes were broken, and nobody will take back what it saw: it must not count as this life's.
      for (const key of life.former) onWithdrawn(vantage, key);
      life.former.clear();
    }
    return life;
  };
  return {
    get: (vantage) => byVantage.get(vantage),
    find({ incarnation, vantage }, node, nowMs) {
      if (own.has(vantage)) {
        onOwnHeard(vantage, node);
        return 'own';
      }
      const life = byVantage.get(vantage);
      if (life === undefined) {
        if (byVantage.size >= VANTAGES_MAX) return 'full';
        return begin(vantage, incarnation, node, nowMs);
      }
      const speaker = life.word.node;
      if (node !== speaker) {
        const isAlive = nowMs - life.word.heardAtMs <= OWNER_HOLD_MS;
        if (isAlive) onConflict(vantage, node < speaker ? [node, speaker] : [speaker, node]);
        if (!isOwner(life, node, nowMs)) return 'foreign';
        return begin(vantage, incarnation, node, nowMs);
      }
      if (incarnation < life.incarnation) return 'outlived';
      return incarnation > life.incarnation ? begin(vantage, incarnation, node, nowMs) : life;
    },
    all: () => [...byVantage.values()],
    remove,
    setOwn(names) {
      own = names;
      for (const name of names) remove(name);
    },
    count(change) {
      statements += change;
    },
    size: () => statements,
  };
}

type Heard<Record> = { readonly record: Record; readonly nowMs: number };

function hearSign(
  deps: LedgerDeps,
  life: Life,
  { node, nowMs, record }: Heard<VantageRecord> & { readonly node: string },
): NeedRecord | undefined {
  // A copy that took longer, by another way: it proves no life after the one that was heard.
  if (record.beat <= life.beat) return undefined;
  const { group, reason, seq, trusted, vantage } = record;
  const isFirst = life.beat === 0;
  life.beat = record.beat;
  life.word = { vantage, group, node, heardAtMs: nowMs, trusted, reason };
  deps.onVantage(life.word);
  // What it said before anybody knew in which group it counts.
  if (isFirst) for (const { statement } of life.statements.values()) deps.onStatement(statement);
  // Statements have overtaken it: what it says of them is over.
  if (seq < life.latestSeq) return undefined;
  life.latestSeq = seq;
  if (life.digests.total() !== record.digest) return needOf(life, nowMs);
  agree(life, seq);
  if (nowMs - life.sinceMs < FORMER_HOLD_MS) return undefined;
  for (const key of life.former) deps.onWithdrawn(vantage, key);
  life.former.clear();
  return undefined;
}

function takeStatement(
  deps: LedgerDeps,
  lives: Lives,
  life: Life,
  { nowMs, record }: Heard<StatementRecord>,
): void {
  const { key, seq, vantage, withdrawn } = record;
  const before = life.statements.get(key);
  if (before !== undefined && seq <= before.seq) before.round = life.round;
  const isAgain = seq === before?.seq;
  if (!isAgain && seq <= (before?.seq ?? life.withdrawn.get(key) ?? -1)) return;
  life.latestSeq = Math.max(life.latestSeq, seq);
  if (withdrawn) {
    drop(lives, life, key);
    rememberWithdrawn(life, key, seq);
    life.former.delete(key);
    deps.onWithdrawn(vantage, key);
    return;
  }
  const isFull = life.statements.size >= STATEMENTS_MAX || lives.size() >= STATEMENTS_TOTAL_MAX;
  if (before === undefined && isFull) return;
  const leaseMs = Math.min(record.leaseMs, LEASE_MAX_MS);
  const statement = mergeStatement({ ...record, leaseMs }, before?.statement, isAgain, nowMs);
  if (statement === before?.statement) return;
  if (before === undefined) lives.count(1);
  life.digests.replace(key, before?.seq, seq);
  life.statements.set(key, { statement, seq, bucket: statementBucket(key), round: life.round });
  life.withdrawn.delete(key);
  life.former.delete(key);
  if (life.beat > 0) deps.onStatement(statement);
}

function drop(lives: Lives, life: Life, key: string): void {
  const before = life.statements.get(key);
  if (before === undefined) return;
  life.digests.replace(key, before.seq, undefined);
  life.statements.delete(key);
  lives.count(-1);
}

/**
 * All that was needed of a bucket has been said. If what was said since we asked makes up the whole
 * bucket, the rest of ours is no longer true; if not, a part was lost and will be asked for again.
 */
function closeBucket(
  deps: LedgerDeps,
  lives: Lives,
  life: Life,
  { bucket, digest, vantage }: BucketRecord,
): void {
  if (life.digests.of(bucket) !== digest) {
    const ours = [...life.statements].filter(([, each]) => each.bucket === bucket);
    const said = ours.filter(([, each]) => each.round === life.round);
    if (digestOf(said.map(([key, { seq }]) => [key, seq])) !== digest) return;
    for (const [key, each] of ours) {
      if (each.round === life.round) continue;
      drop(lives, life, key);
      deps.onWithdrawn(vantage, key);
    }
  }
  if (!life.confirmed.has(bucket)) life.asks = 0;
  life.confirmed.add(bucket);
}
