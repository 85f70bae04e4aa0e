/**
 * How many networks ranges are: the fewest that they can be parted into. They are counted without being looked at:
 * a range is parted where its first address and the one behind it differ first, and on either side each network
 * stands for a bit of what is left to that place.
 */
import type { PrefixTable } from './prefix-table.ts';
import type { Ranges } from './ranges.ts';

const WORD_BITS = 32;
const TABLE_SIGN = -0x80000000;

/** Ranges in the order of addresses. */
type Rows = {
  readonly words: Int32Array | Uint32Array;
  /** Of an address. */
  readonly width: 1 | 4;
  /** From the first word of one range to that of the next. */
  readonly stride: number;
  /** What the words of addresses are combined with by exclusive or. */
  readonly flip: number;
  valueAt(range: number): number;
};

/**
 * By value, the networks that scopes name: the widest around each address in which all have one value
 * (prefix-table.ts). They are what resolvers keep apart. IPv6 addresses that carry an IPv4 address are not counted.
 * @param values only those below are counted
 */
export function scopeCounts({ ranges4, ranges6 }: PrefixTable, values: number) {
  const rowsOf = (words: Int32Array, width: 1 | 4): Rows => ({
    ...{ words, width, stride: width + 1, flip: TABLE_SIGN },
    valueAt: (range) => words[range * (width + 1) + width]!,
  });
  return {
    ipv4: countNetworks(rowsOf(ranges4, 1), values),
    ipv6: countNetworks(rowsOf(ranges6, 4), values),
  };
}

/** By value, the fewest IPv6 networks that its ranges are. */
export function networkCounts6({ starts6, values6 }: Ranges): Float64Array {
  const most = values6.reduce((largest, value) => Math.max(largest, value), 0);
  const valueAt = (range: number): number => values6[range]!;
  return countNetworks({ words: starts6, width: 4, stride: 4, flip: 0, valueAt }, most + 1);
}

function countNetworks(rows: Rows, values: number): Float64Array {
  const counts = new Float64Array(values);
  for (let range = 0; range * rows.stride < rows.words.length; range += 1) {
    const value = rows.valueAt(range);
    if (value < values) counts[value]! += networksIn(rows, range * rows.stride);
  }
  return counts;
}

function networksIn(rows: Rows, at: number): number {
  const { stride, width, words } = rows;
  const next = at + stride;
  const isLast = next >= words.length;
  /** The last bit has the number 0; the end of the space differs before the first. */
  const parting = isLast ? width * WORD_BITS : highestDifference(rows, at, next);
  const inEnd = isLast ? 0 : bitsBelow(rows, next, parting);
  const inStart = bitsBelow(rows, at, parting);
  if (inStart === 0) return 1 + inEnd;
  return parting - lowestBit(rows, at) - inStart + 1 + inEnd;
}

/** The number of the highest bit in which two addresses differ. */
function highestDifference({ width, words }: Rows, a: number, b: number): number {
  let word = 0;
  while (words[a + word] === words[b + word]) word += 1;
  return (width - word) * WORD_BITS - 1 - Math.clz32(words[a + word]! ^ words[b + word]!);
}

/** How many of the lowest `below` bits are set. */
function bitsBelow({ flip, width, words }: Rows, at: number, below: number): number {
  let count = 0;
  let word = at + width - 1;
  for (let left = below; left > 0; left -= WORD_BITS) {
    const mask = left >= WORD_BITS ? -1 : 2 ** left - 1;
    count += bitCount((words[word]! ^ flip) & mask);
    word -= 1;
  }
  return count;
}

/** The number of the lowest bit that is set; there is one. */
function lowestBit({ flip, width, words }: Rows, at: number): number {
  let word = width - 1;
  while ((words[at + word]! ^ flip) === 0) word -= 1;
  const bits = words[at + word]! ^ flip;
  return (width - 1 - word) * WORD_BITS + (WORD_BITS - 1 - Math.clz32(bits & -bits));
}

/** Warren, Hacker's Delight, 5-1. */
function bitCount(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
