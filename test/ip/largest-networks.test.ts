import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { largestNetworks } from '../../src/ip/largest-networks.ts';
import { formatPrefix, parsePrefix } from '../../src/ip/prefix.ts';
import { overlayPrefixes, type Ranges, uniformRanges } from '../../src/ip/ranges.ts';
import {
  arbitraryCrowd,
  arbitraryOverlays,
  fuzzParameters,
  networksOf,
  plainSegments6,
  segments4,
} from './range-oracle.ts';

const rangesOf = (networks: Record<string, number>): Ranges =>
  overlayPrefixes(
    uniformRanges(0),
    Object.entries(networks).map(([text, value]) => ({ prefix: parsePrefix(text)!, value })),
  );

const shown = (ranges: Ranges, family: 4 | 6, most: number): readonly string[] =>
  largestNetworks(ranges, family, (value) => value > 0, most).map(
    ({ prefix, value }) => `${formatPrefix(prefix)}=${value}`,
  );

test('largestNetworks() lists the largest first, and equal ones in the order of addresses', () => {
  const ranges = rangesOf({
    '10.0.0.0/24': 1,
    '10.0.2.0/23': 2,
    '9.0.0.0/24': 1,
    '2001:db8::/32': 3,
    '2001:db8:1::/48': 4,
  });
  assert.deepEqual(shown(ranges, 4, 2), ['10.0.2.0/23=2', '9.0.0.0/24=1']);
  assert.deepEqual(shown(ranges, 4, 9), ['10.0.2.0/23=2', '9.0.0.0/24=1', '10.0.0.0/24=1']);
  assert.deepEqual(shown(ranges, 4, 0), []);
  assert.deepEqual(shown(ranges, 6, 2), ['2001:db8:8000::/33=3', '2001:db8:4000::/34=3']);
});

test('largestNetworks() of the whole space is the whole space', () => {
  assert.deepEqual(shown(uniformRanges(1), 4, 3), ['0.0.0.0/0=1']);
  assert.deepEqual(shown(uniformRanges(1), 6, 3), ['::/0=1']);
});

test('largestNetworks() finds what sorting all networks finds', () => {
  fc.assert(
    fc.property(
      fc.oneof(arbitraryOverlays(), arbitraryCrowd()),
      fc.integer({ min: 1, max: 12 }),
      (list, most) => {
        const ranges = overlayPrefixes(uniformRanges(0), list);
        for (const family of [4, 6] as const) {
          const bits = family === 4 ? 32 : 128;
          const segments = family === 4 ? segments4(ranges) : plainSegments6(ranges);
          const all = networksOf(segments, bits)
            .filter(({ value }) => value > 0)
            .sort((a, b) => a.prefix.length - b.prefix.length)
            .map(({ prefix, value }) => `${formatPrefix(prefix)}=${value}`);
          assert.deepEqual(shown(ranges, family, most), all.slice(0, most));
        }
      },
    ),
    fuzzParameters(100),
  );
});
