import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { packetMemory } from '../../src/dns/packet-memory.ts';
import { buildPrefixTable } from '../../src/ip/prefix-table.ts';
import { uniformRanges } from '../../src/ip/ranges.ts';
import { createForesight, foresee } from '../../src/nameserver/foresight.ts';
import { createPlace, type Place } from '../../src/nameserver/place.ts';
import { buildQuery, opt, option } from '../dns/query-builder.ts';
import { fuzzParameters } from '../ip/range-oracle.ts';
import { queryBytes } from './fixture.ts';

const STRIDE = 512;
const MAX = 8;

const place = (): Place => ({ ...createPlace(), table: buildPrefixTable(uniformRanges(0)) });

/** What is seen in these queries: the addresses of client subnets, in words. */
function seenIn(queries: readonly Uint8Array[], lengths = queries.map(({ length }) => length)) {
  const foresight = createForesight(MAX);
  const bytes = new Uint8Array(STRIDE * (queries.length + 1));
  for (const [index, query] of queries.entries()) bytes.set(query, STRIDE * (index + 1));
  const memory = packetMemory(bytes.buffer);
  foresee(foresight, place(), memory, STRIDE, STRIDE, Int32Array.from(lengths), queries.length);
  const { count4, count6, words4, words6 } = foresight.addresses;
  const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
  return {
    fours: [...words4.subarray(0, count4)].map(hex),
    sixes: Array.from(
      { length: count6 },
      (_, at) => hex(words6[2 * at]!) + hex(words6[2 * at + 1]!),
    ),
  };
}

const asked = (subnet?: string): Uint8Array =>
  queryBytes('www.gslb.example', 'A', subnet === undefined ? { edns: true } : { subnet });

test('client subnets as resolvers send them are seen before they are looked up', () => {
  const queries = [
    asked('80.1.2.0/24'),
    asked('2001:db8:2000:ff00::/56'),
    asked(),
    asked('2a01:1:fe::/48'),
  ];
  assert.deepEqual(seenIn(queries), {
    // What chooses nothing in the tables is left out.
    fours: ['50010000'],
    sixes: ['20010db820000000', '2a01000100fe0000'],
  });
});

test('others are left alone', () => {
  const options = [option(8, [0, 1, 24, 0, 80, 1, 2]), option(10, [1, 2, 3, 4, 5, 6, 7, 8])];
  const cookieLast = buildQuery({ records: [opt(options.flat())] });
  const queries = [asked('80.1.2.3/32'), asked('2001:db8::/32'), cookieLast];
  assert.deepEqual(seenIn(queries), { fours: [], sixes: [] });
  const whole = asked('80.1.2.0/24');
  assert.deepEqual(seenIn([whole, whole], [-1, 39]), { fours: [], sixes: [] });
});

test('after a batch without any the next ones are not looked at', () => {
  const foresight = createForesight(MAX);
  const bytes = new Uint8Array(STRIDE);
  const memory = packetMemory(bytes.buffer);
  const look = (query: Uint8Array): number => {
    bytes.fill(0);
    bytes.set(query);
    foresight.addresses.count4 = 0;
    foresee(foresight, place(), memory, 0, STRIDE, Int32Array.of(query.length), 1);
    return foresight.addresses.count4;
  };
  const subnet = asked('80.1.2.0/24');
  assert.deepEqual([look(subnet), look(subnet), look(asked())], [1, 1, 0]);
  const seen = Array.from({ length: 17 }, () => look(subnet));
  assert.deepEqual(seen, [...Array.from({ length: 15 }, () => 0), 1, 1]);
});

test('before any map was asked nothing is read', () => {
  const foresight = createForesight(MAX);
  const memory = packetMemory(new ArrayBuffer(STRIDE));
  foresee(foresight, createPlace(), memory, 0, STRIDE, Int32Array.of(100), 1);
  assert.equal(foresight.addresses.count4, 0);
});

test('it makes do with whatever comes', () => {
  const tail = fc.oneof(
    fc.uint8Array({ minLength: 40, maxLength: 80 }),
    fc.constantFrom(asked('80.1.2.0/24'), asked('2001:db8::/56'), asked('2001:db8::/48')),
  );
  fc.assert(
    fc.property(fc.array(tail, { minLength: 1, maxLength: MAX }), (queries) => {
      const { fours, sixes } = seenIn(queries);
      assert.ok(fours.length + sixes.length <= queries.length);
    }),
    fuzzParameters(300),
  );
});
