import assert from 'node:assert/strict';
import { test } from 'node:test';
import { latencyOf, layerOfMap, layerWithWays } from '../../src/clients/latency-layer.ts';
import type { LatencyMap } from '../../src/clients/latency-map.ts';
import { networkKey } from '../../src/clients/network-key.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { valueAt } from '../../src/ip/range-search.ts';

const key = (text: string): number => networkKey(parseAddress(text)!);
const map: LatencyMap = {
  ...{ generation: 7, madeAtMs: 1, regions: ['virginia', 'frankfurt'] },
  orders: [
    [0, 1],
    [1, 0],
  ],
  rows: [
    { network: key('80.1.2.0'), order: 0, waysMs: [20, 25], sources: 1 },
    { network: key('80.1.3.0'), order: 0, waysMs: [20, 90], sources: 1 },
    { network: key('80.1.4.0'), order: 1, waysMs: [10], sources: 1 },
    { network: key('80.1.5.0'), order: 0, waysMs: [20, 25], sources: 1 },
    { network: key('2001:db8::'), order: 0, waysMs: [20, 25], sources: 1 },
  ],
};

test('layerWithWays() tells networks apart that are not equally far away', () => {
  const { orders, orderWaysMs, ranges } = layerWithWays(map);
  const at = (text: string): number => valueAt(ranges, parseAddress(text)!);
  const told = ['80.1.2.9', '80.1.3.9', '80.1.4.9', '80.1.5.9', '2001:db8::9'].map((text) => {
    const value = at(text);
    return [orders[value - 1], orderWaysMs[value - 1]];
  });
  const [same, other] = [
    ['virginia', 'frankfurt'],
    ['frankfurt', 'virginia'],
  ];
  assert.deepEqual(told, [
    [same, [20, 25]],
    [same, [20, 90]],
    [other, [10]],
    [same, [20, 25]],
    [same, [20, 25]],
  ]);
  assert.equal(at('80.1.2.9'), at('80.1.5.9'), 'what is alike is one');
  assert.equal(at('80.1.6.9'), 0);
});

test('layerOfMap() tells ways on average, of those apart who would lose more by the second region', () => {
  const { orderWaysMs, orders } = layerOfMap(map);
  assert.deepEqual(orderWaysMs, [[20, 25], [20, 90], [10]]);
  assert.deepEqual(orders[0], orders[1], 'they are ordered alike');
});

test('layerWithWays() orders as the map does', () => {
  const [plain, told] = [layerOfMap(map), layerWithWays(map)];
  for (const text of ['80.1.2.9', '80.1.3.9', '80.1.4.9', '2001:db8::9', '9.9.9.9']) {
    const address = parseAddress(text)!;
    assert.deepEqual(latencyOf(told, address), latencyOf(plain, address), text);
  }
});
