import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KEY_LIMIT } from '../../src/clients/network-key.ts';
import { createRttCollector, RTT_CARRIED_MS } from '../../src/clients/rtt-collector.ts';
import {
  decodeSketch,
  encodeSketch,
  RTT_SOURCES,
  type RttSketch,
  SKETCH_ROWS_MAX,
} from '../../src/clients/rtt-sketch.ts';
import { fuzzParameters } from '../ip/range-oracle.ts';

const row = fc.record(
  {
    network: fc.oneof(
      fc.nat(2 ** 24),
      fc.maxSafeNat().map((key) => key % KEY_LIMIT),
    ),
    rttMs: fc.integer({ min: 1, max: 40_000 }).map((tenths) => tenths / 10),
    deviationMs: fc.nat(40_000).map((tenths) => tenths / 10),
    count: fc.integer({ min: 1, max: 100_000 }),
  },
  { noNullPrototype: true },
);
const sketch: fc.Arbitrary<RttSketch> = fc.record({
  region: fc.string({ minLength: 1, maxLength: 20 }),
  source: fc.constantFrom(...RTT_SOURCES),
  rows: fc.uniqueArray(row, { selector: ({ network }) => network, maxLength: 40 }),
});

test('a sketch comes back as it was', () => {
  fc.assert(
    fc.property(sketch, (sent) => {
      const rows = sent.rows.toSorted((a, b) => a.network - b.network);
      assert.deepEqual(decodeSketch(encodeSketch(sent)), { ...sent, rows });
    }),
    fuzzParameters(300),
  );
});

test('a client of the same machine spoils no sketch', () => {
  const rows = [{ network: 7, rttMs: 0.01, deviationMs: 0.002, count: 3 }];
  const told = decodeSketch(encodeSketch({ region: 'a', source: 'clients', rows }));
  assert.deepEqual(told?.rows, [{ network: 7, rttMs: 0.1, deviationMs: 0, count: 3 }]);
});

test('decodeSketch() refuses what is cut off, and never throws on what is changed', () => {
  fc.assert(
    fc.property(sketch, fc.nat(), fc.nat(255), (sent, place, octet) => {
      const bytes = encodeSketch(sent);
      assert.equal(decodeSketch(bytes.subarray(0, place % bytes.length)), undefined);
      assert.equal(decodeSketch(Buffer.concat([bytes, Buffer.from([1])])), undefined);
      const changed = Uint8Array.from(bytes);
      changed[place % bytes.length] = octet;
      const read = decodeSketch(changed);
      for (const each of read?.rows ?? []) {
        assert.ok(each.network < KEY_LIMIT && each.rttMs > 0 && each.count > 0);
      }
    }),
    fuzzParameters(500),
  );
});

test('a sketch has a bound: the networks with the most connections are told', () => {
  const rows = Array.from({ length: SKETCH_ROWS_MAX + 10 }, (_, network) => ({
    ...{ network, rttMs: 10, deviationMs: 1 },
    count: network < 10 ? 1 : 2,
  }));
  const told = decodeSketch(encodeSketch({ region: 'eu', source: 'clients', rows }))!.rows;
  assert.equal(told.length, SKETCH_ROWS_MAX);
  assert.equal(told[0]!.network, 10);
});

test('the collector tells the median of a network, and how far from it connections are', () => {
  const collector = createRttCollector(10);
  for (const ms of [10, 11, 12, 13, 500]) collector.add(7, ms, 0);
  assert.deepEqual(collector.drain(3, 0), [{ network: 7, rttMs: 12, deviationMs: 1, count: 5 }]);
  assert.deepEqual(collector.drain(1, 0), [], 'what was told is forgotten');
});

test('the collector keeps few samples of many connections, from the whole time', () => {
  const collector = createRttCollector(10);
  for (let index = 0; index < 10_000; index += 1) collector.add(7, index < 5_000 ? 10 : 20, 0);
  const [told] = collector.drain(1, 0);
  assert.equal(told!.count, 10_000);
  assert.ok(told!.rttMs >= 10 && told!.rttMs <= 20);
  for (let index = 0; index < 10_000; index += 1) collector.add(7, index < 6_000 ? 10 : 20, 0);
  assert.equal(collector.drain(1, 0)[0]!.rttMs, 10);
});

test('the collector carries networks with few connections over, but not for ever', () => {
  const collector = createRttCollector(10);
  collector.add(7, 10, 0);
  assert.deepEqual(collector.drain(2, 60_000), []);
  collector.add(7, 12, 61_000);
  assert.equal(collector.drain(2, 120_000)[0]!.count, 2);
  collector.add(7, 10, 200_000);
  assert.deepEqual(collector.drain(2, 200_000 + RTT_CARRIED_MS), []);
  collector.add(7, 10, 200_000 + RTT_CARRIED_MS);
  assert.deepEqual(collector.drain(2, 200_001 + RTT_CARRIED_MS), [], 'the first was forgotten');
});

test('the collector has a bound, and takes nothing that is no way to a client', () => {
  const collector = createRttCollector(2);
  for (const network of [1, 2, 3, -1]) collector.add(network, 10, 0);
  for (const ms of [0, -1, Number.NaN, 100_000]) collector.add(1, ms, 0);
  assert.deepEqual(
    collector.drain(1, 0).map(({ count, network }) => [network, count]),
    [
      [1, 1],
      [2, 1],
    ],
  );
  assert.equal(collector.dropped(), 1);
});
