import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../src/ip/address.ts';
import { parsePrefix } from '../../src/ip/prefix.ts';
import {
  buildPrefixTable,
  lookup4,
  lookupAddress,
  type PrefixTable,
  rangeValueOf,
  scopeOf,
} from '../../src/ip/prefix-table.ts';
import { MAX_RANGE_VALUE, overlayPrefixes, uniformRanges } from '../../src/ip/ranges.ts';
import { toAddress } from './range-oracle.ts';

const build = (base: number, overlays: Record<string, number>): PrefixTable =>
  buildPrefixTable(
    overlayPrefixes(
      uniformRanges(base),
      Object.entries(overlays).map(([text, value]) => ({ prefix: parsePrefix(text)!, value })),
    ),
  );

function check(table: PrefixTable, cases: readonly (readonly [string, number, number])[]): void {
  for (const [text, value, scope] of cases) {
    const result = lookupAddress(table, parseAddress(text)!);
    assert.deepEqual([rangeValueOf(result), scopeOf(result)], [value, scope], text);
  }
}

test('lookupAddress() gives scope 0 when the whole space has one value', () => {
  check(build(7, {}), [
    ['0.0.0.0', 7, 0],
    ['255.255.255.255', 7, 0],
    ['::', 7, 0],
    ['::ffff:1.2.3.4', 7, 0],
    ['2002:102:304::', 7, 0],
  ]);
});

test('lookupAddress() gives the widest network around the address', () => {
  check(build(0, { '10.0.0.0/8': 1, '10.1.0.0/16': 2, '11.0.0.0/8': 1, '10.1.2.3': 3 }), [
    ['11.200.0.1', 1, 8],
    ['10.200.0.1', 1, 9],
    ['10.0.0.1', 1, 16],
    ['10.1.2.3', 3, 32],
    ['10.1.2.2', 2, 32],
    ['10.1.2.4', 2, 30],
    ['128.0.0.0', 0, 1],
    ['9.0.0.0', 0, 7],
  ]);
});

test('lookupAddress() tells apart IPv6 networks down to the last bit', () => {
  check(build(0, { '2001:db8::/32': 1, '2001:db8::1': 2, '2001:db9::/32': 1 }), [
    ['2001:db8::', 1, 128],
    ['2001:db8::1', 2, 128],
    ['2001:db8::2', 1, 127],
    ['2001:db9::', 1, 32],
    ['8000::', 0, 1],
  ]);
});

test('lookupAddress() answers IPv6 addresses that carry an IPv4 address by it', () => {
  check(build(0, { '192.0.2.0/24': 1, '2002::/16': 9, '64:ff9b::/96': 9, '::/80': 9 }), [
    ['192.0.2.1', 1, 24],
    ['::ffff:192.0.2.1', 1, 120],
    ['64:ff9b::192.0.2.1', 1, 120],
    ['2002:c000:201::1', 1, 40],
    ['2002:c000:301::1', 0, 40],
    ['64:ff9b::8.0.0.1', 0, 97],
    // ::/80 holds the mapped space, so half of it is the widest network of one value.
    ['::1', 9, 81],
    // The neighbours of 2002::/16 must not claim it although both sides are equal.
    ['2003::', 0, 16],
    ['2001::', 0, 15],
  ]);
});

test('lookupAddress() widens over folded networks when IPv4 space and its surroundings are equal', () => {
  check(build(0, { '8000::/1': 1 }), [
    ['2003::', 0, 1],
    ['2002:102:304::', 0, 1],
    ['::ffff:1.2.3.4', 0, 1],
    ['1.2.3.4', 0, 0],
  ]);
});

test('lookupAddress() has no scope that crosses a border, though values are the same on both sides', () => {
  const borders = ['10.0.0.0/8', '192.168.0.0/16', 'fc00::/7'].map((text) => parsePrefix(text)!);
  const ranges = overlayPrefixes(uniformRanges(3), [
    { prefix: parsePrefix('80.0.0.0/8')!, value: MAX_RANGE_VALUE },
  ]);
  check(buildPrefixTable(ranges, borders), [
    ['11.0.0.1', 3, 8],
    ['20.0.0.1', 3, 4],
    ['10.255.0.1', 3, 8],
    ['192.167.0.1', 3, 13],
    ['192.168.0.1', 3, 16],
    ['200.0.0.1', 3, 5],
    ['80.0.0.1', MAX_RANGE_VALUE, 8],
    ['8000::', 3, 2],
    ['fc00::1', 3, 7],
    ['fe00::1', 3, 7],
    ['2002:b00::', 3, 24],
    ['::ffff:11.0.0.1', 3, 104],
  ]);
});

test('lookupAddress() keeps borders in IPv4 space when only IPv6 values differ', () => {
  const ranges = overlayPrefixes(uniformRanges(0), [
    { prefix: parsePrefix('2001:db8::/32')!, value: 1 },
  ]);
  const table = buildPrefixTable(ranges, [parsePrefix('10.0.0.0/8')!]);
  check(table, [
    ['11.0.0.1', 0, 8],
    ['::ffff:11.0.0.1', 0, 104],
    ['128.0.0.0', 0, 1],
  ]);
});

test('lookupAddress() gives scope 0 across borders when the whole space has one value', () => {
  const table = buildPrefixTable(uniformRanges(4), [parsePrefix('10.0.0.0/8')!]);
  check(table, [
    ['10.0.0.1', 4, 0],
    ['11.0.0.1', 4, 0],
    ['::', 4, 0],
  ]);
});

test('lookup4() takes signed and unsigned numbers alike', () => {
  const table = build(0, { '200.0.0.0/8': 1 });
  assert.equal(lookup4(table, 0xc8000001), lookup4(table, 0xc8000001 | 0));
  assert.equal(rangeValueOf(lookup4(table, 0xc8000001)), 1);
});

test('buildPrefixTable() gives a table that a clone shares and look-ups read alike', () => {
  const table = build(0, { '10.0.0.0/8': 1 });
  const clone = structuredClone(table);
  assert.equal(lookup4(clone, 0x0a000001), lookup4(table, 0x0a000001));
  for (const member of Object.values(table)) {
    if (typeof member !== 'boolean') assert.ok(member.buffer instanceof SharedArrayBuffer);
  }
});

test('buildPrefixTable() takes the largest value and throws when one is larger', () => {
  check(build(MAX_RANGE_VALUE, { '10.0.0.0/8': 1 }), [['11.0.0.0', MAX_RANGE_VALUE, 8]]);
  assert.throws(() => build(0, { '10.0.0.0/8': MAX_RANGE_VALUE + 1 }), RangeError);
});

test('lookup6() finds its range among hundreds of thousands that crowd in one /16 or /32', () => {
  let state = 20260601;
  const draw = (bits: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state >>> (32 - bits);
  };
  // The 48 bits behind the first 16. Some /32s have a thousand times as many as others.
  const starts = new Set<number>();
  while (starts.size < 300_000) {
    const site = draw(3) > 0 ? draw(4) * 4099 : draw(16);
    starts.add(site * 2 ** 32 + draw(16) * 2 ** 16 + draw(16));
  }
  // And all of the next /16 in one.
  while (starts.size < 303_000) {
    starts.add(0x1_1234 * 2 ** 32 + draw(16) * 2 ** 16 + draw(16));
  }
  const ordered = [...starts].sort((a, b) => a - b);
  const words = ordered.flatMap((start) => [
    0x2a02_0000 + Math.floor(start / 2 ** 32),
    start % 2 ** 32,
    0,
    0,
  ]);
  const valueAt = (range: number): number => 1 + (range % 1000);
  const table = buildPrefixTable({
    ...uniformRanges(0),
    starts6: Uint32Array.from([0, 0, 0, 0, ...words]),
    values6: Uint32Array.from({ length: ordered.length + 1 }, (_, range) => valueAt(range)),
  });
  const found = (value: bigint): number =>
    rangeValueOf(lookupAddress(table, toAddress(value, 128)));
  for (let range = 1; range <= ordered.length; range += 1) {
    const start = (0x2a02n << 112n) | (BigInt(ordered[range - 1]!) << 64n);
    assert.equal(found(start), valueAt(range), `range ${range}`);
    assert.equal(found(start - 1n), valueAt(range - 1), `the end of range ${range - 1}`);
  }
});
