import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, crc32 } from 'node:zlib';
import { composeGeo, type GeoDatabase, locate } from '../../src/geo/database.ts';
import { readPack } from '../../src/geo/pack.ts';
import { writePack } from '../../src/geo/pack-writer.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { opened, readCentroids, readPlaces } from './fixtures.ts';

const centroids = readCentroids();
const bytes = readPlaces();
const places = opened(bytes, centroids);

const BERLIN = {
  country: 'DE',
  subdivision: 'BE',
  continent: 'EU',
  latitude: 52.5,
  longitude: 13.4,
};
const MADRID = { country: 'ES', continent: 'EU', latitude: 40.4, longitude: -3.7 };
const world: GeoDatabase = {
  ...composeGeo(
    [],
    [
      { networks: ['192.0.2.0/24', '198.51.100.7/32', '2001:db8::/32'], location: BERLIN },
      { networks: ['203.0.113.0/25', '0.0.0.0/8', '2001:db9::/48'], location: MADRID },
      // Within one /64, and from the middle of one to the next.
      { networks: ['2001:dba::8000:0:0:0/65', '2001:dbb:0:1::1/128'], location: MADRID },
    ],
  ),
  description: 'a small world',
  builtAtMs: 1_780_000_000_000,
  attribution: 'nobody',
};

const at = (geo: GeoDatabase, text: string) => locate(geo, parseAddress(text)!);

test('the pack that comes with the program knows the cities of well-known networks', () => {
  assert.match(places.description, /^DB-IP City Lite \(\d{4}-\d\d-\d\d\) in cells of 1°$/);
  assert.match(places.attribution, /IP Geolocation by DB-IP \(https:\/\/db-ip\.com\)/);
  assert.ok(bytes.length < 10_000_000, `${bytes.length} octets`);
  assert.ok(places.networks > 5_000_000);
  const near = (text: string, country: string, latitude: number, longitude: number): void => {
    const found = at(places, text)!;
    assert.equal(found.country, country, text);
    assert.ok(Math.abs(found.latitude! - latitude) < 1.5, `${text}: ${found.latitude}`);
    assert.ok(Math.abs(found.longitude! - longitude) < 1.5, `${text}: ${found.longitude}`);
  };
  // University networks stay where they are.
  near('18.9.22.69', 'US', 42.4, -71.1);
  near('131.111.8.46', 'GB', 52.2, 0.1);
  near('2001:4ca0::1', 'DE', 48.2, 11.7);
  near('137.158.1.1', 'ZA', -33.9, 18.5);
  near('143.107.1.1', 'BR', -23.5, -46.6);
  for (const text of ['10.0.0.1', '192.0.2.1', '::1', 'fe80::1']) {
    assert.equal(at(places, text), undefined, text);
  }
});

test('a pack tells what it was made of', () => {
  const result = readPack(writePack(world, { quality: 1 }), centroids);
  assert.ok(result.ok, JSON.stringify(result));
  const { geo } = result;
  assert.equal(geo.description, world.description);
  assert.equal(geo.builtAtMs, world.builtAtMs);
  assert.equal(geo.attribution, 'nobody');
  for (const text of [
    '192.0.2.0',
    '192.0.2.255',
    '192.0.3.0',
    '198.51.100.6',
    '198.51.100.7',
    '198.51.100.8',
    '203.0.113.127',
    '203.0.113.128',
    '0.0.0.0',
    '0.255.255.255',
    '1.0.0.0',
    '255.255.255.255',
    '2001:db7:ffff::1',
    '2001:db8::',
    '2001:db8:ffff:ffff::',
    '2001:db9::',
    '2001:db9:1::',
    '::ffff:192.0.2.1',
    'ffff:ffff:ffff:ffff::',
  ]) {
    assert.deepEqual(at(geo, text), at(world, text), text);
  }
  for (const array of Object.values(geo.ranges))
    assert.ok(array.buffer instanceof SharedArrayBuffer);
});

test('of an IPv6 /64 with several places the pack keeps the first', () => {
  const result = readPack(writePack(world, { quality: 1 }), centroids);
  assert.ok(result.ok);
  for (const text of ['2001:dba::1', '2001:dba::8000:0:0:1', '2001:dba:0:1::', '2001:dbb:0:1::1']) {
    assert.equal(at(result.geo, text), undefined, text);
  }
});

test('a file that is no pack of ours is refused with a reason', () => {
  const good = Buffer.from(writePack(world, { quality: 1 }));
  const reasonOf = (file: Uint8Array): string => {
    const result = readPack(file, centroids);
    assert.ok(!result.ok);
    return result.reason;
  };
  assert.match(reasonOf(good.subarray(0, good.length - 1)), /damaged or cut off/);
  assert.match(reasonOf(good.subarray(0, 6)), /cut off/);
  const changed = Buffer.from(good);
  changed[40]! ^= 1;
  assert.match(reasonOf(changed), /damaged/);
  assert.match(reasonOf(signed([{ ranges4: 0, ranges6: 1 }, []])), /tells no ranges/);
  assert.match(reasonOf(signed([headOf(1, 1), [['D', '', 1, 1]], ...WHOLE])), /place 1 is none/);
  assert.match(reasonOf(signed([headOf(1, 1), [['DE', '', 91, 1]], ...WHOLE])), /place 1 is none/);
  const [whole4, ...whole6] = WHOLE;
  assert.match(reasonOf(signed([headOf(1, 1), [], Buffer.from([31]), ...whole6])), /address space/);
  const beyond = [Buffer.from([32, 32]), Buffer.of(), Buffer.from([0, 0])];
  assert.match(reasonOf(signed([headOf(2, 1), [], ...beyond, ...whole6.slice(2)])), /beyond/);
  const nowhere = [whole4!, Buffer.of(), Buffer.from([7])];
  assert.match(reasonOf(signed([headOf(1, 1), [], ...nowhere, ...whole6.slice(2)])), /in no place/);
});

/** The whole of both families in no place. */
const WHOLE = [
  ...[Buffer.from([32]), Buffer.of(), Buffer.from([0])],
  ...[Buffer.from([64]), Buffer.of(), Buffer.from([0])],
];

const headOf = (ranges4: number, ranges6: number) => ({
  ...{ description: 'x', attribution: 'y', builtAtMs: 0, ranges4, ranges6 },
});

/** A file with these sections: a head, and columns to be packed. */
function signed([head, ...sections]: readonly unknown[]): Buffer {
  const parts = [Buffer.from(JSON.stringify(head)), ...sections.map(packed)];
  const word = (value: number): Buffer => {
    const octets = Buffer.alloc(4);
    octets.writeUInt32LE(value);
    return octets;
  };
  const body = Buffer.concat([
    Buffer.from('MGP1'),
    ...parts.flatMap((part) => [word(part.length), part]),
  ]);
  return Buffer.concat([body, word(crc32(body))]);
}

function packed(section: unknown): Buffer {
  return brotliCompressSync(Buffer.isBuffer(section) ? section : JSON.stringify(section));
}
