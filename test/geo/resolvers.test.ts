import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { composeGeo, type GeoDatabase, locate } from '../../src/geo/database.ts';
import { openNetworks } from '../../src/geo/networks.ts';
import { openResolvers } from '../../src/geo/resolvers.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { valueAt } from '../../src/ip/range-search.ts';
import { centroids } from '../config/centroids.ts';
import { fuzzParameters } from '../ip/range-oracle.ts';

const open = (text: string) => openResolvers(Buffer.from(text), centroids, 0);

function geoOf(text: string): GeoDatabase {
  const opened = open(text);
  assert.ok(opened.ok, JSON.stringify(opened));
  return opened.geo;
}

const siteAt = ({ sites }: GeoDatabase, text: string): number =>
  valueAt(sites!, parseAddress(text)!);

test('networks of a place are a site, in a geofeed and in a file of our own', () => {
  const geo = geoOf(`# what a resolver's operator publishes
192.0.2.0/24,DE,DE-BY,Munich,
198.51.100.0/24,DE,DE-BY,Munich,
203.0.113.0/24,SG,,,
2001:db8::/48,,,,
`);
  const munich = siteAt(geo, '192.0.2.9');
  assert.ok(munich > 0);
  assert.equal(siteAt(geo, '198.51.100.1'), munich);
  assert.notEqual(siteAt(geo, '203.0.113.1'), munich);
  assert.ok(siteAt(geo, '203.0.113.1') > 0);
  assert.equal(siteAt(geo, '2001:db8::1'), 0, 'which has no place is of no site');
  assert.equal(siteAt(geo, '8.8.8.8'), 0);
  assert.equal(locate(geo, parseAddress('192.0.2.9')!)?.city, 'Munich');
  assert.ok(siteAt(geoOf('192.0.2.0/24,US-VA'), '192.0.2.1') > 0);
});

test('a list of networks and names has sites, and says nothing of places', () => {
  const geo = geoOf('192.0.2.0/24 fra\n192.0.2.0/26\tmuc # inside\n2001:db8:7::/48   fra\n');
  assert.equal(siteAt(geo, '192.0.2.200'), siteAt(geo, '2001:db8:7::1'));
  assert.notEqual(siteAt(geo, '192.0.2.1'), siteAt(geo, '192.0.2.200'));
  assert.equal(locate(geo, parseAddress('192.0.2.1')!), undefined);
  assert.match(geo.description, /^3 networks of 2 resolver sites/);
});

test('what is wrong with a file is said with its line', () => {
  const reasonOf = (text: string): string => {
    const opened = open(text);
    assert.ok(!opened.ok);
    return opened.reason;
  };
  assert.equal(reasonOf('# nothing\n'), 'there is no network in the file');
  assert.equal(
    reasonOf('192.0.2.1/24 muc'),
    'line 1: "192.0.2.1/24 muc" is no network with a site',
  );
  assert.match(reasonOf('192.0.2.0/24'), /^line 1: /);
  assert.match(reasonOf('192.0.2.0/24 a b'), /^line 1: /);
  assert.match(reasonOf('192.0.2.0/24,XX'), /^line 1: /);
});

test('wrong entries of lists that others publish are passed over', () => {
  const opened = open('192.0.2.0/24 fra\n192.0.2.0/24 muc\n198.51.100.0/24,DE\n2001:db8::/32 muc');
  assert.ok(opened.ok);
  assert.match(
    opened.warning ?? '',
    /^2 wrong entries are passed over, the first of them: line 2: /,
  );
  assert.match(opened.geo.description, /^2 networks of 2 resolver sites/);
  assert.equal(siteAt(opened.geo, '192.0.2.1'), 1, 'the first holds');
});

test('places of resolvers are right before those of databases, sites of two files are different ones', () => {
  const [first, second] = [geoOf('192.0.2.0/24,DE'), geoOf('192.0.0.0/16 a\n198.51.100.0/24 a')];
  const behind = openNetworks(Buffer.from('0.0.0.0/0,US'), centroids, 0);
  assert.ok(behind.ok);
  const geo = composeGeo([first, second, behind.geo], []);
  const countryAt = (text: string) => locate(geo, parseAddress(text)!)?.country;
  assert.deepEqual(['192.0.2.1', '198.51.100.1', '8.8.8.8'].map(countryAt), ['DE', 'US', 'US']);
  assert.equal(siteAt(geo, '192.0.2.1'), 1, 'the first file has its say');
  assert.equal(siteAt(geo, '192.0.3.1'), siteAt(geo, '198.51.100.1'));
  assert.notEqual(siteAt(geo, '192.0.3.1'), siteAt(geo, '192.0.2.1'));
  assert.equal(siteAt(geo, '8.8.8.8'), 0);
  assert.equal(composeGeo([behind.geo, behind.geo], []).sites, undefined);
});

test('openResolvers() never throws, and says what is wrong in one line', () => {
  const piece = fc.constantFrom(
    ...['192.0.2.0/24', '10.0.0.0/8', '2001:db8::/32', '::/0', '10.0.0.1/8', '/', 'fra', 'muc'],
    ...[
      'DE',
      'XX',
      'US-VA',
      '#',
      '"',
      '\t',
      '\r',
      '\ufeff',
      '\u0000',
      '\u00ff',
      '-',
      '.',
      ' ',
      ' ',
    ],
    ...[' ', ',', ',,,', '\n', '\n', '\n'],
  );
  const lines = fc.array(piece, { maxLength: 60 }).map((pieces) => Buffer.from(pieces.join('')));
  fc.assert(
    fc.property(fc.oneof(lines, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      const opened = openResolvers(bytes, centroids, 0);
      if (!opened.ok) assert.match(opened.reason, /^[\P{Cc}]{1,200}$/u);
      else assert.ok([...opened.geo.sites!.values4, ...opened.geo.sites!.values6].length >= 2);
    }),
    fuzzParameters(3000),
  );
});
