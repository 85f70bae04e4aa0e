/**
 * The health of all endpoints, as a nameserver serves it: one word each, and the few exceptions: how
 * clients near a region see an endpoint when that is not how the world sees it. A region cut off from
 * Europe loses European clients only; most of the time there are no exceptions at all.
 */
export type HealthWords = {
  /** By endpoint. */
  readonly words: Uint32Array;
  /** Triples of client region, endpoint, word; client regions are indexes of the snapshot's regions. */
  readonly exceptions: Uint32Array;
};

/** The word of an endpoint for clients near a region (`NOWHERE` for those near none). */
export type WordOf = (endpoint: number, near: number) => number;

/** Clients whose place is not known, or that their policy does not tell apart by place. */
export const NOWHERE = -1;

export const NO_HEALTH: HealthWords = {
  words: new Uint32Array(0),
  exceptions: new Uint32Array(0),
};

const TRIPLE = 3;

/** Looks words up; an endpoint without one counts as up. */
export function wordOf({ words, exceptions }: HealthWords): WordOf {
  if (exceptions.length === 0) return (endpoint) => words[endpoint] ?? 0;
  const byPair = new Map<number, number>();
  for (const { near, endpoint, word } of readExceptions(exceptions)) {
    byPair.set(pairOf(near, endpoint), word);
  }
  return (endpoint, near) => byPair.get(pairOf(near, endpoint)) ?? words[endpoint] ?? 0;
}

/** Different for different pairs, also with NOWHERE; endpoints are fewer than 2^32. */
const pairOf = (near: number, endpoint: number): number => near * 2 ** 32 + endpoint;

export type HealthException = {
  readonly near: number;
  readonly endpoint: number;
  readonly word: number;
};

export function readExceptions(exceptions: Uint32Array): readonly HealthException[] {
  const read: HealthException[] = [];
  for (let at = 0; at + TRIPLE <= exceptions.length; at += TRIPLE) {
    read.push({
      near: exceptions[at]!,
      endpoint: exceptions[at + 1]!,
      word: exceptions[at + 2]!,
    });
  }
  return read;
}

export function writeExceptions(exceptions: readonly HealthException[]): Uint32Array {
  return Uint32Array.from(exceptions.flatMap(({ near, endpoint, word }) => [near, endpoint, word]));
}

/** Endpoints whose word differs for anybody between two states. */
export function changedEndpoints(before: HealthWords, after: HealthWords): ReadonlySet<number> {
  const changed = new Set<number>();
  const count = Math.max(before.words.length, after.words.length);
  for (let endpoint = 0; endpoint < count; endpoint += 1) {
    if (before.words[endpoint] !== after.words[endpoint]) changed.add(endpoint);
  }
  if (before.exceptions.length + after.exceptions.length === 0) return changed;
  const text = ({ near, endpoint, word }: HealthException): string => `${near} ${endpoint} ${word}`;
  const [old, now] = [readExceptions(before.exceptions), readExceptions(after.exceptions)];
  const [oldTexts, nowTexts] = [new Set(old.map(text)), new Set(now.map(text))];
  for (const each of old) if (!nowTexts.has(text(each))) changed.add(each.endpoint);
  for (const each of now) if (!oldTexts.has(text(each))) changed.add(each.endpoint);
  return changed;
}
