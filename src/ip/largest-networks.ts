/** The largest networks among ranges that somebody wants to see. */
import { type Address, addressFromUint32, addressFromWords } from './address.ts';
import type { Prefix } from './prefix.ts';
import type { Ranges } from './ranges.ts';

export type ValuedNetwork = { readonly prefix: Prefix; readonly value: number };

/**
 * The `most` largest networks of one family that lie in ranges with a wanted value, the largest first; of equal ones
 * the first in the order of addresses. A range that is no network by itself is parted into the fewest that it can be.
 */
export function largestNetworks(
  ranges: Ranges,
  family: 4 | 6,
  isWanted: (value: number) => boolean,
  most: number,
): readonly ValuedNetwork[] {
  const sequence = sequenceOf(ranges, family);
  const { bits, values } = sequence;
  const kept: ValuedNetwork[] = [];
  /** Addresses: a smaller range has no network that is larger than the last one kept. */
  let needed = 0;
  for (let index = 0; index < values.length && most > 0; index += 1) {
    const value = values[index]!;
    if (!isWanted(value) || sizeOf(sequence, index) < needed) continue;
    const end = startOf(sequence, index + 1);
    for (let at = startOf(sequence, index); at < end; ) {
      const width = widthOf(at, end);
      const prefix = { address: toAddress(at, family), length: bits - width };
      keep(kept, { prefix, value }, most);
      at += 1n << BigInt(width);
    }
    if (kept.length === most) needed = 2 ** (bits - kept.at(-1)!.prefix.length + 1) * ROUNDING;
  }
  return kept;
}

/** Sizes of IPv6 ranges are as exact as doubles are. */
const ROUNDING = 0.999;

/** Keeps the order, by length and then as they came. */
function keep(kept: ValuedNetwork[], network: ValuedNetwork, most: number): void {
  const place = kept.findIndex(({ prefix }) => prefix.length > network.prefix.length);
  if (place < 0) kept.push(network);
  else kept.splice(place, 0, network);
  if (kept.length > most) kept.pop();
}

/** Bits of the widest network that begins at an address and ends at or before another. */
function widthOf(at: bigint, end: bigint): number {
  let width = 0;
  for (let size = 2n; (at & (size - 1n)) === 0n && at + size <= end; size *= 2n) width += 1;
  return width;
}

type Sequence = {
  readonly bits: 32 | 128;
  readonly starts: Uint32Array;
  readonly values: Uint32Array;
};

const sequenceOf = (ranges: Ranges, family: 4 | 6): Sequence =>
  family === 4
    ? { bits: 32, starts: ranges.starts4, values: ranges.values4 }
    : { bits: 128, starts: ranges.starts6, values: ranges.values6 };

/** The first address of a range; of the one behind the last, the end of the space. */
function startOf({ bits, starts, values }: Sequence, index: number): bigint {
  if (index === values.length) return 1n << BigInt(bits);
  const words = bits / WORD_BITS;
  let start = 0n;
  for (let word = index * words; word < (index + 1) * words; word += 1) {
    start = (start << 32n) | BigInt(starts[word]!);
  }
  return start;
}

/** Addresses of a range. Big integers would take seconds where there are millions of ranges. */
function sizeOf({ bits, starts, values }: Sequence, index: number): number {
  const words = bits / WORD_BITS;
  const isLast = index + 1 === values.length;
  let size = isLast ? 2 ** bits : 0;
  for (let word = 0; word < words; word += 1) {
    const end = isLast ? 0 : starts[(index + 1) * words + word]!;
    size += (end - starts[index * words + word]!) * 2 ** (bits - WORD_BITS * (word + 1));
  }
  return size;
}

const WORD_BITS = 32;

function toAddress(at: bigint, family: 4 | 6): Address {
  if (family === 4) return addressFromUint32(Number(at));
  const words = [96n, 64n, 32n, 0n].map((shift) => Number((at >> shift) & 0xffffffffn));
  return addressFromWords(Uint32Array.from(words));
}
