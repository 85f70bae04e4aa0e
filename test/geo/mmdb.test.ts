import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type CityResponse, Reader } from 'maxmind';
import { completeLocation } from '../../src/geo/centroids.ts';
import { composeGeo, type GeoDatabase, locate } from '../../src/geo/database.ts';
import type { Location } from '../../src/geo/location.ts';
import { openGeo } from '../../src/geo/mmdb.ts';
import { readLocation } from '../../src/geo/mmdb-record.ts';
import { systemOf } from '../../src/geo/systems.ts';
import {
  type Address,
  addressFromUint32,
  addressFromWords,
  formatAddress,
  parseAddress,
} from '../../src/ip/address.ts';
import { parsePrefix } from '../../src/ip/prefix.ts';
import { mapRanges } from '../../src/ip/ranges.ts';
import { opened, readCentroids, readCountries } from './fixtures.ts';
import {
  entriesOfGeo,
  type MmdbEntry,
  type MmdbValue,
  nestedRecord,
  writeMmdb,
} from './mmdb-writer.ts';

const centroids = readCentroids();
const embeddedBytes = readCountries();
const embedded = opened(embeddedBytes, centroids);

const entry = (network: string, record: MmdbValue): MmdbEntry => ({
  prefix: parsePrefix(network)!,
  record,
});

const lookUp = (geo: GeoDatabase) => {
  return (text: string): Location | undefined => locate(geo, parseAddress(text)!);
};

/** A small seeded generator of 32-bit words (mulberry32). */
function words(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) >>> 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** Half of them random, half at the edges of ranges, where mistakes would be. */
function sampleAddresses(count: number): Address[] {
  const next = words(20260601);
  const { starts4, starts6 } = embedded.ranges;
  const addresses: Address[] = [];
  for (let i = 0; i < count; i += 4) {
    addresses.push(addressFromUint32(next()));
    const edge = starts4[next() % starts4.length]!;
    addresses.push(addressFromUint32((edge - (next() & 1)) >>> 0));
    addresses.push(
      addressFromWords(Uint32Array.of(0x20000000 + (next() >>> 3), next(), next(), next())),
    );
    const at = 4 * (next() % (starts6.length / 4));
    const six = starts6.slice(at, at + 4);
    if ((next() & 1) === 1 && six[3] === 0) six[3] = next();
    addresses.push(addressFromWords(six));
  }
  return addresses;
}

test('openGeo() agrees with the maxmind package on 20,000 addresses of the embedded database', () => {
  const reader = new Reader<CityResponse>(Buffer.from(embeddedBytes));
  let known = 0;
  for (const address of sampleAddresses(20_000)) {
    const text = formatAddress(address);
    // Addresses that carry an IPv4 address are answered by it, whatever the file says about them; and
    // the reader takes ::/96 for IPv4.
    if (/^(2002:|::|64:ff9b::)/.test(text)) continue;
    const expected = completeLocation(readLocation(reader.get(text), centroids), centroids);
    const found = locate(embedded, address) ?? {};
    assert.deepEqual(found, expected, text);
    if (found.country) known++;
  }
  assert.ok(known > 8_000, `only ${known} addresses were known`);
});

test('openGeo() gives locations with coordinates, interned, on shared memory', () => {
  const { locations, ranges, networks, builtAtMs, description, attribution } = embedded;
  assert.deepEqual(locations[0], {});
  assert.equal(
    new Set(locations.map((location) => JSON.stringify(location))).size,
    locations.length,
  );
  for (const location of locations.slice(1)) {
    assert.ok(location.latitude !== undefined && location.continent, JSON.stringify(location));
  }
  for (const array of Object.values(ranges)) assert.ok(array.buffer instanceof SharedArrayBuffer);
  assert.ok(networks > 500_000);
  assert.equal(new Date(builtAtMs).toISOString(), '2026-06-01T20:32:58.000Z');
  assert.match(description, /2026-06-01/);
  assert.match(attribution, /IP Geolocation by DB-IP \(https:\/\/db-ip\.com\)/);
  assert.deepEqual(structuredClone(embedded).locations, locations);
});

test('locate() answers known addresses, and folds those that carry an IPv4 address', () => {
  const at = lookUp(embedded);
  for (const text of ['8.8.8.8', '::ffff:8.8.8.8', '64:ff9b::8.8.8.8', '2002:808:808::1']) {
    assert.equal(at(text)?.country, 'US', text);
  }
  assert.equal(at('2a00:1450:4001::1')?.country, 'DE');
  for (const text of ['198.51.100.1', '10.0.0.1', '::1', 'fe80::1'])
    assert.equal(at(text), undefined);
});

test('openGeo() reads every record size, both IP versions, and aliases of the IPv4 subtree', () => {
  const four = [
    entry('0.0.0.0/1', { country_code: 'DE' }),
    entry('10.0.0.0/8', { country_code: 'FR' }),
    entry('10.1.2.3', { country_code: 'US', state1: 'Virginia' }),
  ];
  const six = [
    entry('2001:db8::/32', { country_code: 'JP' }),
    entry('8000::/1', { country_code: 'SG' }),
  ];
  for (const recordSize of [24, 28, 32] as const) {
    for (const shape of ['ipv4', 'ipv6', 'aliases'] as const) {
      const ipVersion = shape === 'ipv4' ? 4 : 6;
      const entries = ipVersion === 4 ? four : [...four, ...six];
      const aliases = shape === 'aliases';
      const meta = { databaseType: 'test', recordSize, ipVersion, aliases } as const;
      const at = lookUp(opened(writeMmdb(entries, meta), centroids));
      const name = `${recordSize} ${shape}`;
      assert.equal(at('1.1.1.1')?.country, 'DE', name);
      assert.equal(at('10.0.0.0')?.country, 'FR', name);
      assert.equal(at('10.1.2.3')?.subdivision, 'VA', name);
      assert.equal(at('128.0.0.0'), undefined, name);
      assert.equal(at('2001:db8::1')?.country, ipVersion === 6 ? 'JP' : undefined, name);
      assert.equal(at('ffff::')?.country, ipVersion === 6 ? 'SG' : undefined, name);
      assert.equal(at('2001:0:a01:203::1'), undefined, `${name}: Teredo tells no place`);
      assert.equal(at('2002:a01:203::1')?.country, 'US', name);
    }
  }
});

test('openGeo() reads all of IPv4 when it is one network of the file', () => {
  const bytes = writeMmdb(
    [entry('0.0.0.0/0', { country_code: 'DE' }), entry('2000::/3', { country_code: 'FR' })],
    { databaseType: 'test' },
  );
  const at = lookUp(opened(bytes, centroids));
  assert.equal(at('1.2.3.4')?.country, 'DE');
  assert.equal(at('::1.2.3.4'), undefined);
  assert.equal(at('2a00::')?.country, 'FR');
});

test('openGeo() gives the same ranges when a database is written in the MaxMind schema', () => {
  // A few countries only: the writer takes seconds for all of them.
  const kept = new Set(['SG', 'FI', 'CH', 'NZ', 'ZA']);
  const ranges = mapRanges(embedded.ranges, (value) =>
    kept.has(embedded.locations[value]!.country ?? '') ? value : 0,
  );
  const part: GeoDatabase = { ...embedded, ranges };
  const meta = { databaseType: 'GeoLite2-Country', recordSize: 28 } as const;
  const copy = opened(writeMmdb(entriesOfGeo(part), meta), centroids);
  assert.deepEqual(copy.ranges.starts4, ranges.starts4);
  assert.deepEqual(copy.ranges.starts6, ranges.starts6);
  const places = (geo: GeoDatabase) =>
    [...geo.ranges.values4, ...geo.ranges.values6].map((value) => geo.locations[value]!.country);
  assert.deepEqual(places(copy), places(part));
  assert.match(copy.attribution, /MaxMind.*; .*DB-IP/);
});

test('openGeo() gives the reason when the bytes are no database', () => {
  const good = writeMmdb([entry('10.0.0.0/8', { country_code: 'DE' })], { databaseType: 'test' });
  const nothing = writeMmdb([entry('10.0.0.0/8', { asn: 'none' })], { databaseType: 'test' });
  const cases: [string, Uint8Array, RegExp][] = [
    ['empty', new Uint8Array(0), /not a readable/],
    ['zeros', new Uint8Array(4096), /not a readable/],
    ['text', Buffer.from('hello '.repeat(999)), /not a readable/],
    ['gzip', Uint8Array.of(0x1f, 0x8b, 8, 0), /gzip/],
    ['this test', readFileSync(import.meta.filename), /./],
    ['tail only', good.subarray(good.length - 200), /cut off/],
    ['no locations', nothing, /no network in the file has a location/],
  ];
  for (const [name, bytes, expected] of cases) {
    const result = openGeo(bytes, centroids);
    assert.ok(!result.ok, name);
    assert.match(result.reason, expected, name);
  }
});

test('openGeo() refuses a search tree whose nodes form a loop', () => {
  const bytes = writeMmdb([entry('10.0.0.0/8', { country_code: 'DE' })], { databaseType: 'test' });
  bytes.fill(0, 3, 6); // The right record of node 0 now points back to node 0.
  assert.deepEqual(openGeo(bytes, centroids), { ok: false, reason: 'the search tree is corrupt' });
});

test('openGeo() refuses the embedded database when it is cut off', () => {
  for (const share of [0.1, 0.5, 0.999]) {
    const result = openGeo(embeddedBytes.subarray(0, embeddedBytes.length * share), centroids);
    assert.equal(result.ok, false);
  }
});

test('composeGeo() lets the first database that knows win, and overrides lie on top', () => {
  const first = opened(
    writeMmdb([entry('10.0.0.0/8', nestedRecord({ country: 'DE', city: 'Kassel' }))], {
      databaseType: 'city',
      buildEpochSeconds: 1_700_000_000,
    }),
    centroids,
  );
  const second = opened(
    writeMmdb(
      [entry('10.0.0.0/7', { country_code: 'FR' }), entry('2001:db8::/32', { country_code: 'JP' })],
      {
        databaseType: 'country',
        buildEpochSeconds: 1_600_000_000,
      },
    ),
    centroids,
  );
  const geo = composeGeo(
    [first, second],
    [
      { networks: ['10.1.0.0/16', '2001:db8:1::/48', 'nonsense'], location: { country: 'SG' } },
      { networks: ['10.1.2.0/24'], location: {} },
    ],
  );
  const at = lookUp(geo);
  assert.equal(at('10.0.0.1')?.city, 'Kassel');
  assert.equal(at('11.0.0.1')?.country, 'FR');
  assert.deepEqual(at('10.1.0.1'), { country: 'SG' });
  assert.equal(at('10.1.2.1'), undefined);
  assert.equal(at('2001:db8::1')?.country, 'JP');
  assert.equal(at('2001:db8:1::1')?.country, 'SG');
  assert.equal(at('12.0.0.1'), undefined);
  assert.equal(geo.builtAtMs, 1_600_000_000_000);
  assert.match(geo.description, /^city \(.*\), country \(.*\), 3 overrides$/);
  assert.equal(geo.attribution, centroids.attribution);
});

test('composeGeo() works from overrides alone', () => {
  const geo = composeGeo([], [{ networks: ['192.0.2.0/24'], location: { country: 'DE' } }]);
  assert.equal(lookUp(geo)('192.0.2.1')?.country, 'DE');
  assert.equal(geo.networks, 1);
});

test('openGeo() reads autonomous systems beside places, of every schema in use', () => {
  const records = {
    '192.0.2.0/24': {
      ...{ autonomous_system_number: 64496n, autonomous_system_organization: 'Example' },
      country: { iso_code: 'DE' },
    },
    '198.51.100.0/24': { country_code: 'FR', asn: 'AS64497', as_name: 'Another' },
    '203.0.113.0/24': { country_code: 'US', asn: 'none', autonomous_system_number: 0n },
    '2001:db8::/32': { autonomous_system_number: 4_200_000_000n },
  };
  const entries = Object.entries(records).map(([network, record]) => entry(network, record));
  const { ranges, systems, ...rest } = opened(writeMmdb(entries, { databaseType: 'x' }), centroids);
  const of = (text: string) => systemOf(systems, parseAddress(text)!);
  assert.deepEqual(of('192.0.2.7'), { number: 64496, name: 'Example' });
  assert.deepEqual(of('198.51.100.7'), { number: 64497, name: 'Another' });
  assert.equal(of('203.0.113.7'), undefined);
  assert.deepEqual(of('2001:db8::1'), { number: 4_200_000_000, name: '' });
  assert.equal(of('8.8.8.8'), undefined);
  assert.equal(locate({ ...rest, ranges, systems }, parseAddress('192.0.2.7')!)?.country, 'DE');
});

test('composeGeo() takes each network’s system from the first database that knows it', () => {
  const systemEntry = (network: string, number: bigint) =>
    entry(network, { autonomous_system_number: number });
  const made = (...entries: MmdbEntry[]) =>
    opened(writeMmdb(entries, { databaseType: 'x' }), centroids);
  const first = made(systemEntry('192.0.2.0/25', 1n));
  const second = made(systemEntry('192.0.2.0/24', 2n), entry('10.0.0.0/8', { country_code: 'DE' }));
  const { systems } = composeGeo([first, second], []);
  const of = (text: string) => systemOf(systems, parseAddress(text)!)?.number;
  assert.deepEqual([of('192.0.2.1'), of('192.0.2.129'), of('10.0.0.1')], [1, 2, undefined]);
});
