import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  blockKey,
  isBlock,
  KEY_LIMIT,
  networkKey,
  networkOfKey,
  prefixOfKey,
} from '../../src/clients/network-key.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { containsAddress, formatPrefix } from '../../src/ip/prefix.ts';
import { arbitraryAddress, fuzzParameters, toAddress } from '../ip/range-oracle.ts';

const keyOf = (text: string): number => networkKey(parseAddress(text)!);

test('networkKey() is of a /24 or a /48, and of nothing that every machine has', () => {
  assert.equal(formatPrefix(networkOfKey(keyOf('203.0.113.77'))), '203.0.113.0/24');
  assert.equal(formatPrefix(networkOfKey(keyOf('2001:db8:1:2::3'))), '2001:db8:1::/48');
  assert.equal(formatPrefix(networkOfKey(keyOf('ffff:ffff:ffff::'))), 'ffff:ffff:ffff::/48');
  assert.equal(keyOf('::ffff:203.0.113.77'), keyOf('203.0.113.1'));
  assert.equal(formatPrefix(networkOfKey(keyOf('10.1.2.3'))), '10.1.2.0/24');
  assert.equal(formatPrefix(networkOfKey(keyOf('fd00::1'))), 'fd00::/48');
  const everywhere = ['0.0.0.0', '127.0.0.1', '169.254.7.1', 'febf::1', '::1', '::ffff:127.0.0.1'];
  for (const text of everywhere) assert.equal(keyOf(text), -1, text);
});

test('networkKey() tells networks apart, and each holds its address', () => {
  const bits = fc.constantFrom(32, 128);
  const address = bits.chain((many) =>
    arbitraryAddress(many).map((value) => toAddress(value, many)),
  );
  fc.assert(
    fc.property(address, address, (a, b) => {
      const [one, two] = [networkKey(a), networkKey(b)];
      if (one < 0 || two < 0) return;
      assert.ok(one < KEY_LIMIT);
      if (a.family === b.family) {
        const network = networkOfKey(one);
        if (containsAddress(network, a)) assert.equal(containsAddress(network, b), one === two);
      }
      const block = blockKey(one);
      assert.ok(isBlock(block) && !isBlock(one));
      assert.ok(containsAddress(prefixOfKey(block), networkOfKey(one).address));
    }),
    fuzzParameters(500),
  );
});
