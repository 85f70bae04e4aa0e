import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { composeGeo, type GeoDatabase, locate } from '../../src/geo/database.ts';
import { openNetworks } from '../../src/geo/networks.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { containsAddress, formatPrefix, networkOf, type Prefix } from '../../src/ip/prefix.ts';
import { centroids } from '../config/centroids.ts';
import { fuzzParameters } from '../ip/range-oracle.ts';

const open = (text: string) => openNetworks(Buffer.from(text), centroids, 0);

/** Pieces of lines, good ones and such as break them. */
const piece = fc.constantFrom(
  ...[
    '192.0.2.0/24',
    '192.0.2.1',
    '10.0.0.0/8',
    '2001:db8::/32',
    '::/0',
    '10.0.0.1/8',
    '/',
    '300.1',
  ],
  ...['DE', 'us', 'ZZ', 'XX', 'US-VA', 'us-al', 'DE-BY', 'aws/us-east-1', 'aws/x', '50.11', '-181'],
  ...[
    'Frankfurt',
    'S\u00e3o Paulo',
    '"',
    '""',
    '"a, b"',
    '#',
    ' ',
    '\t',
    '\r',
    '\ufeff',
    '\u0000',
    '\u00ff',
  ],
  ...[',', ',', ',', ',', ',,', ',,,', ',,,,', '\n', '\n', '\n'],
);

function check(bytes: Uint8Array): void {
  const opened = openNetworks(bytes, centroids, 0);
  if (!opened.ok) {
    assert.match(opened.reason, /^[\P{Cc}]{1,200}$/u);
    return;
  }
  const { geo, warning } = opened;
  assert.ok(geo.networks > 0);
  if (warning !== undefined) assert.match(warning, /^[\P{Cc}]{1,260}$/u);
  for (const values of [geo.ranges.values4, geo.ranges.values6]) {
    for (const value of values) assert.ok(value < geo.locations.length);
  }
  const distinct = new Set(geo.locations.map((location) => JSON.stringify(location)));
  assert.equal(distinct.size, geo.locations.length - (geo.nowhere === undefined ? 0 : 1));
  const composed = composeGeo([geo], []);
  assert.equal(composed.nowhere, undefined);
}

test('openNetworks() never throws, and says what is wrong in one line', () => {
  const lines = fc.array(piece, { maxLength: 60 }).map((pieces) => Buffer.from(pieces.join('')));
  const noise = fc.uint8Array({ maxLength: 200 });
  fc.assert(fc.property(fc.oneof(lines, noise), check), fuzzParameters(5000));
});

/** Networks in each other. */
const network = fc
  .tuple(fc.constantFrom('10.0.0.0', '10.128.0.0', '10.255.255.0'), fc.integer({ min: 4, max: 26 }))
  .map(([address, length]) => networkOf(parseAddress(address)!, length));

/** A line of a geofeed, and the country that it is to give: '' = none, undefined = it is to be passed over. */
const feedPlace = fc.constantFrom<readonly [string, string | undefined]>(
  ['DE,DE-BY,Munich,', 'DE'],
  ['us,,,', 'US'],
  [',SG-01,,', 'SG'],
  [',,,', ''],
  [' , , , ', ''],
  ['ZZ,,,', ''],
  ['XX,,,', undefined],
  ['DE,US-VA,,', undefined],
  [',,Munich,', undefined],
  ['"DE,,,', undefined],
);

type Drawn = { readonly prefix: Prefix; readonly country: string };

/** The longest of them that holds the address says it. */
function countryAt(drawn: readonly Drawn[], address: string): string | undefined {
  const asked = parseAddress(address)!;
  const holding = drawn.filter(({ prefix }) => containsAddress(prefix, asked));
  return holding.sort((a, b) => b.prefix.length - a.prefix.length)[0]?.country;
}

test('good entries of a geofeed hold as if there were no wrong ones, over all behind them', () => {
  const behind = open('10.0.0.0/9,SG\n0.0.0.0/0,US');
  assert.ok(behind.ok);
  const beside = behind.geo;
  const entry = fc.tuple(network, feedPlace);
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 12 }), (entries) => {
      const text = entries.map(([prefix, [place]]) => `${formatPrefix(prefix)},${place}`);
      const drawn = new Map<string, Drawn>();
      for (const [prefix, [, country]] of entries) {
        const key = formatPrefix(prefix);
        if (country !== undefined && !drawn.has(key)) drawn.set(key, { prefix, country });
      }
      const opened = open(text.join('\r\n'));
      assert.equal(opened.ok, drawn.size > 0, JSON.stringify(opened));
      if (!opened.ok) return;
      assert.equal(opened.warning !== undefined, drawn.size < entries.length);
      assert.equal(opened.geo.networks, drawn.size);
      const composed: GeoDatabase = composeGeo([opened.geo, beside], []);
      for (const address of ['10.0.0.1', '10.127.0.1', '10.128.0.9', '10.255.255.77', '11.0.0.1']) {
        const told = countryAt([...drawn.values()], address);
        const expected = told ?? (/^10\.(0|127)\./.test(address) ? 'SG' : 'US');
        const found = locate(composed, parseAddress(address)!)?.country ?? '';
        assert.equal(found, expected, `${address} of ${text.join(' | ')}`);
      }
    }),
    fuzzParameters(1000),
  );
});
