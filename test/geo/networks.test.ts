import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { composeGeo, type GeoDatabase, locate } from '../../src/geo/database.ts';
import type { Location } from '../../src/geo/location.ts';
import { openNetworks } from '../../src/geo/networks.ts';
import { formatAddress, parseAddress } from '../../src/ip/address.ts';
import { containsAddress, formatPrefix, networkOf, type Prefix } from '../../src/ip/prefix.ts';
import { centroids } from '../config/centroids.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const open = (text: string) => openNetworks(Buffer.from(text), centroids, 7);

function reason(text: string): string {
  const opened = open(text);
  assert.ok(!opened.ok);
  return opened.reason;
}

test('openNetworks() reads networks with codes and coordinates, the innermost first', () => {
  const opened = open(
    '# ours\n192.0.2.0/24, DE\r\n\n192.0.2.128/25,1.5,-2\n2001:db8::/32,DE\n192.0.2.200,DE',
  );
  assert.ok(opened.ok);
  const { geo } = opened;
  const at = (text: string) => locate(geo, parseAddress(text)!);
  assert.equal(at('192.0.2.1')?.country, 'DE');
  assert.equal(at('192.0.2.129')?.latitude, 1.5);
  assert.equal(at('192.0.2.200')?.country, 'DE');
  assert.equal(at('2001:db8:1::')?.country, 'DE');
  assert.equal(at('192.0.3.0'), undefined);
  assert.equal(at('2001:db9::'), undefined);
  assert.deepEqual([geo.networks, geo.builtAtMs], [4, 0], 'what operators say does not age');
  assert.equal(geo.description, '4 networks (1970-01-01T00:00)');
});

test('openNetworks() reads cloud regions, comments behind entries, quotes and a byte order mark', () => {
  const at = lookUp('\ufeff192.0.2.0/24,aws/us-east-1 # ours\r\n"198.51.100.0/24" , "DE"\n');
  assert.equal(at('192.0.2.1')?.city, 'Ashburn');
  assert.equal(at('192.0.2.1')?.continent, 'NA');
  assert.equal(at('198.51.100.1')?.country, 'DE');
});

test('openNetworks() names the line that it cannot read', () => {
  assert.match(reason(''), /no network/);
  assert.match(reason('192.0.2.0/24'), /^line 1: "192\.0\.2\.0\/24" is no network with a place$/);
  assert.match(reason('192.0.2.0/24,DE\n# x\n192.0.2.1/24,DE'), /^line 3: .* is no network/);
  assert.match(reason('192.0.2.0/24,XX'), /^line 1: "XX" is no place/);
  assert.match(reason('192.0.2.0/24,91,0'), /^line 1: "91,0" is no place/);
  assert.match(reason('10.0.0.0/8,DE\n\n::/0,DE\n10.0.0.0/8,1,2'), /^line 4: .* there twice$/);
  const wrong = [
    '192.0.2.0/24,',
    '192.0.2.0/24,aws/eu-wst-1',
    '192.0.2.0/24,aws/us-east-1,,,',
    '192.0.2.0/24,50.11,8.68,Frankfurt,',
    '192.0.2.0/24,US-VX',
    '192.0.2.0/24,DE,US-AL',
    '192.0.2.0/24,"DE',
    '192.0.2.0/24,D"E',
    '192.0.2.0/24,"DE"x',
    '192.0.2.0/33,DE,DE-BY',
    '#\ufeff\n\ufeff192.0.2.0/24x,DE',
  ];
  for (const line of wrong) assert.match(reason(`::/0,DE\n${line}`), /^line [23]: /, line);
  assert.match(reason(`::/0,DE\n192.0.2.0/24,${'x'.repeat(10_000)}`), /^.{1,160}$/);
  const latin1 = openNetworks(Buffer.from('192.0.2.0/24,DE # M\xfcnchen', 'latin1'), centroids, 0);
  assert.ok(latin1.ok, 'comments may be anything');
});

/** Sections 2.1.1 and 2.2. */
const RFC_8805 = `# IETF106 (Singapore) - November 2019 - Singapore, SG
130.129.0.0/16,SG,SG-01,Singapore,
2001:df8::/32,SG,SG-01,Singapore,
192.0.2.0/25,US,US-AL,,
192.0.2.5,US,US-AL,Alabaster,
192.0.2.128/25,PL,PL-MZ,,
2001:db8::/32,PL,,,
2001:db8:cafe::/48,PL,PL-MZ,,
199.91.192.0/21,MA,MA-07,Marrakech
203.0.113.0/24,JP,,S\u00e3o Paulo,106-6126
2001:DB8:0:1:0:0:0:0/64,pl,pl-mz,,
2001:db8:1::/48,,,,
`;

test('openNetworks() reads the examples of RFC 8805', () => {
  const world = {
    ...centroids,
    countries: new Map([
      ...centroids.countries,
      ['JP', { latitude: 35.6, longitude: 139.6, continent: 'AS', addresses: 1 }],
      ['MA', { latitude: 33.4, longitude: -7, continent: 'AF', addresses: 1 }],
      ['PL', { latitude: 52.1, longitude: 19.6, continent: 'EU', addresses: 1 }],
    ]),
  };
  const opened = openNetworks(Buffer.from(RFC_8805), world, 7);
  assert.ok(opened.ok, JSON.stringify(opened));
  assert.equal(opened.warning, undefined);
  assert.equal(opened.geo.networks, 11);
  const at = lookUpIn(opened.geo);
  const poland = { country: 'PL', continent: 'EU', latitude: 52.1, longitude: 19.6 };
  const mazovia = { ...poland, subdivision: 'MZ' };
  const alabama = { country: 'US', subdivision: 'AL', continent: 'NA' };
  const america = { ...alabama, latitude: 38.5, longitude: -92.1 };
  assert.deepEqual(at('192.0.2.4'), america, 'the centre of the country: no place of AL is known');
  assert.deepEqual(at('192.0.2.5'), { ...america, city: 'Alabaster' });
  assert.deepEqual(at('192.0.2.200'), mazovia);
  assert.deepEqual(at('2001:db8::'), poland);
  assert.deepEqual(at('2001:db8:cafe::1'), mazovia);
  assert.deepEqual(at('2001:db8:0:1::1'), mazovia);
  assert.deepEqual(at('2001:db8:1::1'), {}, 'it is to have none');
  assert.equal(at('130.129.1.1')?.city, 'Singapore');
  assert.equal(at('199.91.192.1')?.city, 'Marrakech');
  assert.equal(at('203.0.113.1')?.city, 'S\u00e3o Paulo');
});

test('openNetworks() passes over wrong entries of geofeeds, and says how many', () => {
  const good = '192.0.2.0/25,DE,,,';
  const wrong: readonly [string, RegExp][] = [
    ['ip_prefix,alpha2code,region,city,postal_code', /"ip_prefix,.*" is no network with a place/],
    ['192.0.2.0/33,DE,,,', /no network/],
    ['192.0.2.1/24,DE,,,', /no network/],
    [',DE,,,', /no network/],
    ['198.51.100.0/24,XX,,,', /"XX" is no code of a country/],
    ['198.51.100.0/24,DEU,,,', /"DEU" is no code of a country/],
    ['198.51.100.0/24,DE,BY,Munich,', /"BY" is no code of a region/],
    ['198.51.100.0/24,DE,US-VA,,', /"US-VA" is not in DE/],
    ['198.51.100.0/24,ZZ,US-VA,,', /"US-VA" is not in ZZ/],
    ['198.51.100.0/24,,,Munich,', /"Munich" has no country/],
    ['198.51.100.0/24,,,,80331', /"80331" has no country/],
    [`198.51.100.0/24,DE,,${'x'.repeat(201)},`, /is no name of a city/],
    ['198.51.100.0/24,DE,,Mun\u001bich,', /is no name of a city/],
    ['192.0.2.0/25,US,,,', /this network is there twice/],
  ];
  for (const [line, why] of wrong) {
    const opened = open(`${good}\n${line}`);
    assert.ok(opened.ok, line);
    assert.match(opened.warning ?? '', /^a wrong entry is passed over: line 2: /, line);
    assert.match(opened.warning!, why);
    assert.equal(opened.geo.networks, 1);
    assert.equal(lookUpIn(opened.geo)('192.0.2.1')?.country, 'DE');
  }
  const all = open(['# x', ...wrong.map(([line]) => line), good].join('\n'));
  assert.ok(all.ok);
  assert.match(
    all.warning!,
    /^14 wrong entries are passed over, the first of them: line 2: "ip_prefix/,
  );
  assert.match(reason(wrong[4]![0]), /^line 1: "XX" is no code of a country/);
  const latin1 = Buffer.from(`${good}\n198.51.100.0/24,DE,,M\xfcnchen,`, 'latin1');
  const opened = openNetworks(latin1, centroids, 0);
  assert.ok(opened.ok && /line 2: .* is not UTF-8/.test(opened.warning!));
});

test('openNetworks() refuses a network that is there twice in the own form, wherever the other one is', () => {
  assert.match(reason('192.0.2.0/25,US,,,\n192.0.2.0/25,DE'), /^line 2: .* twice/);
  const opened = open('192.0.2.0/25,DE\n192.0.2.0/25,US,,,\n192.0.2.0/25,SG,,,');
  assert.ok(opened.ok);
  assert.match(opened.warning!, /^2 wrong entries .*: line 2: this network is there twice$/);
  assert.equal(lookUpIn(opened.geo)('192.0.2.1')?.country, 'DE');
});

test('openNetworks() ignores what is behind the postal code, and codes in small letters are codes', () => {
  const at = lookUp(
    '192.0.2.0/24,us,us-va,"Ashburn ""East"", VA",20147,more,,\n198.51.100.0/24,,DE-BY,,\n::/1,,,,,x',
  );
  assert.deepEqual(at('192.0.2.1'), {
    ...{ country: 'US', subdivision: 'VA', continent: 'NA', city: 'Ashburn "East", VA' },
    ...{ latitude: 38.8, longitude: -77.4 },
  });
  assert.equal(at('198.51.100.1')?.subdivision, 'BY');
  assert.deepEqual(at('2001:db8::'), {});
  assert.equal(at('8000::'), undefined);
});

test('a network that is to have no location has none, whatever coarser entries and later databases say', () => {
  const feed = openedOf('10.0.0.0/8,DE,,,\n10.1.0.0/16,,,,\n10.1.2.0/24,US,,,\n10.2.0.0/16,ZZ\n');
  const later = openedOf('10.0.0.0/8,SG\n192.0.2.0/24,SG');
  const countries = (geo: GeoDatabase) =>
    ['10.0.0.1', '10.1.0.1', '10.1.2.1', '10.2.0.1', '192.0.2.1'].map(
      (address) => lookUpIn(geo)(address)?.country,
    );
  const none = undefined;
  assert.deepEqual(countries(composeGeo([feed, later], [])), ['DE', none, 'US', none, 'SG']);
  assert.deepEqual(countries(composeGeo([later, feed], [])), ['SG', 'SG', 'SG', 'SG', 'SG']);
  const alone = composeGeo([feed], []);
  assert.equal(lookUpIn(alone)('10.1.0.1'), undefined);
  assert.equal(alone.nowhere, undefined);
  assert.equal(new Set(alone.locations.map((each) => JSON.stringify(each))).size, 3);
  const override = { networks: ['10.1.0.0/16'], location: { country: 'SG' } };
  assert.deepEqual(countries(composeGeo([feed], [override])), ['DE', 'SG', 'SG', none, none]);
});

function openedOf(text: string): GeoDatabase {
  const opened = open(text);
  assert.ok(opened.ok, JSON.stringify(opened));
  return opened.geo;
}

function lookUp(text: string): (address: string) => Location | undefined {
  return lookUpIn(openedOf(text));
}

function lookUpIn(geo: GeoDatabase): (address: string) => Location | undefined {
  return (address) => locate(geo, parseAddress(address)!);
}

const family = fc.constantFrom(4, 6);
/** Few different bits, so that networks are often in each other, and reach the ends of the space. */
const drawnPrefix = fc
  .tuple(
    family,
    fc.array(fc.constantFrom(0, 1, 0x80, 0xff), { minLength: 16, maxLength: 16 }),
    fc.nat(128),
  )
  .map(([of, bytes, length]): Prefix => {
    const octets = Uint8Array.from(bytes.slice(0, of === 4 ? 4 : 16));
    return networkOf({ family: of as 4 | 6, bytes: octets }, length % (octets.length * 8 + 1));
  })
  // What carries IPv4 in IPv6 is answered by IPv4.
  .filter(({ address, length }) => address.family === 4 || (address.bytes[0] !== 0 && length > 0));

test('networks say what the longest of them that holds an address says', () => {
  fc.assert(
    fc.property(fc.uniqueArray(drawnPrefix, { selector: formatPrefix, minLength: 1 }), (drawn) => {
      const opened = open(drawn.map((each, i) => `${formatPrefix(each)},0,${i % 100}`).join('\n'));
      assert.ok(opened.ok, JSON.stringify(opened));
      for (const { address } of drawn) {
        for (const last of [0, 1, 0xff]) {
          const bytes = address.bytes.with(-1, last);
          const asked = { family: address.family, bytes };
          const holding = drawn
            .map((prefix, i) => ({ prefix, i }))
            .filter(({ prefix }) => containsAddress(prefix, asked))
            .sort((a, b) => b.prefix.length - a.prefix.length);
          const found: number | undefined = locate(opened.geo, asked)?.longitude;
          const expected = holding[0] === undefined ? undefined : holding[0].i % 100;
          assert.equal(found, expected, `${formatAddress(asked)} of ${drawn.map(formatPrefix)}`);
        }
      }
    }),
    { seed: fuzzSeed(45), numRuns: fuzzRuns(300) },
  );
});
