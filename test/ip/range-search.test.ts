import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildPrefixTable, lookupAddress, rangeValueOf } from '../../src/ip/prefix-table.ts';
import { valueAt } from '../../src/ip/range-search.ts';
import { overlayPrefixes, uniformRanges } from '../../src/ip/ranges.ts';
import {
  arbitraryAddress,
  arbitraryOverlays,
  edgesOf,
  fuzzParameters,
  toAddress,
} from './range-oracle.ts';

test('valueAt() finds what a prefix table finds', () => {
  const asked = fc.tuple(
    fc.array(arbitraryAddress(32), { maxLength: 20 }),
    fc.array(arbitraryAddress(128), { maxLength: 20 }),
  );
  fc.assert(
    fc.property(arbitraryOverlays(), asked, (overlays, [four, six]) => {
      const ranges = overlayPrefixes(uniformRanges(0), overlays);
      const table = buildPrefixTable(ranges);
      const prefixes = overlays.map(({ prefix }) => prefix);
      for (const [bits, addresses] of [
        [32, four],
        [128, six],
      ] as const) {
        for (const value of [...addresses, ...edgesOf(prefixes, bits)]) {
          const address = toAddress(value, bits);
          assert.equal(valueAt(ranges, address), rangeValueOf(lookupAddress(table, address)));
        }
      }
    }),
    fuzzParameters(300),
  );
});
