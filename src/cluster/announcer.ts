import type { Statement, VantageWord } from '../health/statement.ts';
import {
  type StatementRecord,
  statementHash,
  type VantageRecord,
  type WireRecord,
} from './wire.ts';

/**
 * What this node's own vantage points say, numbered so that others can tell what they missed. Only
 * what could change a judgement is news at once; the latest observation of an unchanged statement
 * travels now and then, for people to look at.
 */
export type Announcer = {
  /** Takes a statement; returns true when it is news. */
  put(statement: Statement, nowMs: number): boolean;
  /** The vantage point speaks of the target no more. */
  withdraw(vantage: string, key: string, nowMs: number): void;
  /** A vantage point of this node, or what has become of its trust. */
  setVantage(word: VantageWord): void;
  dropVantage(vantage: string): void;
  /** Silent ones are not announced: others count their words no more. */
  setSilent(vantage: string, silent: boolean): void;
  /** What is new since the last call. */
  takeNews(nowMs: number): readonly WireRecord[];
  /** Signs of life of all vantage points, and old observations that are due. */
  heartbeat(nowMs: number): readonly WireRecord[];
  /** What somebody lacks, at most RESEND_RECORDS_MAX records. */
  answer(vantage: string, since: number, nowMs: number): readonly WireRecord[];
  /** Everything of one vantage point, to be kept where others find it. */
  all(vantage: string, nowMs: number): readonly WireRecord[];
  vantages(): readonly string[];
  /** Somebody knows a later life of this name: ours must be later still. */
  outlive(vantage: string, incarnation: number): void;
};

/** Signs of life come this often. */
export const HEARTBEAT_MS = 500;
/** An unchanged statement's last observation is told this often. */
export const REFRESH_MS = 30_000;
/** Statements that one request brings again. */
export const RESEND_RECORDS_MAX = 4000;
/** Withdrawn statements that are remembered, for those who missed it. */
const WITHDRAWN_MAX = 4000;

type Said = { statement: Statement; seq: number; withdrawn: boolean; toldAtMs: number };
type Voice = {
  word: VantageWord;
  incarnation: number;
  seq: number;
  digest: number;
  silent: boolean;
  readonly said: Map<string, Said>;
};

/** @param incarnation of this life: larger than that of any earlier one */
export function createAnnouncer(incarnation: number): Announcer {
  const voices = new Map<string, Voice>();
  const news = new Map<string, Said>();

  const voiceOf = (vantage: string): Voice => {
    const known = voices.get(vantage);
    if (known !== undefined) return known;
    const word = { vantage, group: vantage, node: '', heardAtMs: 0, trusted: true, reason: '' };
    const voice = { word, incarnation, seq: 0, digest: 0, silent: false, said: new Map() };
    voices.set(vantage, voice);
    return voice;
  };
  const tell = (voice: Voice, statement: Statement, withdrawn: boolean, nowMs: number): void => {
    const said = say(voice, statement, withdrawn, nowMs);
    news.set(`${statement.vantage} ${statement.key}`, said);
  };
  return {
    put(statement, nowMs) {
      const voice = voiceOf(statement.vantage);
      const before = voice.said.get(statement.key);
      if (before !== undefined && !before.withdrawn && isSame(before.statement, statement)) {
        before.statement = statement;
        return false;
      }
      tell(voice, statement, false, nowMs);
      return true;
    },
    withdraw(vantage, key, nowMs) {
      const voice = voices.get(vantage);
      const said = voice?.said.get(key);
      if (voice === undefined || said === undefined || said.withdrawn) return;
      tell(voice, said.statement, true, nowMs);
      forgetWithdrawn(voice.said);
    },
    setVantage(word) {
      voiceOf(word.vantage).word = word;
    },
    dropVantage: (vantage) => void voices.delete(vantage),
    setSilent(vantage, silent) {
      voiceOf(vantage).silent = silent;
    },
    takeNews(nowMs) {
      const heard = [...news.values()].flatMap((said) => {
        const voice = voices.get(said.statement.vantage);
        return voice === undefined || voice.silent ? [] : [{ said, voice }];
      });
      news.clear();
      const speaking = new Set(heard.map(({ voice }) => voice));
      return [
        ...heard.map(({ said, voice }) => statementRecord(said, voice, nowMs)),
        ...[...speaking].map(vantageRecord),
      ];
    },
    heartbeat(nowMs) {
      const speaking = [...voices.values()].filter(({ silent }) => !silent);
      for (const voice of speaking) {
        for (const { statement, toldAtMs, withdrawn } of [...voice.said.values()]) {
          if (!withdrawn && nowMs - toldAtMs >= REFRESH_MS) tell(voice, statement, false, nowMs);
        }
      }
      return speaking.map(vantageRecord);
    },
    answer(vantage, since, nowMs) {
      const voice = voices.get(vantage);
      return voice === undefined || voice.silent ? [] : missingSince(voice, since, nowMs);
    },
    all(vantage, nowMs) {
      const voice = voices.get(vantage);
      return [...(voice?.said.values() ?? [])].map((said) => statementRecord(said, voice!, nowMs));
    },
    vantages: () => [...voices].flatMap(([name, { silent }]) => (silent ? [] : [name])),
    outlive(vantage, heard) {
      const voice = voices.get(vantage);
      if (voice !== undefined && heard >= voice.incarnation) voice.incarnation = heard + 1;
    },
  };
}

/** Numbers the statement and keeps it, in the order of numbers. */
function say(voice: Voice, statement: Statement, withdrawn: boolean, nowMs: number): Said {
  const { key } = statement;
  const before = voice.said.get(key);
  if (before !== undefined && !before.withdrawn) voice.digest ^= statementHash(key, before.seq);
  voice.seq += 1;
  const said = { statement, seq: voice.seq, withdrawn, toldAtMs: nowMs };
  if (!withdrawn) voice.digest ^= statementHash(key, said.seq);
  voice.said.delete(key);
  voice.said.set(key, said);
  return said;
}

function missingSince(voice: Voice, since: number, nowMs: number): readonly WireRecord[] {
  const missing = [...voice.said.values()].filter(({ seq }) => seq > since);
  const part = missing.slice(0, RESEND_RECORDS_MAX);
  const through = part.length === missing.length ? voice.seq : part.at(-1)!.seq;
  return [
    ...part.map((said) => statementRecord(said, voice, nowMs)),
    { kind: 'through', vantage: voice.word.vantage, since, through },
  ];
}

/** The oldest go first: they are at the front. */
function forgetWithdrawn(said: Map<string, Said>): void {
  const withdrawn = [...said].filter(([, each]) => each.withdrawn);
  for (const [key] of withdrawn.slice(0, Math.max(0, withdrawn.length - WITHDRAWN_MAX))) {
    said.delete(key);
  }
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

function vantageRecord({ digest, incarnation, seq, word }: Voice): VantageRecord {
  const { group, reason, trusted, vantage } = word;
  return {
    kind: 'vantage',
    vantage,
    group,
    incarnation,
    seq,
    digest: digest >>> 0,
    trusted,
    reason,
  };
}

function statementRecord(
  { seq, statement, withdrawn }: Said,
  { incarnation }: Voice,
  nowMs: number,
): StatementRecord {
  const {
    failing,
    key,
    leaseMs,
    reason,
    recent,
    secondsToChange,
    sinceMs,
    slow,
    vantage,
    verdict,
  } = statement;
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
    // Signs of life renew it, and they come no more often than that.
    leaseMs: Math.max(leaseMs, LEASE_HEARTBEATS * HEARTBEAT_MS),
    secondsToChange,
    sinceAgeMs: Math.max(0, nowMs - sinceMs),
    reason,
    last: {
      ageMs: last === undefined ? 0 : Math.max(0, nowMs - last.atMs),
      ok: last?.ok ?? false,
      rttMs: last?.rttMs ?? 0,
      reason: last?.reason ?? '',
    },
  };
}

/** Signs of life that may be lost before a vantage point counts as silent. */
const LEASE_HEARTBEATS = 3;
