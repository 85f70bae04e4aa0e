/**
 * The slow truth about ranges and scopes, for property tests: plain lists of big integers, read from one
 * end to the other, with nothing in common with the tables under test.
 */

import fc from 'fast-check';
import { type Address, addressFromUint32, addressFromWords } from '../../src/ip/address.ts';
import { networkOf, type Prefix } from '../../src/ip/prefix.ts';
import type { Ranges } from '../../src/ip/ranges.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

export type Segment = { readonly start: bigint; readonly value: number };

export function segments4(ranges: Ranges): Segment[] {
  return Array.from(ranges.starts4, (start, i) => ({
    start: BigInt(start),
    value: ranges.values4[i]!,
  }));
}

/** IPv6 space as look-ups must see it: the networks that carry IPv4 addresses hold IPv4's values. */
export function segments6(ranges: Ranges): Segment[] {
  return [0xffffn << 32n, 0x64ff9bn << 96n, 0x2002n << 112n].reduce((segments, base) => {
    const shift = base >> 112n === 0x2002n ? 80n : 0n;
    const end = base + (1n << (32n + shift));
    const folded = segments4(ranges).map(({ start, value }) => ({
      start: base + (start << shift),
      value,
    }));
    const before = segments.filter(({ start }) => start < base);
    const after = segments.filter(({ start }) => start > end);
    return [...before, ...folded, { start: end, value: valueAt(segments, end) }, ...after];
  }, plainSegments6(ranges));
}

/** IPv6 space as the ranges themselves have it: nothing is carried. */
export function plainSegments6(ranges: Ranges): Segment[] {
  return Array.from(ranges.values6, (value, i) => ({
    start: ranges.starts6.subarray(4 * i, 4 * i + 4).reduce((n, w) => (n << 32n) | BigInt(w), 0n),
    value,
  }));
}

/** The fewest networks that segments are, in the order of addresses: the widest that fits, again and again. */
export function networksOf(
  segments: readonly Segment[],
  bits: number,
): readonly { readonly prefix: Prefix; readonly value: number }[] {
  const whole = 1n << BigInt(bits);
  return segments.flatMap(({ start, value }, index) => {
    const end = segments[index + 1]?.start ?? whole;
    const networks: { prefix: Prefix; value: number }[] = [];
    for (let at = start; at < end; ) {
      let length = 0;
      const fits = (size: bigint): boolean => at % size === 0n && at + size <= end;
      while (!fits(1n << BigInt(bits - length))) length += 1;
      networks.push({ prefix: { address: toAddress(at, bits), length }, value });
      at += 1n << BigInt(bits - length);
    }
    return networks;
  });
}

export function valueAt(segments: readonly Segment[], address: bigint): number {
  let value = -1;
  for (const segment of segments) if (segment.start <= address) value = segment.value;
  return value;
}

/** The shortest prefix length whose network around the address has one value throughout. */
export function scopeAt(segments: readonly Segment[], address: bigint, bits: number): number {
  const value = valueAt(segments, address);
  for (let length = 0; ; length++) {
    const size = 1n << BigInt(bits - length);
    const first = (address / size) * size;
    const inside = segments.filter(({ start }) => start > first && start < first + size);
    const isSame = inside.every((segment) => segment.value === value);
    if (isSame && valueAt(segments, first) === value) return length;
  }
}

export function toAddress(value: bigint, bits: number): Address {
  if (bits === 32) return addressFromUint32(Number(value));
  const words = [96n, 64n, 32n, 0n].map((shift) => Number((value >> shift) & 0xffffffffn));
  return addressFromWords(Uint32Array.from(words));
}

export function toBigInt(address: Address): bigint {
  return address.bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** Addresses that like to be near each other and near the networks that carry IPv4 addresses. */
export function arbitraryAddress(bits: number): fc.Arbitrary<bigint> {
  const most = (1n << BigInt(bits)) - 1n;
  const near = bits === 32 ? [0n, 10n << 24n, most] : [0n, 0xffffn << 32n, 0x64ff9bn << 96n];
  const bases = bits === 32 ? near : [...near, 0x2002n << 112n, 0x2001n << 112n, most];
  return fc.oneof(
    fc.bigInt({ min: 0n, max: most }),
    fc
      .tuple(fc.constantFrom(...bases), fc.bigInt({ min: -600n, max: 600n }), fc.nat(bits - 1))
      .map(([base, offset, shift]) => (base + (offset << BigInt(shift))) & most),
  );
}

export function arbitraryPrefix(bits: number): fc.Arbitrary<Prefix> {
  return fc
    .tuple(arbitraryAddress(bits), fc.nat(bits))
    .map(([address, length]) => networkOf(toAddress(address, bits), length));
}

/** Networks of both families with few values, so that merging happens. */
export function arbitraryOverlays(): fc.Arbitrary<{ prefix: Prefix; value: number }[]> {
  const prefix = fc.oneof(arbitraryPrefix(32), arbitraryPrefix(128));
  return fc.array(fc.record({ prefix, value: fc.nat(3) }), { maxLength: 12 });
}

/** IPv6 networks that crowd in one that is larger, and a few that do not. */
export function arbitraryCrowd(): fc.Arbitrary<{ prefix: Prefix; value: number }[]> {
  const crowded = fc.record({
    place: arbitraryAddress(128),
    length: fc.integer({ min: 8, max: 48 }),
    members: fc.array(fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 24n - 1n }), fc.nat(4)), {
      minLength: 60,
      maxLength: 120,
    }),
  });
  return fc.tuple(crowded, arbitraryOverlays()).map(([{ length, members, place }, others]) => {
    const shift = BigInt(128 - length);
    const base = (place >> shift) << shift;
    const crowd = members.map(([bits, longer], index) => ({
      prefix: networkOf(toAddress(base + (bits << (shift - 24n)), 128), length + 16 + longer),
      value: index % 4,
    }));
    return [...others, ...crowd];
  });
}

/** Addresses at and beside both ends of every network. */
export function edgesOf(prefixes: readonly Prefix[], bits: number): bigint[] {
  const most = (1n << BigInt(bits)) - 1n;
  return prefixes
    .filter(({ address }) => address.bytes.length * 8 === bits)
    .flatMap(({ address, length }) => {
      const first = toBigInt(address);
      const last = first + (1n << BigInt(bits - length)) - 1n;
      return [first - 1n, first, last, last + 1n];
    })
    .filter((address) => address >= 0n && address <= most);
}

/** fast-check's parameters from the environment; a failure prints the seed by itself. */
export function fuzzParameters(iterations: number): { seed: number; numRuns: number } {
  return {
    seed: fuzzSeed(20260601),
    numRuns: fuzzRuns(iterations),
  };
}
