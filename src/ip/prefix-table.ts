/**
 * Address -> value and scope, for the query path: immutable, on shared memory, no allocation.
 *
 * The first 16 bits of an address choose a bucket of ranges, and halving does the rest. In IPv6, where
 * most ranges lie in a few /16s, as many of the next 16 bits as a bucket has use for choose one of its
 * cells first, and where many ranges are in one cell, as thousands are in some /32s, the 16 bits behind
 * those choose a cell of an inner bucket. In IPv4 cells do not pay. Starts are kept as signed integers with the sign flipped,
 * which order like the unsigned addresses: an address above 2^31 as an unsigned number would be a heap
 * object wherever a call is not inlined.
 *
 * The scope, the widest network around the address in which every address has its value, needs no tree:
 * the range that holds the address is as wide as equal values go (neighbours differ, see ranges.ts), so a
 * network is homogeneous exactly when it reaches neither the last address before the range nor the first
 * one after it; that is, when it is longer than the prefixes that the address has in common with those two.
 * A border that no scope may cross is a range that ends there although the next one has the same value.
 *
 * IPv6 addresses that carry an IPv4 address are answered by it: IPv4-mapped ::ffff:0:0/96 (RFC 4291),
 * NAT64's 64:ff9b::/96 (RFC 6052), 6to4's 2002::/16 (RFC 3056). Teredo is not among them: its client
 * address is in the last bits, which no resolver sends.
 */
import { type Address, addressToUint32, bytesToInt32 } from './address.ts';
import { type Prefix, parsePrefix } from './prefix.ts';
import {
  combineRanges,
  MAX_RANGE_VALUE,
  overlayPrefixes,
  type Ranges,
  uniformRanges,
} from './ranges.ts';

/** Structured-cloneable; a clone shares the memory. Made by buildPrefixTable, read by look-ups only. */
export type PrefixTable = {
  /** First address of each range, sign flipped, and its value beside it: in one line of memory. */
  readonly ranges4: Int32Array;
  /** By the first 16 bits: the range that holds the first such address; one more entry at the end. */
  readonly index4: Uint32Array;
  /** Likewise, first addresses in four words. */
  readonly ranges6: Int32Array;
  /**
   * By the first 16 bits: number of the first cell, and how far to shift the next 16 bits. Then inner
   * buckets, for the 16 bits behind those that chose the cell.
   */
  readonly buckets6: Uint32Array;
  /**
   * For each cell the range that holds its first address, or ~ an inner bucket; one more entry at the
   * end, and at the end of each inner bucket.
   */
  readonly cells6: Int32Array;
  /** Whether embedded IPv4 addresses decide; false when all IPv4 space has one value. */
  readonly folds: boolean;
};

const BUCKETS = 2 ** 16;
const BITS_AFTER_BUCKET = 16;
/** A cell is worth its entry from about this many ranges on. */
const RANGES_PER_CELL = 4;
/** A cell with more of them has an inner bucket. */
const CELL_RANGES_MAX = 32;
/** A bucket's entry: the shift in the lowest five bits, the cell above. */
const SHIFT_BITS = 5;
const SHIFT_MASK = 2 ** SHIFT_BITS - 1;
/** Words of a range. */
const WORDS4 = 2;
const WORDS6 = 5;
const VALUE4 = 1;
const VALUE6 = 4;
const SIGN = -0x80000000;
const SCOPE_BITS = 8;
const SCOPE_MASK = 2 ** SCOPE_BITS - 1;
/** IPv6 networks whose addresses carry an IPv4 address, which is looked up instead. */
export const FOLDED_NETWORKS = ['::ffff:0:0/96', '64:ff9b::/96', '2002::/16'] as const;
const SIX_TO_FOUR = 0x2002;
const NAT64 = 0x0064ff9b;
/** Marks a value inside a border while ranges merge; above every value and the one of folded networks. */
const INSIDE = 2 * MAX_RANGE_VALUE;

/**
 * The table of these ranges. No scope reaches from the outside into one of the networks `borders`, or
 * from the inside out, unless all addresses have one value. Values above MAX_RANGE_VALUE are a bug and
 * throw.
 */
export function buildPrefixTable(ranges: Ranges, borders: readonly Prefix[] = []): PrefixTable {
  for (const values of [ranges.values4, ranges.values6]) {
    for (const value of values) {
      if (value > MAX_RANGE_VALUE) throw new RangeError(`range value ${value} is too large`);
    }
  }
  const kept = isUniform(ranges) ? [] : borders;
  const folds = ranges.values4.length > 1 || kept.length > 0;
  const cut = cutAt(withFoldedNetworks(ranges, folds), kept);
  return {
    ranges4: interleave(cut.starts4, cut.values4),
    index4: buildIndex4(cut.starts4),
    ranges6: interleave(cut.starts6, cut.values6),
    ...buildIndex6(cut.starts6),
    folds,
  };
}

/**
 * Value and scope (0 to 32) of an IPv4 address given as a 32-bit number; see rangeValueOf and scopeOf.
 * Signed and unsigned numbers do alike; the signed one (`| 0`) is never a heap object.
 */
export function lookup4({ index4, ranges4 }: PrefixTable, address: number): number {
  const key = address ^ SIGN;
  const bucket = address >>> 16;
  let low = index4[bucket]!;
  let high = index4[bucket + 1]!;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (ranges4[middle * WORDS4]! <= key) low = middle;
    else high = middle - 1;
  }
  const at = low * WORDS4;
  let scope = 0;
  if (low > 0) scope = Math.clz32(key ^ (ranges4[at]! - 1)) + 1;
  if (at + WORDS4 < ranges4.length) {
    const after = Math.clz32(key ^ ranges4[at + WORDS4]!) + 1;
    if (after > scope) scope = after;
  }
  return (ranges4[at + VALUE4]! << SCOPE_BITS) | scope;
}

/** Value and scope (0 to 128) of the IPv6 address in the sixteen bytes at `offset`. */
export function lookup6(table: PrefixTable, bytes: Uint8Array, offset: number): number {
  const word0 = bytesToInt32(bytes, offset);
  const word1 = bytesToInt32(bytes, offset + 4);
  const word2 = bytesToInt32(bytes, offset + 8);
  const word3 = bytesToInt32(bytes, offset + 12);
  if (table.folds) {
    if (word0 >>> 16 === SIX_TO_FOUR) return lookup4(table, (word0 << 16) | (word1 >>> 16)) + 16;
    if (word1 === 0) {
      const folded = word0 === 0 ? word2 === 0xffff : word0 === NAT64 && word2 === 0;
      if (folded) return lookup4(table, word3) + 96;
    }
  }
  const { cells6, ranges6 } = table;
  const key0 = word0 ^ SIGN;
  const key1 = word1 ^ SIGN;
  const key2 = word2 ^ SIGN;
  const key3 = word3 ^ SIGN;
  let cell = firstCell6(table, word0);
  if (cells6[cell]! < 0) cell = innerCell6(table, cell, word0, word1);
  let low = cells6[cell]!;
  let high = endOfCell6(table, cell);
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (startsAfter(ranges6, middle * WORDS6, key0, key1, key2, key3)) high = middle - 1;
    else low = middle;
  }
  const at = low * WORDS6;
  let scope = 0;
  if (low > 0) scope = commonBitsBefore(ranges6, at, key0, key1, key2, key3) + 1;
  const next = at + WORDS6;
  if (next < ranges6.length) {
    const after =
      commonBits(
        ranges6[next]! ^ key0,
        ranges6[next + 1]! ^ key1,
        ranges6[next + 2]! ^ key2,
        ranges6[next + 3]! ^ key3,
      ) + 1;
    if (after > scope) scope = after;
  }
  return (ranges6[at + VALUE6]! << SCOPE_BITS) | scope;
}

/** The cell of a bucket that these first 32 bits of an IPv6 address choose. */
export function firstCell6({ buckets6 }: PrefixTable, word0: number): number {
  const bucket = buckets6[word0 >>> 16]!;
  return (bucket >>> SHIFT_BITS) + ((word0 & 0xffff) >>> (bucket & SHIFT_MASK));
}

/** The cell of an inner bucket, where the first one has many ranges. */
export function innerCell6(
  { buckets6, cells6 }: PrefixTable,
  cell: number,
  word0: number,
  word1: number,
): number {
  const inner = buckets6[~cells6[cell]!]!;
  const window = windowOf(word0, word1, buckets6[word0 >>> 16]! & SHIFT_MASK);
  return (inner >>> SHIFT_BITS) + (window >>> (inner & SHIFT_MASK));
}

/** The range that holds the last address of a cell, or of the first one behind it. */
function endOfCell6({ buckets6, cells6 }: PrefixTable, cell: number): number {
  const next = cells6[cell + 1]!;
  // The next cell's first address is that of its inner bucket.
  return next < 0 ? cells6[buckets6[~next]! >>> SHIFT_BITS]! : next;
}

/** Where the first range stands that halving looks at, between these two. */
export const middle4 = (low: number, high: number): number => ((low + high + 1) >>> 1) * WORDS4;

/** Likewise, in a cell that has no inner bucket. */
export const middle6 = (table: PrefixTable, cell: number): number =>
  ((table.cells6[cell]! + endOfCell6(table, cell) + 1) >>> 1) * WORDS6;

/** Either family, for code that is not in a hurry. */
export function lookupAddress(table: PrefixTable, address: Address): number {
  return address.family === 4
    ? lookup4(table, addressToUint32(address))
    : lookup6(table, address.bytes, 0);
}

/** The value in what a look-up returned. */
export function rangeValueOf(result: number): number {
  return result >> SCOPE_BITS;
}

/** The prefix length in what a look-up returned. */
export function scopeOf(result: number): number {
  return result & SCOPE_MASK;
}

/**
 * The IPv6 ranges with boundaries at the networks that look-ups answer from IPv4 space, so that the
 * scope of an address beside such a network never reaches into it. The value there is never read, but
 * it must differ from every neighbour's; when all IPv4 space has one value, that value is simply true.
 */
function withFoldedNetworks(ranges: Ranges, folds: boolean): Ranges {
  const value = folds ? MAX_RANGE_VALUE + 1 : ranges.values4[0]!;
  const overlays = FOLDED_NETWORKS.map((text) => ({ prefix: parsePrefix(text)!, value }));
  return overlayPrefixes(ranges, overlays);
}

/** The ranges, ending also where a border is. */
function cutAt(ranges: Ranges, borders: readonly Prefix[]): Ranges {
  if (borders.length === 0) return ranges;
  const inside = overlayPrefixes(
    uniformRanges(0),
    borders.map((prefix) => ({ prefix, value: INSIDE })),
  );
  const cut = combineRanges(ranges, inside, (value, mark) => value + mark);
  for (const values of [cut.values4, cut.values6]) {
    for (let i = 0; i < values.length; i++) values[i] = values[i]! % INSIDE;
  }
  return cut;
}

function isUniform({ values4, values6 }: Ranges): boolean {
  return values4.length === 1 && values6.length === 1 && values4[0] === values6[0];
}

/** Each start, its sign flipped, and then its value. */
function interleave(starts: Uint32Array, values: Uint32Array): Int32Array {
  const words = starts.length / values.length;
  const ranges = new Int32Array(new SharedArrayBuffer((starts.length + values.length) * 4));
  let at = 0;
  for (let range = 0; range < values.length; range++) {
    for (let word = 0; word < words; word++) ranges[at++] = starts[range * words + word]! ^ SIGN;
    ranges[at++] = values[range]!;
  }
  return ranges;
}

function buildIndex4(starts: Uint32Array): Uint32Array {
  const index = new Uint32Array(new SharedArrayBuffer((BUCKETS + 1) * 4));
  let range = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    while (range + 1 < starts.length && starts[range + 1]! <= bucket * 2 ** 16) range++;
    index[bucket] = range;
  }
  index[BUCKETS] = starts.length - 1;
  return index;
}

/** The 16 bits behind a cell's, where `shift` of the first 32 are not the cell's. */
function windowOf(word0: number, word1: number, shift: number): number {
  // Two steps: 32 at once would be none.
  return (
    ((word0 << (BITS_AFTER_BUCKET - shift)) & 0xffff) |
    ((word1 >>> 1) >>> (BITS_AFTER_BUCKET - 1 + shift))
  );
}

function buildIndex6(starts: Uint32Array): { buckets6: Uint32Array; cells6: Int32Array } {
  const count = starts.length / 4;
  const rangesIn = new Uint32Array(BUCKETS);
  for (let i = 0; i < count; i++) rangesIn[starts[i * 4]! >>> 16]!++;
  const index: Index6 = { starts, buckets: [], cells: [] };
  let range = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    range = splitBucket(index, range, rangesIn[bucket]!, bucket * 2 ** 16, BITS_AFTER_BUCKET);
  }
  index.cells.push(count - 1);
  splitDenseCells(index);
  return {
    buckets6: shareWords(Uint32Array, index.buckets),
    cells6: shareWords(Int32Array, index.cells),
  };
}

type Index6 = {
  readonly starts: Uint32Array;
  readonly buckets: number[];
  readonly cells: number[];
};

/**
 * Splits a bucket into a power of two of cells, by the number of ranges that start in it.
 * @param range the one that holds its first address
 * @param first the first word of that address
 * @param below how many bits of that word are the bucket's to choose by; the others are in the next word
 * @returns the range that holds the first address of its last cell
 */
function splitBucket(
  { buckets, cells, starts }: Index6,
  range: number,
  ranges: number,
  first: number,
  below: number,
): number {
  const last = starts.length / 4 - 1;
  const bits = Math.min(BITS_AFTER_BUCKET, 32 - Math.clz32(ranges / RANGES_PER_CELL));
  const shift = BITS_AFTER_BUCKET - bits;
  buckets.push((cells.length << SHIFT_BITS) | shift);
  let held = range;
  for (let cell = 0; cell < 2 ** bits; cell++) {
    const window = (cell << shift) * 2 ** below;
    const word0 = first + Math.floor(window / 2 ** BITS_AFTER_BUCKET);
    const word1 = (window % 2 ** BITS_AFTER_BUCKET) * 2 ** BITS_AFTER_BUCKET;
    while (held < last && startsUpTo(starts, (held + 1) * 4, word0, word1)) held++;
    cells.push(held);
  }
  return held;
}

/** Gives those an inner bucket that halving would be long in. */
function splitDenseCells(index: Index6): void {
  const { buckets, cells } = index;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const shift = buckets[bucket]! & SHIFT_MASK;
    const firstCell = buckets[bucket]! >>> SHIFT_BITS;
    for (let i = 0; i < 2 ** (BITS_AFTER_BUCKET - shift); i++) {
      const from = cells[firstCell + i]!;
      const to = cells[firstCell + i + 1]!;
      if (to - from <= CELL_RANGES_MAX) continue;
      cells[firstCell + i] = ~buckets.length;
      splitBucket(index, from, to - from, bucket * 2 ** 16 + i * 2 ** shift, shift);
      cells.push(to);
    }
  }
}
/** Whether a start is at or before the address of these two words and two zeros. */
function startsUpTo(starts: Uint32Array, at: number, word0: number, word1: number): boolean {
  if (starts[at]! !== word0) return starts[at]! < word0;
  if (starts[at + 1]! !== word1) return starts[at + 1]! < word1;
  return (starts[at + 2]! | starts[at + 3]!) === 0;
}

function shareWords<Words extends Int32Array | Uint32Array>(
  make: new (memory: SharedArrayBuffer) => Words,
  from: readonly number[],
): Words {
  const words = new make(new SharedArrayBuffer(from.length * 4));
  words.set(from);
  return words;
}

function startsAfter(
  starts: Int32Array,
  at: number,
  key0: number,
  key1: number,
  key2: number,
  key3: number,
): boolean {
  const start0 = starts[at]!;
  if (start0 !== key0) return start0 > key0;
  const start1 = starts[at + 1]!;
  if (start1 !== key1) return start1 > key1;
  const start2 = starts[at + 2]!;
  if (start2 !== key2) return start2 > key2;
  return starts[at + 3]! > key3;
}

/** The number of leading bits that the address shares with the last one before a start. */
function commonBitsBefore(
  starts: Int32Array,
  at: number,
  key0: number,
  key1: number,
  key2: number,
  key3: number,
): number {
  const start0 = starts[at]!;
  const start1 = starts[at + 1]!;
  const start2 = starts[at + 2]!;
  const start3 = starts[at + 3]!;
  // One less, with borrows; a flipped zero is SIGN, and SIGN - 1 wraps to a flipped -1 under `^`.
  const borrow2 = start3 === SIGN;
  const borrow1 = borrow2 && start2 === SIGN;
  const borrow0 = borrow1 && start1 === SIGN;
  return commonBits(
    (borrow0 ? start0 - 1 : start0) ^ key0,
    (borrow1 ? start1 - 1 : start1) ^ key1,
    (borrow2 ? start2 - 1 : start2) ^ key2,
    (start3 - 1) ^ key3,
  );
}

/** Leading zeros of 128 bits, which are never all zero here. */
function commonBits(word0: number, word1: number, word2: number, word3: number): number {
  if (word0 !== 0) return Math.clz32(word0);
  if (word1 !== 0) return 32 + Math.clz32(word1);
  if (word2 !== 0) return 64 + Math.clz32(word2);
  return 96 + Math.clz32(word3);
}
