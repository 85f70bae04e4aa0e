import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openGeo } from '../../src/geo/mmdb.ts';
import { parsePrefix } from '../../src/ip/prefix.ts';
import { readCentroids } from '../geo/fixtures.ts';
import { nestedRecord, writeMmdb } from '../geo/mmdb-writer.ts';
import { fuzzParameters } from '../ip/range-oracle.ts';

const centroids = readCentroids();

const databases = ([24, 28, 32] as const).map((recordSize) =>
  writeMmdb(
    ['10.0.0.0/8', '192.0.2.0/24', '2001:db8::/32', '2a00::/12', '198.51.100.7'].map(
      (network, i) => ({
        prefix: parsePrefix(network)!,
        record: nestedRecord({
          country: ['DE', 'FR', 'US'][i % 3]!,
          city: `city ${i}`,
          latitude: i,
          longitude: i,
        }),
      }),
    ),
    { databaseType: 'GeoLite2-City', recordSize, aliases: true },
  ),
);

function check(bytes: Uint8Array): boolean {
  const result = openGeo(bytes, centroids);
  if (result.ok) assert.equal(result.geo.ranges.starts4[0], 0);
  else assert.ok(result.reason.length > 0);
  return result.ok;
}

test('openGeo() never throws when a file is cut off', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...databases),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (good, share) => {
        const kept = Math.floor(good.length * share);
        const isOpen = check(good.subarray(0, kept));
        // Losing a few bytes of text at the very end of the metadata may go unnoticed.
        if (kept < good.length - 32) assert.equal(isOpen, false);
      },
    ),
    fuzzParameters(300),
  );
});

test('openGeo() never throws when bytes are changed', () => {
  const change = fc.tuple(fc.nat(), fc.nat(255));
  fc.assert(
    fc.property(
      fc.constantFrom(...databases),
      fc.array(change, { minLength: 1, maxLength: 8 }),
      (good, changes) => {
        const bytes = good.slice();
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        check(bytes);
      },
    ),
    fuzzParameters(1000),
  );
});

test('openGeo() never throws when the bytes are noise behind a valid marker', () => {
  const marker = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');
  const bytes = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(bytes, bytes, (before, after) => {
      check(Buffer.concat([before, marker, after]));
    }),
    fuzzParameters(500),
  );
});
