import assert from 'node:assert/strict';
import { test } from 'node:test';
import { composeGeo } from '../../src/geo/database.ts';
import { readLocation } from '../../src/geo/mmdb-record.ts';
import { formatPrefix } from '../../src/ip/prefix.ts';
import { cityEntries } from './city-database.ts';
import { createRandom } from './random.ts';

const NO_NAMES = { subdivisionNames: () => undefined };
const GERMANY = { country: 'DE', continent: 'EU', latitude: 51.17, longitude: 10.45 };
const FIJI = { country: 'FJ', continent: 'OC', latitude: -17.71, longitude: 178.07 };
const geo = composeGeo(
  [],
  [
    { networks: ['20.0.0.0/16', '20.1.0.0/24', '2001:db8::/33'], location: GERMANY },
    { networks: ['30.0.0.0/20', '2001:db9::/48'], location: FIJI },
  ],
);

test('cityEntries() cuts networks into pieces that are all of them, and keeps their countries', () => {
  const entries = cityEntries(geo, createRandom(1));
  const networks = entries.map(({ prefix }) => formatPrefix(prefix));
  assert.deepEqual(new Set(networks).size, networks.length);
  assert.deepEqual(networks.filter((network) => network.startsWith('20.0.')).slice(0, 3), [
    '20.0.0.0/21',
    '20.0.8.0/21',
    '20.0.16.0/21',
  ]);
  assert.equal(networks.filter((network) => network.startsWith('20.0.')).length, 32);
  assert.ok(networks.includes('20.1.0.0/24'));
  assert.ok(networks.includes('30.0.8.0/21'));
  assert.deepEqual(
    networks.filter((network) => network.startsWith('2001:')),
    [
      '2001:db8::/35',
      '2001:db8:2000::/35',
      '2001:db8:4000::/35',
      '2001:db8:6000::/35',
      '2001:db9::/48',
    ],
  );
  for (const { prefix, record } of entries) {
    const { city, country, latitude = NaN, longitude = NaN } = readLocation(record, NO_NAMES);
    assert.equal(country, /^(30\.|2001:db9)/.test(formatPrefix(prefix)) ? 'FJ' : 'DE');
    assert.ok(city !== undefined && Math.abs(latitude) <= 85 && Math.abs(longitude) <= 180);
  }
  const cities = new Set(entries.map(({ record }) => readLocation(record, NO_NAMES).city));
  assert.ok(cities.size > 20);
});

test('cityEntries() makes the same of the same seed', () => {
  const [first, again] = [7, 7].map((seed) => cityEntries(geo, createRandom(seed)));
  assert.deepEqual(first, again);
});
