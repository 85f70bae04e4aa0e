/**
 * The slots of a plan as those need them who answer: the class of a client is looked up when its answer is decided. It is
 * memory that threads share, so that a flip of health, which it goes with, costs nothing more.
 *
 * Two columns of slots: as it is, and as it would be without the regions that are returning, for those of the clients
 * for whom they have not returned yet (steering/decide.ts).
 */
import { SLOTS } from '../steering/slots.ts';
import { sharedWords } from '../zone/word-memory.ts';

export type SlotsTable = {
  /** Different for tables that say something different; 0 = of nothing. */
  readonly generation: number;
  readonly regions: readonly string[];
  /** Indexes of regions that are there for some of the clients only. */
  readonly returning: readonly number[];
  /** Of each class: two words of its key, slots by region, slots by region without those that return. */
  readonly words: Int32Array;
};

export type SlotsRow = {
  readonly key: string;
  /** By region. */
  readonly slots: readonly number[];
  readonly slotsWithout: readonly number[];
};

const KEY_WORDS = 2;

export function buildSlotsTable(
  generation: number,
  regions: readonly string[],
  returning: readonly number[],
  rows: readonly SlotsRow[],
): SlotsTable {
  const keyed = rows.map((row) => ({ ...row, hash: hashKey(row.key) }));
  keyed.sort((a, b) => a.hash[0] - b.hash[0] || a.hash[1] - b.hash[1]);
  const width = KEY_WORDS + 2 * regions.length;
  const words = sharedWords(keyed.length * width);
  for (const [index, { hash, slots, slotsWithout }] of keyed.entries()) {
    words.set([...hash, ...slots, ...slotsWithout], index * width);
  }
  return { generation, regions, returning, words };
}

/**
 * The share of each region (0..1) of the clients of a class, or of its square; undefined = the table knows neither.
 * @param isUsable whether the class may be answered with a region now
 */
export function sharesOf(
  { regions, returning, words }: SlotsTable,
  key: string,
  isUsable: (region: string) => boolean,
): ReadonlyMap<string, number> | undefined {
  const width = KEY_WORDS + 2 * regions.length;
  const own = rowOf(words, width, key);
  const row = own >= 0 ? own : rowOf(words, width, squareKey(key));
  if (row < 0) return undefined;
  const isBack = returning.every((region) => isUsable(regions[region]!));
  const from = row + KEY_WORDS + (isBack ? 0 : regions.length);
  const shares = new Map<string, number>();
  for (const [region, name] of regions.entries()) {
    const slots = words[from + region]!;
    if (slots > 0) shares.set(name, slots / SLOTS);
  }
  return shares;
}

/** The pool and the square of a class, without its order of regions: what all clients of one place have in common. */
export const squareKey = (key: string): string => key.split(' ', 2).join(' ');

function rowOf(words: Int32Array, width: number, key: string): number {
  const [first, second] = hashKey(key);
  let [low, high] = [0, words.length / width - 1];
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const at = middle * width;
    const order = words[at]! - first || words[at + 1]! - second;
    if (order === 0) return at;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** Two independent FNV-1a hashes of 32 bits: no two of some thousand keys have the same. */
function hashKey(key: string): readonly [number, number] {
  let [a, b] = [0x811c9dc5 | 0, 0x01000193 | 0];
  for (let at = 0; at < key.length; at += 1) {
    const code = key.charCodeAt(at);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ (code + 0x9e37), 0x5bd1e995) ^ (b >>> 15);
  }
  return [a, b];
}
