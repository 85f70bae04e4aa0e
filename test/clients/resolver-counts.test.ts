import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { networkKey } from '../../src/clients/network-key.ts';
import { createResolverCounts } from '../../src/clients/resolver-counts.ts';
import {
  decodeResolvers,
  encodeResolvers,
  mergeResolvers,
  RESOLVERS_TOLD_MAX,
} from '../../src/clients/resolver-list.ts';
import {
  type Address,
  addressFromUint32,
  formatAddress,
  parseAddress,
} from '../../src/ip/address.ts';
import { createRandom } from '../bench/random.ts';
import { fuzzParameters } from '../ip/range-oracle.ts';

const at = (text: string): Address => parseAddress(text)!;
const texts = (resolvers: readonly { readonly address: Address; readonly count: number }[]) =>
  resolvers.map(({ address, count }) => `${formatAddress(address)} ${count}`);

test('networks are counted, by the address that came first', () => {
  const counts = createResolverCounts();
  for (const text of [
    '192.0.2.1',
    '192.0.2.2',
    '2001:db8::1',
    '192.0.2.1',
    '2001:db8::2',
    '198.51.100.1',
  ]) {
    counts.add(at(text));
  }
  assert.deepEqual(texts(counts.top(10)), ['192.0.2.1 3', '2001:db8::1 2']);
  assert.deepEqual(texts(counts.top(1)), ['192.0.2.1 3']);
});

test('what was counted long ago is forgotten', () => {
  const counts = createResolverCounts();
  for (let index = 0; index < 8; index += 1) counts.add(at('192.0.2.1'));
  counts.fade(0.5);
  assert.deepEqual(texts(counts.top(10)), ['192.0.2.1 4']);
  for (let index = 0; index < 4; index += 1) counts.fade(0.5);
  assert.deepEqual(counts.top(10), []);
});

test('a flood of made-up addresses neither takes memory nor hides who asks much', () => {
  const networksMax = 500;
  const counts = createResolverCounts(networksMax);
  const random = createRandom(7);
  for (let index = 0; index < 100_000; index += 1) {
    // A part in a hundred is one resolver's: five times what is needed to be kept.
    counts.add(index % 100 === 0 ? at('8.8.8.8') : addressFromUint32(random()));
  }
  const top = counts.top(networksMax + 1);
  assert.ok(top.length <= networksMax);
  assert.equal(formatAddress(top[0]!.address), '8.8.8.8');
});

test('networks that every machine has are not counted', () => {
  const counts = createResolverCounts();
  for (let index = 0; index < 5; index += 1) counts.add(at('127.0.0.1'));
  assert.deepEqual(counts.top(10), []);
});

const resolver = fc.record({
  address: fc
    .oneof(fc.ipV4(), fc.ipV6())
    .map(at)
    .filter((address) => networkKey(address) >= 0),
  count: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
});

test('a list of resolvers comes back as it was', () => {
  fc.assert(
    fc.property(fc.array(resolver, { maxLength: 30 }), (resolvers) => {
      const read = decodeResolvers(encodeResolvers(resolvers));
      assert.deepEqual(texts(read!), texts(resolvers));
    }),
    fuzzParameters(300),
  );
});

test('decodeResolvers() never throws, and takes nothing that is no list of resolvers', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.array(fc.oneof(fc.tuple(fc.ipV4(), fc.anything()), fc.anything())).map((value) => {
          return JSON.stringify(value) ?? '';
        }),
      ),
      (text) => {
        for (const { address, count } of decodeResolvers(text) ?? []) {
          assert.ok(networkKey(address) >= 0 && Number.isInteger(count) && count >= 1);
        }
      },
    ),
    fuzzParameters(500),
  );
  for (const text of [
    '',
    '{}',
    '[["192.0.2.1"]]',
    '[["192.0.2.1", 0]]',
    '[["192.0.2.1", 1.5]]',
    '[["192.0.2.1", 1, 1]]',
    '[["127.0.0.1", 1]]',
    '[["example.com", 1]]',
    JSON.stringify(Array.from({ length: RESOLVERS_TOLD_MAX + 1 }, () => ['192.0.2.1', 1])),
    `[${' '.repeat(1_000_000)}]`,
  ]) {
    assert.equal(decodeResolvers(text), undefined, text.slice(0, 40));
  }
});

test('lists of several nameservers become one', () => {
  const lists = [
    [
      { address: at('192.0.2.1'), count: 3 },
      { address: at('198.51.100.1'), count: 5 },
    ],
    [
      { address: at('192.0.2.9'), count: 4 },
      { address: at('203.0.113.1'), count: 1 },
    ],
  ];
  assert.deepEqual(texts(mergeResolvers(lists, 2)), ['192.0.2.9 7', '198.51.100.1 5']);
});
