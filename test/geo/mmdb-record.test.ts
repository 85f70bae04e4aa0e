import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Location } from '../../src/geo/location.ts';
import { readLocation } from '../../src/geo/mmdb-record.ts';
import { readCentroids } from './fixtures.ts';

const centroids = readCentroids();

test('readLocation() normalises the schemas in use', () => {
  const cases: [string, unknown, Location][] = [
    [
      'MaxMind City',
      {
        continent: { code: 'NA', names: { en: 'North America' } },
        country: { iso_code: 'US', geoname_id: 6252001 },
        registered_country: { iso_code: 'CA' },
        subdivisions: [{ iso_code: 'VA' }, { iso_code: '013' }],
        city: { names: { en: 'Ashburn', de: 'Aschbrunn' } },
        location: { latitude: 39.0438, longitude: -77.4874, accuracy_radius: 20 },
      },
      {
        latitude: 39.0438,
        longitude: -77.4874,
        continent: 'NA',
        country: 'US',
        subdivision: 'VA',
        city: 'Ashburn',
      },
    ],
    [
      'MaxMind registered country',
      { country: {}, registered_country: { iso_code: 'DE' } },
      { country: 'DE' },
    ],
    ['MaxMind continent only', { continent: { code: 'EU' } }, { continent: 'EU' }],
    ['flat country', { country_code: 'DE' }, { country: 'DE' }],
    [
      'flat city',
      {
        city: 'Mountain View',
        country_code: 'US',
        latitude: 37.422000885009766,
        longitude: -122.08499908447266,
        postcode: '',
        state1: 'California',
        state2: '',
        timezone: '',
      },
      {
        latitude: 37.422,
        longitude: -122.085,
        country: 'US',
        subdivision: 'CA',
        city: 'Mountain View',
      },
    ],
    ['flat, unknown state', { country_code: 'CN', state1: 'Nowhere' }, { country: 'CN' }],
    [
      'IPinfo Lite',
      {
        country: 'Germany',
        country_code: 'DE',
        continent: 'Europe',
        continent_code: 'EU',
        asn: 'AS1',
      },
      { country: 'DE', continent: 'EU' },
    ],
    [
      'IPinfo location',
      { city: 'Kassel', region: 'Hesse', country: 'DE', lat: '51.31', lng: '9.49' },
      { latitude: 51.31, longitude: 9.49, country: 'DE', subdivision: 'HE', city: 'Kassel' },
    ],
    ['one coordinate', { country_code: 'de', latitude: 5 }, { country: 'DE' }],
    [
      'impossible coordinates',
      { country_code: 'DE', latitude: 91, longitude: 0 },
      { country: 'DE' },
    ],
    ['not a number', { country_code: 'DE', latitude: Number.NaN, longitude: 0 }, { country: 'DE' }],
    ['wrong types', { country_code: 7, city: {}, latitude: [], state1: 1 }, {}],
    ['wrong nested types', { country: { iso_code: 7 }, subdivisions: {}, city: 'x' }, {}],
    ['null', null, {}],
    ['text', 'DE', {}],
    ['array', [{ country_code: 'DE' }], {}],
  ];
  for (const [name, record, expected] of cases)
    assert.deepEqual(readLocation(record, centroids), expected, name);
});

test('subdivisionNames() knows names regardless of accents, case and punctuation', () => {
  const cases: [string, string, string | undefined][] = [
    ['US', 'Virginia', 'VA'],
    ['US', 'west virginia', 'WV'],
    ['US', 'Washington, D.C.', 'DC'],
    ['CA', 'Québec', 'QC'],
    ['BR', 'São Paulo', 'SP'],
    ['DE', 'Baden-Württemberg', 'BW'],
    ['US', 'VA', 'VA'],
    ['GB', 'ENG', 'ENG'],
    ['FR', 'Île-de-France', 'IDF'],
    ['CN', 'Guangdong', 'GD'],
    ['IT', 'Lombardy', '25'],
    ['JP', 'Aichi', '23'],
    ['RU', 'St.-Petersburg', 'SPE'],
    ['US', 'Ontario', undefined],
  ];
  for (const [country, name, expected] of cases) {
    assert.equal(centroids.subdivisionNames(country, name), expected, name);
  }
});
