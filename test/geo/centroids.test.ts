import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  completeLocation,
  countryName,
  locationOfCode,
  parseCentroids,
} from '../../src/geo/centroids.ts';
import { distanceKm } from '../../src/geo/distance.ts';
import { opened, readCentroids, readCountries } from './fixtures.ts';

const centroids = readCentroids();

test('parseCentroids() knows a place and a continent for every country of the embedded database', () => {
  const geo = opened(readCountries(), {
    ...centroids,
    countries: new Map(),
    subdivisions: new Map(),
  });
  const countries = geo.locations.slice(1).map(({ country }) => country!);
  assert.ok(countries.length >= 249);
  for (const country of countries) {
    const found = centroids.countries.get(country);
    assert.ok(found, country);
    assert.match(found.continent, /^(AF|AN|AS|EU|NA|OC|SA)$/);
  }
});

test('locationOfCode() lies where the addresses of a place are', () => {
  const cases: [string, number, number, number, string][] = [
    ['DE', 50.1, 8.7, 250, 'EU'],
    ['SG', 1.35, 103.8, 30, 'AS'],
    ['US', 39, -90, 500, 'NA'],
    ['FJ', -18.1, 178.4, 100, 'OC'],
    ['KI', 1.4, 173, 400, 'OC'],
    ['US-VA', 38.5, -77.5, 150, 'NA'],
    ['CA-ON', 43.7, -79.4, 150, 'NA'],
    ['AU-NSW', -33.9, 151.2, 150, 'OC'],
    ['de-by', 48.5, 11.5, 150, 'EU'],
  ];
  for (const [code, latitude, longitude, withinKm, continent] of cases) {
    const location = locationOfCode(code, centroids);
    assert.ok(location, code);
    assert.ok(distanceKm(location, { latitude, longitude })! < withinKm, code);
    assert.equal(location.continent, continent);
  }
  assert.equal(locationOfCode('US-VA', centroids)?.subdivision, 'VA');
});

test('locationOfCode() is undefined when the code is unknown', () => {
  for (const code of ['', 'ZZ', 'US-ZZ', 'US-', 'US-VA-1', 'DEU', 'constructor', '-']) {
    assert.equal(locationOfCode(code, centroids), undefined, code);
  }
});

test('locationOfCode() knows all states of the US and provinces of Canada', () => {
  const count = (country: string) =>
    [...centroids.subdivisions.keys()].filter((code) => code.startsWith(country)).length;
  assert.equal(count('US-'), 51);
  assert.equal(count('CA-'), 13);
});

test('completeLocation() keeps what is known and fills in the rest', () => {
  const berlin = { latitude: 52.5, longitude: 13.4, country: 'DE', city: 'Berlin' };
  assert.deepEqual(completeLocation(berlin, centroids), { ...berlin, continent: 'EU' });
  const virginia = completeLocation({ country: 'US', subdivision: 'VA' }, centroids);
  assert.deepEqual(virginia, locationOfCode('US-VA', centroids));
  const { latitude } = completeLocation({ country: 'US', subdivision: 'ZZ' }, centroids);
  assert.equal(latitude, locationOfCode('US', centroids)?.latitude);
  assert.deepEqual(completeLocation({}, centroids), {});
  assert.deepEqual(completeLocation({ country: 'ZZ' }, centroids), { country: 'ZZ' });
});

test('parseCentroids() throws when the data is malformed', () => {
  const good = { attribution: 'x', countries: { DE: [1, 2, 'EU', 3] }, subdivisions: {} };
  assert.equal(parseCentroids(good).countries.size, 1);
  const cases = [
    null,
    [],
    {},
    { ...good, attribution: 1 },
    { ...good, countries: { DE: {} } },
    { ...good, countries: { DE: [1, 2] } },
    { ...good, countries: { DE: [91, 2, 'EU', 3] } },
    { ...good, subdivisions: { 'US-VA': [1, '2'] } },
  ];
  for (const json of cases) assert.throws(() => parseCentroids(json), /malformed/);
});

test('countryName() gives the English name, or the code when there is none', () => {
  assert.equal(countryName('DE'), 'Germany');
  assert.equal(countryName('XK'), 'Kosovo');
  assert.equal(countryName('ZQ'), 'ZQ');
  assert.equal(countryName('nonsense'), 'nonsense');
});
