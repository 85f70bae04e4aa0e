import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { latencyOf, layerOfMap } from '../../src/clients/latency-layer.ts';
import {
  decodeLatencyMap,
  encodeLatencyMap,
  type LatencyMap,
} from '../../src/clients/latency-map.ts';
import { KEY_LIMIT, networkKey } from '../../src/clients/network-key.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { valueAt } from '../../src/ip/range-search.ts';
import { fuzzParameters } from '../ip/range-oracle.ts';

const orders = [
  [0, 1, 2],
  [2, 0, 1],
  [1, 2, 0],
];
const row = fc.record({
  network: fc.oneof(
    fc.nat(2 ** 24),
    fc.maxSafeNat().map((key) => key % KEY_LIMIT),
  ),
  order: fc.nat(orders.length - 1),
  waysMs: fc.array(fc.integer({ min: 1, max: 1000 }), { maxLength: 3 }),
  sources: fc.nat(7),
});
const anyMap: fc.Arbitrary<LatencyMap> = fc.record({
  generation: fc.nat(),
  madeAtMs: fc.nat(),
  regions: fc.constant(['eu', 'us', 'ap']),
  orders: fc.constant(orders),
  rows: fc.uniqueArray(row, { selector: ({ network }) => network, maxLength: 50 }),
});

test('a latency map comes back as it was, its ways within two per cent', () => {
  fc.assert(
    fc.property(anyMap, (sent) => {
      const read = decodeLatencyMap(encodeLatencyMap(sent));
      assert.ok(read.ok, JSON.stringify(read));
      const rows = sent.rows.toSorted((a, b) => a.network - b.network);
      assert.deepEqual({ ...read.map, rows: [] }, { ...sent, rows: [] });
      for (const [index, { network, order, sources, waysMs }] of read.map.rows.entries()) {
        const was = rows[index]!;
        assert.deepEqual([network, order, sources], [was.network, was.order, was.sources]);
        for (const [place, ms] of waysMs.entries()) {
          assert.ok(Math.abs(ms - rows[index]!.waysMs[place]!) <= 0.04 * ms + 0.1);
        }
      }
    }),
    fuzzParameters(200),
  );
});

test('decodeLatencyMap() notices damage, and never throws on damage that is signed', () => {
  fc.assert(
    fc.property(anyMap, fc.nat(), fc.integer({ min: 1, max: 255 }), (sent, place, change) => {
      const bytes = encodeLatencyMap(sent);
      const changed = Buffer.from(bytes);
      changed[place % bytes.length]! ^= change;
      assert.equal(decodeLatencyMap(changed).ok, false);
      assert.equal(decodeLatencyMap(bytes.subarray(0, place % bytes.length)).ok, false);
      const body = changed.subarray(0, changed.length - 4);
      const checksum = Buffer.alloc(4);
      checksum.writeUInt32LE(crc32(body));
      decodeLatencyMap(Buffer.concat([body, checksum]));
    }),
    fuzzParameters(500),
  );
});

test('decodeLatencyMap() refuses orders that are none', () => {
  for (const bad of [
    [[0, 1]],
    [[0, 0, 1]],
    [[0, 1, 3]],
    [['0', 1, 2]],
  ] as unknown as number[][][]) {
    const map = { generation: 1, madeAtMs: 1, regions: ['a', 'b', 'c'], orders: bad, rows: [] };
    assert.deepEqual(decodeLatencyMap(encodeLatencyMap(map)), {
      ok: false,
      reason: 'one of its orders is none',
    });
  }
});

test('a layer says which order a network has, and what its ways are', () => {
  const key = (text: string): number => networkKey(parseAddress(text)!);
  const rows = [
    { network: key('203.0.113.1'), order: 1, waysMs: [20, 80], sources: 3 },
    { network: key('203.0.114.0'), order: 1, waysMs: [], sources: 1 },
    { network: key('255.255.255.0'), order: 2, waysMs: [5], sources: 1 },
    { network: key('2001:db8:7::'), order: 0, waysMs: [7], sources: 1 },
    { network: key('2001:db8:ffff::'), order: 0, waysMs: [7], sources: 1 },
  ];
  const map = { generation: 7, madeAtMs: 1, regions: ['eu', 'us', 'ap'], orders, rows };
  const layer = structuredClone(layerOfMap(map));
  const at = (text: string): number => valueAt(layer.ranges, parseAddress(text)!);
  const known = ['203.0.113.9', '203.0.114.255', '255.255.255.255', '2001:db8:7:ffff::'];
  const orderAt = (text: string) => layer.orders[at(text) - 1];
  assert.deepEqual(
    known.map(orderAt),
    [1, 1, 2, 0].map((order) => orders[order]!.map((region) => map.regions[region])),
  );
  const unknown = [
    '203.0.112.255',
    '203.0.115.0',
    '0.0.0.0',
    '2001:db8:8::',
    '2001:db9::',
    'ffff::',
  ];
  assert.deepEqual(
    unknown.map(at),
    unknown.map(() => 0),
  );
  for (const text of unknown) assert.equal(latencyOf(layer, parseAddress(text)!), undefined, text);
  assert.deepEqual(latencyOf(layer, parseAddress('203.0.113.200')!)?.order, ['ap', 'eu', 'us']);
  const [first, second] = latencyOf(layer, parseAddress('203.0.113.200')!)!.waysMs;
  const { measuredBy } = latencyOf(layer, parseAddress('203.0.113.200')!)!;
  assert.deepEqual(measuredBy, ['clients', 'probes']);
  assert.ok(Math.abs(first! - 20) < 1 && Math.abs(second! - 80) < 3);
});

test('a layer knows IPv4 clients in the IPv6 addresses that carry them, as maps do', () => {
  const network = networkKey(parseAddress('203.0.113.0')!);
  const rows = [{ network, order: 1, waysMs: [20], sources: 1 }];
  const layer = layerOfMap({
    generation: 7,
    madeAtMs: 1,
    regions: ['eu', 'us', 'ap'],
    orders,
    rows,
  });
  for (const text of ['::ffff:203.0.113.9', '64:ff9b::203.0.113.9', '2002:cb00:7109::1']) {
    const address = parseAddress(text)!;
    assert.equal(valueAt(layer.ranges, address), 1, text);
    assert.deepEqual(latencyOf(layer, address)?.order, ['ap', 'eu', 'us'], text);
  }
});

test('a million networks are some megabytes', () => {
  const rows = Array.from({ length: 1_000_000 }, (_, index) => ({
    network: index * 7,
    order: Math.imul(index, 0x9e3779b1) >>> 30 === 3 ? 1 : 0,
    ...{ waysMs: [20 + (index % 60), 80, 150], sources: 1 },
  }));
  const map = { generation: 1, madeAtMs: 1, regions: ['eu', 'us', 'ap'], orders, rows };
  const bytes = encodeLatencyMap(map);
  assert.ok(bytes.length < 4_000_000, `${bytes.length}`);
  const read = decodeLatencyMap(bytes);
  assert.ok(read.ok && read.map.rows.length === rows.length);
});
