/**
 * Address -> value and scope, for the query path: immutable, on shared memory, no allocation.
 *
 * The first 16 bits of an address choose a bucket of ranges, and halving does the rest. In IPv6, where
 * most ranges lie in a few /16s, as many of the next 16 bits as a bucket has use for choose one of its
 * cells first: 390 instead of 450 ns in the densest networks, no difference elsewhere. In IPv4 cells do
 * not pay (50 to 70 ns with, 40 to 60 without). Starts are kept as signed integers with the sign flipped,
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
  /** First address of each range, sign flipped. */
  readonly starts4: Int32Array;
  readonly values4: Uint32Array;
  /** By the first 16 bits: the range that holds the first such address; one more entry at the end. */
  readonly index4: Uint32Array;
  /** Likewise in four words. */
  readonly starts6: Int32Array;
  readonly values6: Uint32Array;
  /** By the first 16 bits: number of the first cell, and how far to shift the next 16 bits. */
  readonly buckets6: Uint32Array;
  /** For each cell the range that holds its first address; one more entry at the end. */
  readonly cells6: Uint32Array;
  /** Whether embedded IPv4 addresses decide; false when all IPv4 space has one value. */
  readonly folds: boolean;
};

const BUCKETS = 2 ** 16;
const BITS_AFTER_BUCKET = 16;
/** A cell is worth its entry from about this many ranges on. */
const RANGES_PER_CELL = 4;
/** A bucket's entry: the shift in the lowest five bits, the cell above. */
const SHIFT_BITS = 5;
const SHIFT_MASK = 2 ** SHIFT_BITS - 1;
const SIGN = -0x80000000;
const SCOPE_SIZE = 256;
const FOLDED_NETWORKS = ['::ffff:0:0/96', '64:ff9b::/96', '2002::/16'] as const;
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
    starts4: flipSigns(cut.starts4),
    values4: cut.values4,
    index4: buildIndex4(cut.starts4),
    starts6: flipSigns(cut.starts6),
    values6: cut.values6,
    ...buildIndex6(cut.starts6),
    folds,
  };
}

/**
 * Value and scope (0 to 32) of an IPv4 address given as a 32-bit number; see rangeValueOf and scopeOf.
 * Signed and unsigned numbers do alike; the signed one (`| 0`) is never a heap object.
 */
export function lookup4(table: PrefixTable, address: number): number {
  const { starts4: starts, index4 } = table;
  const key = address ^ SIGN;
  const bucket = address >>> 16;
  let low = index4[bucket]!;
  let high = index4[bucket + 1]!;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (starts[middle]! <= key) low = middle;
    else high = middle - 1;
  }
  let scope = 0;
  if (low > 0) scope = Math.clz32(key ^ (starts[low]! - 1)) + 1;
  if (low + 1 < starts.length) {
    const after = Math.clz32(key ^ starts[low + 1]!) + 1;
    if (after > scope) scope = after;
  }
  return table.values4[low]! * SCOPE_SIZE + scope;
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
  const { starts6: starts, values6: values, cells6 } = table;
  const key0 = word0 ^ SIGN;
  const key1 = word1 ^ SIGN;
  const key2 = word2 ^ SIGN;
  const key3 = word3 ^ SIGN;
  const bucket = table.buckets6[word0 >>> 16]!;
  const cell = (bucket >>> SHIFT_BITS) + ((word0 & 0xffff) >>> (bucket & SHIFT_MASK));
  let low = cells6[cell]!;
  let high = cells6[cell + 1]!;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (startsAfter(starts, middle * 4, key0, key1, key2, key3)) high = middle - 1;
    else low = middle;
  }
  let scope = 0;
  if (low > 0) scope = commonBitsBefore(starts, low * 4, key0, key1, key2, key3) + 1;
  if (low + 1 < values.length) {
    const at = low * 4 + 4;
    const after =
      commonBits(
        starts[at]! ^ key0,
        starts[at + 1]! ^ key1,
        starts[at + 2]! ^ key2,
        starts[at + 3]! ^ key3,
      ) + 1;
    if (after > scope) scope = after;
  }
  return values[low]! * SCOPE_SIZE + scope;
}

/** Either family, for code that is not in a hurry. */
export function lookupAddress(table: PrefixTable, address: Address): number {
  return address.family === 4
    ? lookup4(table, addressToUint32(address))
    : lookup6(table, address.bytes, 0);
}

/** The value in what a look-up returned. */
export function rangeValueOf(result: number): number {
  return Math.floor(result / SCOPE_SIZE);
}

/** The prefix length in what a look-up returned. */
export function scopeOf(result: number): number {
  return result & (SCOPE_SIZE - 1);
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

function flipSigns(starts: Uint32Array): Int32Array {
  const flipped = new Int32Array(new SharedArrayBuffer(starts.byteLength));
  for (let i = 0; i < starts.length; i++) flipped[i] = starts[i]! ^ SIGN;
  return flipped;
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

/** Splits each bucket into a power of two of cells, by the number of ranges that start in it. */
function buildIndex6(starts: Uint32Array): { buckets6: Uint32Array; cells6: Uint32Array } {
  const count = starts.length / 4;
  const rangesIn = new Uint32Array(BUCKETS);
  for (let i = 0; i < count; i++) rangesIn[starts[i * 4]! >>> 16]!++;
  const buckets6 = new Uint32Array(new SharedArrayBuffer(BUCKETS * 4));
  let total = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const wanted = 32 - Math.clz32(rangesIn[bucket]! / RANGES_PER_CELL);
    const bits = Math.min(BITS_AFTER_BUCKET, wanted);
    buckets6[bucket] = (total << SHIFT_BITS) | (BITS_AFTER_BUCKET - bits);
    total += 2 ** bits;
  }
  const cells6 = new Uint32Array(new SharedArrayBuffer((total + 1) * 4));
  let range = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const shift = buckets6[bucket]! & SHIFT_MASK;
    const firstCell = buckets6[bucket]! >>> SHIFT_BITS;
    for (let i = 0; i < 2 ** (BITS_AFTER_BUCKET - shift); i++) {
      const first = bucket * 2 ** 16 + i * 2 ** shift;
      while (range + 1 < count && startsUpTo(starts, (range + 1) * 4, first)) range++;
      cells6[firstCell + i] = range;
    }
  }
  cells6[total] = count - 1;
  return { buckets6, cells6 };
}

/** Whether a start is at or before the address whose first word is `first` and whose others are 0. */
function startsUpTo(starts: Uint32Array, at: number, first: number): boolean {
  if (starts[at]! !== first) return starts[at]! < first;
  return (starts[at + 1]! | starts[at + 2]! | starts[at + 3]!) === 0;
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
