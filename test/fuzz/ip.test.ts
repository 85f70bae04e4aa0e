import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAddress, parseAddress } from '../../src/ip/address.ts';
import { containsAddress, formatPrefix, parsePrefix } from '../../src/ip/prefix.ts';
import {
  buildPrefixTable,
  lookup6,
  lookupAddress,
  rangeValueOf,
  scopeOf,
} from '../../src/ip/prefix-table.ts';
import {
  combineRanges,
  mapRanges,
  overlayPrefixes,
  type Ranges,
  uniformRanges,
} from '../../src/ip/ranges.ts';
import {
  arbitraryAddress,
  arbitraryCrowd,
  arbitraryOverlays,
  arbitraryPrefix,
  edgesOf,
  fuzzParameters,
  scopeAt,
  segments4,
  segments6,
  toAddress,
  valueAt,
} from '../ip/range-oracle.ts';

const FAMILIES = [
  [32, segments4],
  [128, segments6],
] as const;

test('parseAddress() reads back every address that formatAddress() writes', () => {
  const address = fc.oneof(
    arbitraryAddress(32).map((value) => toAddress(value, 32)),
    arbitraryAddress(128).map((value) => toAddress(value, 128)),
  );
  fc.assert(
    fc.property(address, (value) => {
      assert.deepEqual(parseAddress(formatAddress(value)), value);
      assert.equal(isIP(formatAddress(value)), value.family);
    }),
    fuzzParameters(1000),
  );
});

test('parseAddress() accepts exactly what the operating system accepts without zones', () => {
  const unit = fc.constantFrom(
    '0',
    '1',
    'f',
    '25',
    '255',
    '256',
    ':',
    '::',
    '.',
    '%',
    'ffff',
    'G',
    ' ',
  );
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 16 }), (units) => {
      const text = units.join('');
      const expected = text.includes('%') ? 0 : isIP(text);
      assert.equal(parseAddress(text)?.family ?? 0, expected, text);
    }),
    fuzzParameters(5000),
  );
});

test('parsePrefix() reads back every network that formatPrefix() writes', () => {
  fc.assert(
    fc.property(fc.oneof(arbitraryPrefix(32), arbitraryPrefix(128)), (prefix) => {
      assert.deepEqual(parsePrefix(formatPrefix(prefix)), prefix);
    }),
    fuzzParameters(500),
  );
});

test('overlayPrefixes() gives each address the value of the longest network that holds it', () => {
  fc.assert(
    fc.property(arbitraryOverlays(), fc.nat(3), (overlays, base) => {
      const ranges = overlayPrefixes(uniformRanges(base), overlays);
      assertMerged(ranges);
      const prefixes = overlays.map(({ prefix }) => prefix);
      for (const bits of [32, 128]) {
        const segments = bits === 32 ? segments4(ranges) : plainSegments6(ranges);
        for (const edge of edgesOf(prefixes, bits)) {
          const address = toAddress(edge, bits);
          let best = { length: -1, value: base };
          for (const { prefix, value } of overlays) {
            if (prefix.length < best.length || !containsAddress(prefix, address)) continue;
            best = { length: prefix.length, value };
          }
          assert.equal(valueAt(segments, edge), best.value, formatAddress(address));
        }
      }
    }),
    fuzzParameters(200),
  );
});

test('mapRanges() and combineRanges() change values address by address', () => {
  fc.assert(
    fc.property(arbitraryOverlays(), arbitraryOverlays(), (left, right) => {
      const a = overlayPrefixes(uniformRanges(0), left);
      const b = overlayPrefixes(uniformRanges(1), right);
      const halved = mapRanges(a, (value) => value >> 1);
      const both = combineRanges(a, b, (x, y) => Math.min(x, y));
      for (const ranges of [halved, both]) assertMerged(ranges);
      const prefixes = [...left, ...right].map(({ prefix }) => prefix);
      for (const bits of [32, 128]) {
        const at = (ranges: Ranges, edge: bigint) =>
          valueAt(bits === 32 ? segments4(ranges) : plainSegments6(ranges), edge);
        for (const edge of edgesOf(prefixes, bits)) {
          assert.equal(at(halved, edge), at(a, edge) >> 1);
          assert.equal(at(both, edge), Math.min(at(a, edge), at(b, edge)));
        }
      }
    }),
    fuzzParameters(100),
  );
});

test('lookupAddress() gives the value and the widest network of one value around the address', () => {
  const addresses = fc.tuple(
    fc.array(arbitraryAddress(32), { minLength: 3, maxLength: 3 }),
    fc.array(arbitraryAddress(128), { minLength: 3, maxLength: 3 }),
  );
  fc.assert(
    fc.property(arbitraryOverlays(), fc.nat(3), addresses, (overlays, base, random) => {
      const ranges = overlayPrefixes(uniformRanges(base), overlays);
      const table = buildPrefixTable(ranges);
      const prefixes = overlays.map(({ prefix }) => prefix);
      for (const [i, [bits, segmentsOf]] of FAMILIES.entries()) {
        const segments = segmentsOf(ranges);
        for (const value of [...random[i]!, ...edgesOf(prefixes, bits)]) {
          const address = toAddress(value, bits);
          const result = lookupAddress(table, address);
          const text = `${formatAddress(address)} in ${overlays.map((o) => formatPrefix(o.prefix))}`;
          assert.equal(rangeValueOf(result), valueAt(segments, value), text);
          assert.equal(scopeOf(result), scopeAt(segments, value, bits), text);
        }
      }
    }),
    fuzzParameters(200),
  );
});

test('lookupAddress() is right where networks crowd', () => {
  fc.assert(
    fc.property(arbitraryCrowd(), fc.nat(3), (overlays, base) => {
      const ranges = overlayPrefixes(uniformRanges(base), overlays);
      const table = buildPrefixTable(ranges);
      const segments = segments6(ranges);
      const edges = edgesOf(
        overlays.map(({ prefix }) => prefix),
        128,
      );
      // Every so many: to know the truth takes long.
      for (let at = edges.length % 7; at < edges.length; at += 7) {
        const value = edges[at]!;
        const address = toAddress(value, 128);
        const result = lookupAddress(table, address);
        const text = `${formatAddress(address)} in ${overlays.map((o) => formatPrefix(o.prefix))}`;
        assert.equal(rangeValueOf(result), valueAt(segments, value), text);
        assert.equal(scopeOf(result), scopeAt(segments, value, 128), text);
      }
    }),
    fuzzParameters(60),
  );
});

test('lookup6() reads the sixteen bytes at the offset', () => {
  fc.assert(
    fc.property(
      arbitraryOverlays(),
      arbitraryAddress(128),
      fc.nat(9),
      (overlays, value, offset) => {
        const table = buildPrefixTable(overlayPrefixes(uniformRanges(0), overlays));
        const address = toAddress(value, 128);
        const slab = new Uint8Array(32).fill(0xaa);
        slab.set(address.bytes, offset);
        assert.equal(lookup6(table, slab, offset), lookupAddress(table, address));
      },
    ),
    fuzzParameters(50),
  );
});

/** IPv6 segments without folding. */
function plainSegments6(ranges: Ranges): { start: bigint; value: number }[] {
  return Array.from(ranges.values6, (value, i) => ({
    start: ranges.starts6.subarray(4 * i, 4 * i + 4).reduce((n, w) => (n << 32n) | BigInt(w), 0n),
    value,
  }));
}

function assertMerged(ranges: Ranges): void {
  for (const [segments, values] of [
    [segments4(ranges), ranges.values4],
    [plainSegments6(ranges), ranges.values6],
  ] as const) {
    assert.equal(segments[0]!.start, 0n);
    for (let i = 1; i < values.length; i++) {
      assert.notEqual(values[i], values[i - 1]);
      assert.ok(segments[i]!.start > segments[i - 1]!.start);
    }
  }
}
