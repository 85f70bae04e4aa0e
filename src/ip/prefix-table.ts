/**
 * Address -> value and scope, for the query path: immutable, on shared memory, no allocation.
 *
 * A look-up takes the address's first bits into an index, which leaves a few ranges, and searches those
 * by halving. The scope, the widest network around the address in which every address has its value,
 * needs no tree: the range that holds the address is as wide as equal values go (neighbours differ, see
 * ranges.ts), so a network is homogeneous exactly when it reaches neither the last address before the
 * range nor the first one after it; that is, when it is longer than the prefixes that the address has
 * in common with those two.
 *
 * IPv6 addresses that carry an IPv4 address are answered by it: IPv4-mapped ::ffff:0:0/96 (RFC 4291),
 * NAT64's 64:ff9b::/96 (RFC 6052), 6to4's 2002::/16 (RFC 3056). Teredo is not among them: its client
 * address is in the last bits, which no resolver sends.
 */
import { type Address, addressToUint32, bytesToUint32 } from './address.ts';
import { parsePrefix } from './prefix.ts';
import { MAX_RANGE_VALUE, overlayPrefixes, type Ranges } from './ranges.ts';

/** Structured-cloneable; a clone shares the memory. */
export type PrefixTable = {
  readonly starts4: Uint32Array;
  readonly values4: Uint32Array;
  /** By the first 16 bits: the range that holds the first such address; one more entry at the end. */
  readonly index4: Uint32Array;
  readonly starts6: Uint32Array;
  readonly values6: Uint32Array;
  /** Likewise by the first 32 - `shift6` bits. */
  readonly index6: Uint32Array;
  readonly shift6: number;
  /** Whether embedded IPv4 addresses decide; false when all IPv4 space has one value. */
  readonly folds: boolean;
};

const INDEX_BITS_4 = 16;
const LEAST_INDEX_BITS_6 = 12;
const MOST_INDEX_BITS_6 = 20;
const SCOPE_SIZE = 256;
const FOLDED_NETWORKS = ['::ffff:0:0/96', '64:ff9b::/96', '2002::/16'] as const;
const SIX_TO_FOUR = 0x2002;
const NAT64 = 0x0064ff9b;

/** The table of these ranges. Values above MAX_RANGE_VALUE are a bug and throw. */
export function buildPrefixTable(ranges: Ranges): PrefixTable {
  const { starts4, values4 } = ranges;
  const folds = values4.length > 1;
  const six = withFoldedNetworks(ranges, folds);
  for (const values of [values4, ranges.values6]) {
    for (const value of values) {
      if (value > MAX_RANGE_VALUE) throw new RangeError(`range value ${value} is too large`);
    }
  }
  const wanted = 32 - Math.clz32(six.values6.length);
  const bits6 = Math.min(MOST_INDEX_BITS_6, Math.max(LEAST_INDEX_BITS_6, wanted));
  return {
    starts4,
    values4,
    index4: buildIndex(starts4, 1, INDEX_BITS_4),
    starts6: six.starts6,
    values6: six.values6,
    index6: buildIndex(six.starts6, 4, bits6),
    shift6: 32 - bits6,
    folds,
  };
}

/** Value and scope (0 to 32) of an IPv4 address given as an unsigned number; see rangeValueOf, scopeOf. */
export function lookup4(table: PrefixTable, address: number): number {
  const { starts4, index4 } = table;
  const bucket = address >>> 16;
  let low = index4[bucket]!;
  let high = index4[bucket + 1]!;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (starts4[middle]! <= address) low = middle;
    else high = middle - 1;
  }
  let scope = 0;
  if (low > 0) scope = Math.clz32(address ^ (starts4[low]! - 1)) + 1;
  if (low + 1 < starts4.length) {
    const after = Math.clz32(address ^ starts4[low + 1]!) + 1;
    if (after > scope) scope = after;
  }
  return table.values4[low]! * SCOPE_SIZE + scope;
}

/** Value and scope (0 to 128) of the IPv6 address in the sixteen bytes at `offset`. */
export function lookup6(table: PrefixTable, bytes: Uint8Array, offset: number): number {
  const word0 = bytesToUint32(bytes, offset);
  const word1 = bytesToUint32(bytes, offset + 4);
  const word2 = bytesToUint32(bytes, offset + 8);
  const word3 = bytesToUint32(bytes, offset + 12);
  if (table.folds) {
    if (word0 >>> 16 === SIX_TO_FOUR) {
      return lookup4(table, ((word0 << 16) | (word1 >>> 16)) >>> 0) + 16;
    }
    if (word1 === 0) {
      const folded = word0 === 0 ? word2 === 0xffff : word0 === NAT64 && word2 === 0;
      if (folded) return lookup4(table, word3) + 96;
    }
  }
  const { starts6, index6, values6 } = table;
  const bucket = word0 >>> table.shift6;
  let low = index6[bucket]!;
  let high = index6[bucket + 1]!;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (startsAfter(starts6, middle * 4, word0, word1, word2, word3)) high = middle - 1;
    else low = middle;
  }
  let scope = 0;
  if (low > 0) scope = commonBitsBefore(starts6, low * 4, word0, word1, word2, word3) + 1;
  if (low + 1 < values6.length) {
    const at = low * 4 + 4;
    const after =
      commonBits(
        starts6[at]! ^ word0,
        starts6[at + 1]! ^ word1,
        starts6[at + 2]! ^ word2,
        starts6[at + 3]! ^ word3,
      ) + 1;
    if (after > scope) scope = after;
  }
  return values6[low]! * SCOPE_SIZE + scope;
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

function buildIndex(starts: Uint32Array, words: 1 | 4, bits: number): Uint32Array {
  const size = 2 ** bits;
  const count = starts.length / words;
  const index = new Uint32Array(new SharedArrayBuffer((size + 1) * 4));
  let range = 0;
  for (let bucket = 0; bucket < size; bucket++) {
    const first = bucket * 2 ** (32 - bits);
    while (range + 1 < count && startsAtOrBefore(starts, (range + 1) * words, words, first))
      range++;
    index[bucket] = range;
  }
  index[size] = count - 1;
  return index;
}

/** Whether a start is at or before the address whose first word is `first` and whose others are 0. */
function startsAtOrBefore(starts: Uint32Array, at: number, words: 1 | 4, first: number): boolean {
  if (starts[at]! !== first) return starts[at]! < first;
  return words === 1 || (starts[at + 1]! | starts[at + 2]! | starts[at + 3]!) === 0;
}

function startsAfter(
  starts: Uint32Array,
  at: number,
  word0: number,
  word1: number,
  word2: number,
  word3: number,
): boolean {
  const start0 = starts[at]!;
  if (start0 !== word0) return start0 > word0;
  const start1 = starts[at + 1]!;
  if (start1 !== word1) return start1 > word1;
  const start2 = starts[at + 2]!;
  if (start2 !== word2) return start2 > word2;
  return starts[at + 3]! > word3;
}

/** The number of leading bits that the address shares with the last one before a start. */
function commonBitsBefore(
  starts: Uint32Array,
  at: number,
  word0: number,
  word1: number,
  word2: number,
  word3: number,
): number {
  const start0 = starts[at]!;
  const start1 = starts[at + 1]!;
  const start2 = starts[at + 2]!;
  const start3 = starts[at + 3]!;
  const borrow2 = start3 === 0;
  const borrow1 = borrow2 && start2 === 0;
  const borrow0 = borrow1 && start1 === 0;
  return commonBits(
    (borrow0 ? start0 - 1 : start0) ^ word0,
    (borrow1 ? start1 - 1 : start1) ^ word1,
    (borrow2 ? start2 - 1 : start2) ^ word2,
    (start3 - 1) ^ word3,
  );
}

/** Leading zeros of 128 bits, which are never all zero here. */
function commonBits(word0: number, word1: number, word2: number, word3: number): number {
  if (word0 !== 0) return Math.clz32(word0);
  if (word1 !== 0) return 32 + Math.clz32(word1);
  if (word2 !== 0) return 64 + Math.clz32(word2);
  return 96 + Math.clz32(word3);
}
