import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { networkKey, networkOfKey } from '../../src/clients/network-key.ts';
import { networkSites } from '../../src/clients/network-sites.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { formatPrefix, networkOf, parsePrefix } from '../../src/ip/prefix.ts';
import { overlayPrefixes, uniformRanges } from '../../src/ip/ranges.ts';
import { fuzzParameters } from '../ip/range-oracle.ts';

const rangesOf = (...sites: readonly (readonly [string, number])[]) =>
  overlayPrefixes(
    uniformRanges(0),
    sites.map(([text, value]) => ({ prefix: parsePrefix(text)!, value })),
  );
const key = (text: string): number => networkKey(parseAddress(text)!);
const texts = (networks: readonly number[]) =>
  networks.map((network) => formatPrefix(networkOfKey(network)));

test('a site has the networks that it has a part of, and each network is of one site', () => {
  const ranges = rangesOf(
    ['192.0.2.0/23', 1],
    ['198.51.100.64/26', 2],
    ['198.51.100.128/26', 1],
    ['2001:db8::/47', 2],
    ['2001:db8:7:8000::/52', 1],
    ['255.255.255.0/24', 3],
    ['ffff:ffff:ffff::/48', 3],
  );
  const sites = networkSites(ranges);
  assert.deepEqual(texts(sites.networksOf(1)), [
    ...['192.0.2.0/24', '192.0.3.0/24', '2001:db8:7::/48'],
  ]);
  assert.deepEqual(texts(sites.networksOf(2)), [
    ...['198.51.100.0/24', '2001:db8::/48', '2001:db8:1::/48'],
  ]);
  assert.deepEqual(texts(sites.networksOf(3)), ['255.255.255.0/24', 'ffff:ffff:ffff::/48']);
  assert.equal(sites.siteOf(key('192.0.3.7')), 1);
  assert.equal(sites.siteOf(key('198.51.100.200')), 2, 'the first has it');
  assert.equal(sites.siteOf(key('8.8.8.8')), 0);
  assert.deepEqual(sites.networksOf(9), []);
  assert.equal(sites.isCutOff, false);
});

test('there is a bound, and the whole world is no loop without end', () => {
  const sites = networkSites(rangesOf(['192.0.2.0/24', 2], ['0.0.0.0/0', 1], ['::/0', 1]), 1000);
  assert.equal(sites.isCutOff, true);
  assert.equal(sites.networksOf(1).length, 1000);
  assert.equal(networkSites(undefined).siteOf(7), 0);
});

test('a network is of a site exactly when the site has a part of it', () => {
  const address = fc.oneof(
    fc.tuple(
      fc.constantFrom('10.0.0.0', '10.0.1.128', '10.0.2.0'),
      fc.integer({ min: 20, max: 32 }),
    ),
    fc.tuple(fc.constantFrom('2001:db8::', '2001:db8:1:8000::'), fc.integer({ min: 40, max: 64 })),
  );
  fc.assert(
    fc.property(fc.array(address, { minLength: 1, maxLength: 6 }), (drawn) => {
      const prefixes = drawn.map(([text, length]) => networkOf(parseAddress(text)!, length));
      const overlays = prefixes.map((prefix) => ({ prefix, value: 1 }));
      const sites = networkSites(overlayPrefixes(uniformRanges(0), overlays), 10_000);
      const expected = new Set<number>();
      for (const { address: first, length } of prefixes) {
        const bits = first.family === 4 ? 24 : 48;
        const at = networkKey(first);
        for (let index = 0; index < 2 ** Math.max(0, bits - length); index += 1) {
          expected.add(at + index);
        }
      }
      assert.deepEqual(
        [...sites.networksOf(1)],
        [...expected].sort((a, b) => a - b),
      );
    }),
    fuzzParameters(300),
  );
});
