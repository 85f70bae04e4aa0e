import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { networkCounts6, scopeCounts } from '../../src/ip/network-counts.ts';
import {
  buildPrefixTable,
  lookup4,
  lookup6,
  type PrefixTable,
  rangeValueOf,
  scopeOf,
} from '../../src/ip/prefix-table.ts';
import { overlayPrefixes, uniformRanges } from '../../src/ip/ranges.ts';
import {
  arbitraryCrowd,
  arbitraryOverlays,
  fuzzParameters,
  networksOf,
  plainSegments6,
  toAddress,
} from './range-oracle.ts';

const VALUES = 4;

/** From one scope to the next, by what look-ups say. */
function walk(table: PrefixTable, bits: 32 | 128): readonly number[] {
  const counts = Array.from({ length: VALUES }, () => 0);
  const end = 1n << BigInt(bits);
  for (let at = 0n; at < end; ) {
    const { bytes } = toAddress(at, bits);
    const found = bits === 32 ? lookup4(table, Number(at)) : lookup6(table, bytes, 0);
    const length = scopeOf(found);
    const base = carrierOf(at);
    // What carries IPv4 addresses is not of its own.
    if (bits === 128 && base !== undefined && table.folds) {
      at = base;
      continue;
    }
    counts[rangeValueOf(found)]! += 1;
    at += 1n << BigInt(bits - length);
  }
  return counts;
}

/** The end of the network that carries IPv4 addresses and holds this one. */
function carrierOf(at: bigint): bigint | undefined {
  const carriers = [
    [0xffffn << 32n, 32n],
    [0x64ff9bn << 96n, 32n],
    [0x2002n << 112n, 112n],
  ] as const;
  const found = carriers.find(([base, size]) => at >> size === base >> size);
  return found && found[0] + (1n << found[1]);
}

const overlays = fc.oneof(arbitraryOverlays(), arbitraryCrowd());

test('scopeCounts() counts the networks that look-ups tell', () => {
  fc.assert(
    fc.property(overlays, (list) => {
      const table = buildPrefixTable(overlayPrefixes(uniformRanges(0), list));
      const { ipv4, ipv6 } = scopeCounts(table, VALUES);
      assert.deepEqual([...ipv4], walk(table, 32));
      assert.deepEqual([...ipv6], walk(table, 128));
    }),
    fuzzParameters(60),
  );
});

test('networkCounts6() counts the fewest networks that ranges are', () => {
  fc.assert(
    fc.property(overlays, (list) => {
      const ranges = overlayPrefixes(uniformRanges(0), list);
      const counts = Array.from({ length: Math.max(...ranges.values6) + 1 }, () => 0);
      for (const { value } of networksOf(plainSegments6(ranges), 128)) counts[value]! += 1;
      assert.deepEqual([...networkCounts6(ranges)], counts);
    }),
    fuzzParameters(100),
  );
});
