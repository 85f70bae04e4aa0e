import { LEASE_INTERVALS } from '../health/quorum.ts';
import type { Statement, VantageWord } from '../health/statement.ts';
import { createDigests, type Digests } from './statement-digests.ts';
import {
  type NeedRecord,
  type StatementRecord,
  statementBucket,
  type VantageRecord,
  type WireRecord,
} from './wire.ts';
import { STATEMENT_BUCKETS } from './wire-codecs.ts';

/**
 * What this node's own vantage points say, numbered so that the later word is known and digested so
 * that others can tell what they missed. Only what could change a judgement is news at once; the
 * latest observation of an unchanged statement travels now and then, for people to look at.
 */
export type Announcer = {
  /** Takes a statement; returns true when it is news. */
  put(statement: Statement, nowMs: number): boolean;
  /** The vantage point speaks of the target no more. */
  withdraw(vantage: string, key: string, nowMs: number): void;
  /**
   * Withdraws what has not been looked at for longer than its lease: signs of life would renew it for
   * others. Returns whether there was any.
   * @param awakeMs since when this process has run without standing still
   */
  lapse(nowMs: number, awakeMs: number): boolean;
  /** A vantage point of this node, or what has become of its trust. */
  setVantage(word: VantageWord): void;
  dropVantage(vantage: string): void;
  /** Silent ones are not announced: others count their words no more. */
  setSilent(vantage: string, silent: boolean): void;
  /** What is new since the last call, with the signs of life of those who say it. */
  takeNews(nowMs: number): readonly WireRecord[];
  /** The last news again, as far as they still hold: a datagram may have been lost. */
  repeatNews(nowMs: number): readonly WireRecord[];
  /** False when all news have been repeated NEWS_REPEATS times. */
  hasRepeats(): boolean;
  /** Signs of life of all vantage points. */
  signs(): readonly VantageRecord[];
  /** Latest observations of unchanged statements, a few at a time, those that were told longest ago. */
  refresh(nowMs: number): readonly WireRecord[];
  /** What somebody lacks, about RESEND_RECORDS_MAX records at most. */
  answer(need: Omit<NeedRecord, 'kind'>, nowMs: number): readonly WireRecord[];
  /** Everything of one vantage point, to be kept where others find it. */
  all(vantage: string, nowMs: number): readonly WireRecord[];
  /** Those that are announced. */
  vantages(): readonly string[];
  /** Somebody knows a later life of this name: ours must be later still. */
  outlive(vantage: string, incarnation: number): void;
};

/** Signs of life come this often. */
export const HEARTBEAT_MS = 500;
/** An unchanged statement's last observation is told no more often than this, */
export const REFRESH_MS = 10_000;
/** and so many at a time, about a datagram full: the cost at rest does not grow with the targets. */
export const REFRESH_RECORDS_MAX = 12;
/** News are told once and so many times more. */
export const NEWS_REPEATS = 2;
/** Records that one request brings again; a bucket is never cut. */
export const RESEND_RECORDS_MAX = 1000;
/** Withdrawn statements that are remembered, to be told again to those who missed it. */
export const WITHDRAWN_MAX = 1000;

type Said = {
  statement: Statement;
  readonly seq: number;
  toldAtMs: number;
  /** When the vantage point last looked. */
  putAtMs: number;
};
type Voice = {
  word: VantageWord;
  incarnation: number;
  seq: number;
  beat: number;
  silent: boolean;
  readonly digests: Digests;
  /** By key; the one that was told longest ago comes first. */
  readonly said: Map<string, Said>;
  /** By key; the one that was withdrawn longest ago comes first. */
  readonly withdrawn: Map<string, Said>;
};
type News = {
  readonly voice: Voice;
  readonly key: string;
  readonly seq: number;
  /** How often it is still to be told. */
  readonly repeats: number;
};

/** @param incarnation of this life: larger than that of any earlier one */
export function createAnnouncer(incarnation: number): Announcer {
  const voices = new Map<string, Voice>();
  let news = new Map<string, News>();
  /** Told once. */
  let told = new Map<string, News>();
  /** A name that comes back numbers from the beginning: it must be another life. */
  let nextIncarnation = incarnation;

  const voiceOf = (vantage: string): Voice => {
    const voice = voices.get(vantage) ?? newVoice(vantage, nextIncarnation);
    voices.set(vantage, voice);
    return voice;
  };
  const speaking = (): readonly Voice[] => [...voices.values()].filter(isSpeaking);
  const announce = (voice: Voice, key: string, seq: number): void => {
    news.set(`${voice.word.vantage} ${key}`, { voice, key, seq, repeats: NEWS_REPEATS });
  };
  const recordsOf = (list: readonly News[], nowMs: number): readonly WireRecord[] => {
    const current = new Set(speaking());
    const said = list.filter(({ voice }) => current.has(voice));
    const records = said.flatMap(({ key, seq, voice }) => recordOf(voice, key, seq, nowMs));
    if (records.length === 0) return [];
    // Signs of life come last: they tell whether anything of the above was lost.
    return [...records, ...[...new Set(said.map(({ voice }) => voice))].map(signOf)];
  };
  return {
    put(statement, nowMs) {
      const voice = voiceOf(statement.vantage);
      const before = voice.said.get(statement.key);
      if (before !== undefined && isSame(before.statement, statement)) {
        before.statement = statement;
        before.putAtMs = nowMs;
        return false;
      }
      announce(voice, statement.key, say(voice, statement, nowMs));
      return true;
    },
    withdraw(vantage, key, nowMs) {
      const voice = voices.get(vantage);
      if (voice?.said.has(key)) announce(voice, key, unsay(voice, key, nowMs));
    },
    lapse(nowMs, awakeMs) {
      const before = news.size;
      for (const voice of voices.values()) {
        for (const key of lapsedKeys(voice, nowMs, awakeMs)) {
          announce(voice, key, unsay(voice, key, nowMs));
        }
      }
      return news.size > before;
    },
    setVantage(word) {
      voiceOf(word.vantage).word = word;
    },
    dropVantage(vantage) {
      nextIncarnation = Math.max(nextIncarnation, (voices.get(vantage)?.incarnation ?? 0) + 1);
      voices.delete(vantage);
    },
    setSilent(vantage, silent) {
      voiceOf(vantage).silent = silent;
    },
    takeNews(nowMs) {
      const fresh = [...news.values()];
      for (const [id, each] of news) told.set(id, each);
      news = new Map();
      return recordsOf(fresh, nowMs);
    },
    repeatNews(nowMs) {
      const again = [...told.values()];
      told = leftToRepeat(told);
      return recordsOf(again, nowMs);
    },
    hasRepeats: () => told.size > 0,
    signs: () => speaking().map(signOf),
    refresh(nowMs) {
      const quota = Math.ceil(REFRESH_RECORDS_MAX / Math.max(1, voices.size));
      return speaking().flatMap((voice) => takeOld(voice, quota, nowMs));
    },
    answer(need, nowMs) {
      const voice = voices.get(need.vantage);
      return voice !== undefined && isSpeaking(voice) ? missing(voice, need, nowMs) : [];
    },
    all(vantage, nowMs) {
      const voice = voices.get(vantage);
      return voice === undefined ? [] : [...entriesOf(voice, nowMs)];
    },
    vantages: () => speaking().map(({ word }) => word.vantage),
    outlive(vantage, heard) {
      const voice = voices.get(vantage);
      if (voice === undefined || heard < voice.incarnation) return;
      voice.incarnation = Math.min(heard + 1, Number.MAX_SAFE_INTEGER);
    },
  };
}

/** Until it is known in which group it counts it is not heard of. */
const isSpeaking = ({ silent, word }: Voice): boolean => !silent && word.node !== '';

function newVoice(vantage: string, incarnation: number): Voice {
  return {
    word: { vantage, group: vantage, node: '', heardAtMs: 0, trusted: true, reason: '' },
    incarnation,
    seq: 0,
    beat: 0,
    silent: false,
    digests: createDigests(),
    said: new Map(),
    withdrawn: new Map(),
  };
}

function leftToRepeat(told: ReadonlyMap<string, News>): Map<string, News> {
  return new Map(
    [...told].flatMap(([id, each]) =>
      each.repeats > 1 ? [[id, { ...each, repeats: each.repeats - 1 }]] : [],
    ),
  );
}

function lapsedKeys({ said }: Voice, nowMs: number, awakeMs: number): readonly string[] {
  const keys: string[] = [];
  for (const [key, { putAtMs, statement }] of said) {
    if (nowMs - Math.max(putAtMs, awakeMs) > leaseOf(statement)) keys.push(key);
  }
  return keys;
}

/** Numbers the statement and keeps it; returns the number. */
function say(voice: Voice, statement: Statement, nowMs: number): number {
  const { digests, said, withdrawn } = voice;
  const { key } = statement;
  voice.seq += 1;
  digests.replace(key, said.get(key)?.seq, voice.seq);
  withdrawn.delete(key);
  said.delete(key);
  said.set(key, { statement, seq: voice.seq, toldAtMs: nowMs, putAtMs: nowMs });
  return voice.seq;
}

function unsay(voice: Voice, key: string, nowMs: number): number {
  const { digests, said, withdrawn } = voice;
  const { seq, statement } = said.get(key)!;
  voice.seq += 1;
  digests.replace(key, seq, undefined);
  said.delete(key);
  withdrawn.set(key, { statement, seq: voice.seq, toldAtMs: nowMs, putAtMs: nowMs });
  if (withdrawn.size > WITHDRAWN_MAX) withdrawn.delete(withdrawn.keys().next().value!);
  return voice.seq;
}

/** The statement as a record; none when another number has taken its place. */
function recordOf(voice: Voice, key: string, seq: number, nowMs: number): StatementRecord[] {
  const said = voice.said.get(key);
  if (said?.seq === seq) return [statementRecord(said, voice, false, nowMs)];
  const gone = voice.withdrawn.get(key);
  return gone?.seq === seq ? [statementRecord(gone, voice, true, nowMs)] : [];
}

function* entriesOf(voice: Voice, nowMs: number): Generator<StatementRecord> {
  for (const said of voice.withdrawn.values()) yield statementRecord(said, voice, true, nowMs);
  for (const said of voice.said.values()) yield statementRecord(said, voice, false, nowMs);
}

/** Those told longest ago, which go to the end of the queue. */
function takeOld(voice: Voice, quota: number, nowMs: number): StatementRecord[] {
  const old: Said[] = [];
  for (const said of voice.said.values()) {
    if (old.length >= quota || nowMs - said.toldAtMs < REFRESH_MS) break;
    old.push(said);
  }
  for (const said of old) {
    const { key } = said.statement;
    said.toldAtMs = nowMs;
    voice.said.delete(key);
    voice.said.set(key, said);
  }
  return old.map((said) => statementRecord(said, voice, false, nowMs));
}

/** What is newer than asked for in the buckets that differ, each closed with its digest. */
function missing(
  voice: Voice,
  { digests, since }: Omit<NeedRecord, 'kind'>,
  nowMs: number,
): readonly WireRecord[] {
  const byBucket = new Map<number, StatementRecord[]>();
  for (let bucket = 0; bucket < STATEMENT_BUCKETS; bucket += 1) {
    if (voice.digests.of(bucket) !== (digests[bucket] ?? 0)) byBucket.set(bucket, []);
  }
  for (const record of entriesOf(voice, nowMs)) {
    if (record.seq > since) byBucket.get(statementBucket(record.key))?.push(record);
  }
  const { incarnation, word } = voice;
  const records: WireRecord[] = [];
  for (const [bucket, statements] of byBucket) {
    if (records.length > 0 && records.length + statements.length > RESEND_RECORDS_MAX) break;
    const digest = voice.digests.of(bucket);
    const { vantage } = word;
    records.push(...statements, { kind: 'bucket', vantage, incarnation, bucket, digest });
  }
  return records;
}

function isSame(before: Statement, after: Statement): boolean {
  return (
    before.verdict === after.verdict &&
    before.slow === after.slow &&
    before.failing === after.failing &&
    before.secondsToChange === after.secondsToChange &&
    before.leaseMs === after.leaseMs
  );
}

function signOf(voice: Voice): VantageRecord {
  const { digests, incarnation, seq, word } = voice;
  const { group, reason, trusted, vantage } = word;
  voice.beat += 1;
  const { beat } = voice;
  const digest = digests.total();
  return { kind: 'vantage', vantage, group, incarnation, beat, seq, digest, trusted, reason };
}

/** Signs of life renew it, and they come no more often than that. */
const leaseOf = ({ leaseMs }: Statement): number =>
  Math.max(leaseMs, LEASE_INTERVALS * HEARTBEAT_MS);

function statementRecord(
  { seq, statement }: Said,
  { incarnation }: Voice,
  withdrawn: boolean,
  nowMs: number,
): StatementRecord {
  const { failing, key, reason, recent, secondsToChange, slow, vantage, verdict } = statement;
  const last = recent.at(-1);
  return {
    kind: 'statement',
    vantage,
    incarnation,
    seq,
    key,
    withdrawn,
    verdict,
    slow,
    failing,
    leaseMs: leaseOf(statement),
    secondsToChange,
    sinceAgeMs: Math.max(0, nowMs - statement.sinceMs),
    reason,
    last: {
      ageMs: last === undefined ? 0 : Math.max(0, nowMs - last.atMs),
      ok: last?.ok ?? false,
      rttMs: last?.rttMs ?? 0,
      reason: last?.reason ?? '',
      warning: last?.warning ?? '',
    },
  };
}
