import type { Statement, VantageWord } from '../health/statement.ts';
import { createDigests, type Digests } from './statement-digests.ts';
import type { NeedRecord } from './wire.ts';

/** One life of another node's vantage point, as far as it is known here: the ledger's explicit state. */
export type Life = {
  word: VantageWord;
  readonly incarnation: number;
  readonly sinceMs: number;
  /** Its last sign of life; 0 = none yet, and then nobody knows in which group it counts. */
  beat: number;
  /** The highest number of a statement that was heard of. */
  latestSeq: number;
  /** Up to here nothing was missing when it last agreed. */
  agreedSeq: number;
  readonly digests: Digests;
  readonly statements: Map<string, Told>;
  /** Numbers of withdrawals, so that an overtaken statement does not come back. */
  readonly withdrawn: Map<string, number>;
  /** Keys that an earlier life spoke of and this one has not yet. */
  readonly former: Set<string>;
  /** Signs of life that did not agree, since the last that did. */
  mismatches: number;
  /** Requests since something came of one. */
  asks: number;
  askedAtMs: number;
  /** Counts requests: what was said since the last one bears its number. */
  round: number;
  /** Buckets that have been made good since the last agreement. */
  readonly confirmed: Set<number>;
};

export type Told = {
  readonly statement: Statement;
  readonly seq: number;
  readonly bucket: number;
  round: number;
};

/** A vantage point is its node's until that has been silent for so long. */
export const OWNER_HOLD_MS = 5000;
/** What a life said counts for so long in the next one, until that has found its words again. */
export const FORMER_HOLD_MS = 5000;
/** What is missing is asked for at most this often, */
export const NEED_INTERVAL_MS = 300;
/** less and less often when nothing comes of it, */
const ASKS_UNTIL_SLOWER = 4;
/** but about this often at least. */
export const NEED_INTERVAL_MAX_MS = 30_000;
const WITHDRAWN_MAX = 1000;

type Beginning = {
  readonly vantage: string;
  readonly incarnation: number;
  readonly node: string;
  readonly nowMs: number;
};

/** A life of which nothing is known yet. */
export function createLife(
  { incarnation, node, nowMs, vantage }: Beginning,
  before: Life | undefined,
): Life {
  return {
    word: { vantage, group: vantage, node, heardAtMs: nowMs, trusted: true, reason: '' },
    incarnation,
    sinceMs: nowMs,
    beat: 0,
    latestSeq: 0,
    agreedSeq: 0,
    digests: createDigests(),
    statements: new Map(),
    withdrawn: new Map(),
    former: new Set([...(before?.former ?? []), ...(before?.statements.keys() ?? [])]),
    mismatches: 0,
    asks: 0,
    askedAtMs: Number.NEGATIVE_INFINITY,
    round: 0,
    confirmed: new Set(),
  };
}

/**
 * True for the node whose word counts: the one that speaks for the vantage point, whoever follows it
 * when it is silent, and of two that are alive the first by name.
 */
export function isOwner({ word }: Life, node: string, nowMs: number): boolean {
  return node <= word.node || nowMs - word.heardAtMs > OWNER_HOLD_MS;
}

/** Notes that nothing is missing: everything up to this number is known. */
export function agree(life: Life, seq: number): void {
  life.agreedSeq = seq;
  life.mismatches = 0;
  life.asks = 0;
  life.confirmed.clear();
}

/**
 * What to ask for after a sign of life that does not agree. The first one after an agreement may just
 * have overtaken what it speaks of; then what is newer than the agreement is asked for; then everything
 * in the buckets that differ.
 */
export function needOf(life: Life, nowMs: number): NeedRecord | undefined {
  life.mismatches += 1;
  if (life.agreedSeq > 0 && life.mismatches === 1) return undefined;
  const slower = 2 ** Math.max(0, life.asks - ASKS_UNTIL_SLOWER);
  const intervalMs = Math.min(NEED_INTERVAL_MS * slower, NEED_INTERVAL_MAX_MS);
  if (nowMs - life.askedAtMs < intervalMs) return undefined;
  const isFirst = life.asks === 0 && life.confirmed.size === 0;
  const since = isFirst ? life.agreedSeq : 0;
  life.asks += 1;
  life.askedAtMs = nowMs;
  life.round += 1;
  const digests = life.statements.size === 0 ? [] : life.digests.list();
  return { kind: 'need', vantage: life.word.vantage, since, digests };
}

/** Remembers that the key is spoken of no more; the oldest are forgotten. */
export function rememberWithdrawn({ withdrawn }: Life, key: string, seq: number): void {
  withdrawn.delete(key);
  withdrawn.set(key, seq);
  if (withdrawn.size > WITHDRAWN_MAX) withdrawn.delete(withdrawn.keys().next().value!);
}
