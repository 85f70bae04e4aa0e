import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { openGeo } from '../../src/geo/mmdb.ts';
import { readPack } from '../../src/geo/pack.ts';
import { writePack } from '../../src/geo/pack-writer.ts';
import { parsePrefix } from '../../src/ip/prefix.ts';
import { opened, readCentroids } from '../geo/fixtures.ts';
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

const pack = writePack(opened(databases[0]!, centroids), { quality: 1 });

function checkPack(bytes: Uint8Array): boolean {
  const result = readPack(bytes, centroids);
  if (!result.ok) assert.ok(result.reason.length > 0);
  return result.ok;
}

/** With the checksum that it should have, so that what is behind it is reached. */
function signedAgain(bytes: Uint8Array): Uint8Array {
  const body = bytes.slice(0, Math.max(0, bytes.length - 4));
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE(crc32(body));
  return Buffer.concat([body, checksum]);
}

test('readPack() notices every octet that is lost or changed', () => {
  const place = fc.double({ min: 0, max: 0.9999, noNaN: true });
  fc.assert(
    fc.property(place, fc.integer({ min: 1, max: 255 }), (share, change) => {
      const at = Math.floor(pack.length * share);
      assert.equal(checkPack(pack.subarray(0, at)), false);
      const changed = pack.slice();
      changed[at]! ^= change;
      assert.equal(checkPack(changed), false);
    }),
    fuzzParameters(300),
  );
});

test('readPack() never throws on damage that is signed', () => {
  const change = fc.tuple(fc.nat(), fc.nat(255));
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 6 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (changes, share) => {
        const bytes = pack.slice();
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        checkPack(signedAgain(bytes));
        checkPack(signedAgain(bytes.subarray(0, Math.floor(bytes.length * share))));
      },
    ),
    fuzzParameters(1000),
  );
});
