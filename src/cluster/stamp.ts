/**
 * Stamps: which of two words about the same thing is the later one. A hybrid logical clock: the time
 * of the cluster's clock, a counter for words within one millisecond, the node's name so that no two
 * are equal. A node never stamps below what it has seen, so "after" holds even where clocks do not
 * agree. Stamps are kept and compared as text, which sorts as they do.
 *
 * Three kinds, each below the next:
 * - `created`: of several first values the *earliest* wins, so that a node that finds an emptied
 *   store and makes a secret anew loses against those who still hold the old one;
 * - `revised`: ordered by revision number, whatever any clock says;
 * - `written`: the latest wins.
 */
export type Stamp = {
  readonly kind: StampKind;
  /** For `revised`: the revision; 0 otherwise. */
  readonly revision: number;
  /** Milliseconds of the cluster's clock. */
  readonly ms: number;
  readonly counter: number;
  readonly node: string;
  /**
   * How often the same word was put in another form (sealed with another key): newer than the word as
   * it was, older than every later word.
   */
  readonly form: number;
};

export type StampKind = 'created' | 'revised' | 'written';

/** A stamp further ahead than this is refused: one broken clock must not have the last word for ever. */
export const STAMP_AHEAD_MAX_MS = 24 * 3600_000;
/** Revisions and milliseconds have 15 digits: until the year 33658. */
export const STAMP_NUMBER_MAX = 999_999_999_999_999;
const COUNTER_MAX = 999_999;
const FORM_MAX = 999;
const NODE_LENGTH_MAX = 253;
const FORMAT =
  /^([crw])([0-9]{15})\.([0-9]{15})\.([0-9]{6})@([\x21-\x3f\x41-\x7d]{1,253})~([0-9]{3})$/;
const LETTERS = { created: 'c', revised: 'r', written: 'w' } as const;
const KINDS = { c: 'created', r: 'revised', w: 'written' } as const;

/** Makes the stamps of one node; it remembers the latest time that it has given or seen. */
export type StampSource = {
  /**
   * The stamp of a word spoken now.
   * @param over the stamp of what it replaces: the new one is later, whatever the clock says
   */
  written(nowMs: number, over?: string): string;
  /** The stamp of a first value: beaten by earlier first values and by everything written. */
  created(nowMs: number): string;
  revised(revision: number, nowMs: number): string;
  /** Takes note of an accepted stamp: what is stamped after it is later. */
  observe(text: string): void;
};

/** @param node the node's name; characters that a stamp cannot hold become `_` */
export function createStampSource(node: string): StampSource {
  const name = node.replaceAll(/[^\x21-\x3f\x41-\x7d]/g, '_').slice(0, NODE_LENGTH_MAX) || '_';
  let last = { ms: 0, counter: -1 };
  const advance = (ms: number, counter: number): void => {
    if (ms > last.ms || (ms === last.ms && counter > last.counter)) last = { ms, counter };
  };
  const tick = (nowMs: number): { readonly ms: number; readonly counter: number } => {
    const ms = Math.max(0, Math.floor(nowMs));
    if (ms > last.ms) last = { ms, counter: 0 };
    else if (last.counter < COUNTER_MAX) last = { ms: last.ms, counter: last.counter + 1 };
    else last = { ms: last.ms + 1, counter: 0 };
    return last;
  };
  const stamp = (kind: StampKind, revision: number, nowMs: number): string =>
    formatStamp({ kind, revision, ...tick(nowMs), node: name, form: 0 });
  return {
    written(nowMs, over) {
      const before = over === undefined ? undefined : parseStamp(over);
      if (before?.kind !== 'written') return stamp('written', 0, nowMs);
      if (before.ms > nowMs + STAMP_AHEAD_MAX_MS) return justAbove(before, name);
      advance(before.ms, before.counter);
      return stamp('written', 0, nowMs);
    },
    created: (nowMs) => stamp('created', 0, nowMs),
    revised: (revision, nowMs) => stamp('revised', revision, nowMs),
    observe(text) {
      const seen = parseStamp(text);
      if (seen) advance(seen.ms, seen.counter);
    },
  };
}

/** Overrules a word that is too far ahead, and that word only: the source's own time stays behind. */
function justAbove({ ms, counter }: Stamp, node: string): string {
  const next = counter < COUNTER_MAX ? { ms, counter: counter + 1 } : { ms: ms + 1, counter: 0 };
  return formatStamp({ kind: 'written', revision: 0, ...next, node, form: 0 });
}

/** Negative when `a` is the earlier word. */
export function compareStamps(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Why a stamp is not accepted at this time; undefined when it is. */
export function stampProblem(text: string, nowMs: number): string | undefined {
  const stamp = parseStamp(text);
  if (stamp === undefined) return 'it has no stamp';
  const aheadMs = stamp.ms - nowMs;
  if (aheadMs <= STAMP_AHEAD_MAX_MS) return undefined;
  const hours = Math.round(aheadMs / 3600_000);
  return `its stamp, of node ${stamp.node}, is ${hours} hours ahead of the clock here`;
}

/** The stamp of the same word in its next form; undefined when it has had too many. */
export function reformed(text: string): string | undefined {
  const stamp = parseStamp(text);
  if (stamp === undefined || stamp.form >= FORM_MAX) return undefined;
  return formatStamp({ ...stamp, form: stamp.form + 1 });
}

export function formatStamp({ kind, revision, ms, counter, node, form }: Stamp): string {
  const rank = kind === 'created' ? STAMP_NUMBER_MAX - ms : revision;
  const digits = (value: number, width: number): string => String(value).padStart(width, '0');
  return `${LETTERS[kind]}${digits(rank, 15)}.${digits(ms, 15)}.${digits(counter, 6)}@${node}~${digits(form, 3)}`;
}

/** Undefined for everything that `formatStamp` does not give. */
export function parseStamp(text: string): Stamp | undefined {
  const match = FORMAT.exec(text);
  if (!match) return undefined;
  const [, letter, rankText, msText, counterText, node, formText] = match;
  const kind = KINDS[letter as keyof typeof KINDS];
  const [rank, ms] = [Number(rankText), Number(msText)];
  if (kind === 'created' && rank !== STAMP_NUMBER_MAX - ms) return undefined;
  if (kind === 'written' && rank !== 0) return undefined;
  const revision = kind === 'revised' ? rank : 0;
  return { kind, revision, ms, counter: Number(counterText), node: node!, form: Number(formText) };
}
