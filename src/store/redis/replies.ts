import type { Entry, LogEntry } from '../store.ts';
import { parseRaw } from './notice.ts';

/**
 * Replies of the scripts, read with distrust: the server may be no Redis, or another program may have
 * written to our keys. What makes no sense as a whole is an error, an entry that does not is left out.
 */

export type Page = {
  readonly entries: readonly Entry[];
  readonly last: number;
  /** The key to go on after; undefined when this was the last page. */
  readonly next: string | undefined;
};

export function parsePage(reply: unknown): Page {
  const words = listOf(reply);
  const last = numberOf(words[0]);
  const entries: Entry[] = [];
  for (let place = 2; place + 1 < words.length; place += 2) {
    const entry = parseEntry(String(words[place]), words[place + 1]);
    if (entry) entries.push(entry);
  }
  const hasMore = words[1] === '1' && words.length >= 4;
  return { entries, last, next: hasMore ? String(words[words.length - 2]) : undefined };
}

export function parseEntry(key: string, raw: unknown): Entry | undefined {
  const parsed = typeof raw === 'string' ? parseRaw(raw) : undefined;
  return parsed && { key, value: parsed.value, version: parsed.version };
}

export function parseWritten(reply: unknown): { readonly ok: boolean; readonly version: number } {
  const words = listOf(reply);
  return { ok: numberOf(words[0]) === 1, version: numberOf(words[1]) };
}

/** Versions by key, of those that have one. */
export function parseDeletions(
  keys: readonly string[],
  reply: unknown,
): readonly (readonly [string, number])[] {
  const words = listOf(reply);
  return keys.map((key, place) => [key, numberOf(words[place])] as const);
}

export type Tick = {
  /** The newest version in the store. */
  readonly last: number;
  /** Until the next lease runs out; undefined when there is none. */
  readonly dueMs: number | undefined;
  readonly serverMs: number;
};

export function parseTick(reply: unknown): Tick {
  const [last, due, serverUs] = listOf(reply);
  return {
    last: numberOf(last),
    dueMs: due === '-' ? undefined : numberOf(due),
    serverMs: numberOf(serverUs) / 1000,
  };
}

/** What XRANGE gives: ids, which begin with the time in ms, each with its fields. */
export function parseLog(reply: unknown): readonly LogEntry[] {
  const entries: LogEntry[] = [];
  for (const item of listOf(reply)) {
    const [id, fields] = Array.isArray(item) ? item : [];
    const [name, value] = Array.isArray(fields) ? fields : [];
    const atMs = Number(/^([0-9]{1,16})-/.exec(String(id))?.[1]);
    if (name !== 'value' || typeof value !== 'string' || !Number.isSafeInteger(atMs)) continue;
    entries.push({ id: String(id), atMs, value });
  }
  return entries;
}

function listOf(reply: unknown): readonly unknown[] {
  if (Array.isArray(reply)) return reply;
  throw new Error('the store answered nonsense');
}

function numberOf(word: unknown): number {
  const number = typeof word === 'number' || typeof word === 'string' ? Number(word) : Number.NaN;
  if (!Number.isSafeInteger(number) || number < 0) throw new Error('the store answered nonsense');
  return number;
}
