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
import { isPrivate, parseAddress } from '../../src/ip/address.ts';
import { containsAddress, formatPrefix } from '../../src/ip/prefix.ts';
import { arbitraryAddress, fuzzParameters, toAddress } from '../ip/range-oracle.ts';

const keyOf = (text: string): number => networkKey(parseAddress(text)!);

test('networkKey() is of a /24 or a /48, and of nothing that is private', () => {
  assert.equal(formatPrefix(networkOfKey(keyOf('203.0.113.77'))), '203.0.113.0/24');
  assert.equal(formatPrefix(networkOfKey(keyOf('2001:db8:1:2::3'))), '2001:db8:1::/48');
  assert.equal(formatPrefix(networkOfKey(keyOf('ffff:ffff:ffff::'))), 'ffff:ffff:ffff::/48');
  assert.equal(keyOf('::ffff:203.0.113.77'), keyOf('203.0.113.1'));
  for (const text of ['10.1.2.3', '127.0.0.1', 'fe80::1', '::1', 'fd00::1']) {
    assert.equal(keyOf(text), -1, text);
  }
});

test('networkKey() tells networks apart, and each holds its address', () => {
  const bits = fc.constantFrom(32, 128);
  const address = bits.chain((many) =>
    arbitraryAddress(many).map((value) => toAddress(value, many)),
  );
  fc.assert(
    fc.property(address, address, (a, b) => {
      const [one, two] = [networkKey(a), networkKey(b)];
      if (isPrivate(a) || isPrivate(b)) return;
      assert.ok(one >= 0 && one < KEY_LIMIT);
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
