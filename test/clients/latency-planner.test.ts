import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeLatencyMap, encodeLatencyMap } from '../../src/clients/latency-map.ts';
import {
  createLatencyPlanner,
  type LatencyPlanner,
  type LatencyPlannerOptions,
  type PlannerRegion,
} from '../../src/clients/latency-planner.ts';
import { networkKey } from '../../src/clients/network-key.ts';
import { composeGeo } from '../../src/geo/database.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { parsePrefix } from '../../src/ip/prefix.ts';
import { overlayPrefixes, uniformRanges } from '../../src/ip/ranges.ts';
import { places } from '../steering/places.ts';

const MINUTE_MS = 60_000;
const geo = composeGeo([], [{ networks: ['80.0.0.0/8', '2a00::/12'], location: places.paris }]);
const regions: readonly PlannerRegion[] = [
  { name: 'virginia', location: places.virginia },
  { name: 'frankfurt', location: places.frankfurt },
  { name: 'singapore', location: places.singapore },
];
const key = (text: string): number => networkKey(parseAddress(text)!);
const timeOf = (minute: number): number => 1_800_000_000_000 + minute * MINUTE_MS;

const open = (known = regions, data: LatencyPlannerOptions['geo'] = geo): LatencyPlanner =>
  createLatencyPlanner({
    ...{ geo: data, regions: known, hasProbes: true, networksMax: 1000, tellsAll: false },
    ...{ memoryMs: 6 * 3_600_000, ageMaxMs: 24 * 3_600_000 },
    rules: {
      ...{ bandMs: 10, bandShare: 0.1, windows: 3, connectionsMin: 5 },
      ...{ dwellMs: 0, churnShare: 1, exploreShare: 0, exploreMs: 0 },
    },
  });

function measure(
  planner: LatencyPlanner,
  minutes: number,
  ms: Readonly<Record<string, number>>,
): void {
  for (let minute = 1; minute <= minutes; minute += 1) {
    for (const [region, rttMs] of Object.entries(ms)) {
      const rows = [{ network: key('80.1.2.0'), rttMs, deviationMs: 1, count: 20 }];
      planner.learn({ region, source: 'clients', rows }, timeOf(minute));
    }
    planner.endWindow(timeOf(minute), false);
  }
}

test('a planner says nothing of networks that are as geography has them', () => {
  const planner = open();
  measure(planner, 10, { frankfurt: 12, virginia: 90 });
  assert.deepEqual(planner.map(1, timeOf(11)).rows, []);
});

test('a planner maps a network whose way is other than geography has it', () => {
  const planner = open();
  measure(planner, 10, { frankfurt: 120, virginia: 40 });
  const { orders, regions: names, rows } = planner.map(7, timeOf(11));
  assert.deepEqual(
    rows.map(({ network }) => network),
    [key('80.1.2.0')],
  );
  const order = orders[rows[0]!.order]!.map((region) => names[region]);
  assert.deepEqual(order, ['virginia', 'frankfurt', 'singapore']);
  const [first, second] = rows[0]!.waysMs;
  assert.ok(Math.abs(first! - 40) < 4 && Math.abs(second! - 120) < 12, `${rows[0]!.waysMs}`);
});

test('orders of many regions are told of the first three, so that a map has few of them and can be read', () => {
  const cities = Object.values(places);
  const many = Array.from({ length: 12 }, (_, region) => ({
    name: `r${region}`,
    location: cities[region % cities.length]!,
  }));
  const planner = createLatencyPlanner({
    ...{ geo, regions: many, hasProbes: true, networksMax: 3000, tellsAll: false },
    ...{ memoryMs: 6 * 3_600_000, ageMaxMs: 24 * 3_600_000 },
    rules: {
      ...{ bandMs: 10, bandShare: 0.1, windows: 3, connectionsMin: 5 },
      ...{ dwellMs: 0, churnShare: 1, exploreShare: 0, exploreMs: 0 },
    },
  });
  const networks = Array.from({ length: 2000 }, (_, index) =>
    key(`80.${index >> 8}.${index & 255}.0`),
  );
  for (let minute = 1; minute <= 5; minute += 1) {
    for (const [region, { name }] of many.entries()) {
      const rows = networks.map((network, index) => ({
        ...{ network, deviationMs: 1, count: 20 },
        rttMs: 5 + ((index * 7919 + region * 104_729 * (1 + (index % 13))) % 211),
      }));
      planner.learn({ region: name, source: 'clients', rows }, timeOf(minute));
    }
    planner.endWindow(timeOf(minute), false);
  }
  const map = planner.map(1, timeOf(6));
  const heads = new Set(map.orders.map((order) => order.slice(0, 3).join()));
  assert.equal(map.orders.length, heads.size, 'no two differ in what is behind the third alone');
  assert.ok(map.rows.length > 1500 && map.orders.length < 12 * 11 * 10, `${map.orders.length}`);
  for (const order of map.orders) assert.equal(new Set(order).size, 12);
  assert.ok(decodeLatencyMap(encodeLatencyMap(map)).ok);
});

test('a planner goes on where another has stopped', () => {
  const before = open();
  measure(before, 10, { frankfurt: 120, virginia: 40 });
  const read = decodeLatencyMap(encodeLatencyMap(before.map(7, timeOf(11))));
  assert.ok(read.ok);
  const next = open();
  next.adopt(read.map, timeOf(12));
  next.endWindow(timeOf(12), false);
  const { orders, rows } = next.map(8, timeOf(12));
  assert.deepEqual(
    rows.map(({ order }) => orders[order]),
    [[0, 1, 2]],
  );
  // A little is known again at once, and what is measured counts for more.
  measure(next, 6, { frankfurt: 10, virginia: 40 });
  assert.deepEqual(next.map(9, timeOf(20)).rows, []);
});

test('a planner takes over maps of other regions as far as they are its own', () => {
  const before = open();
  measure(before, 10, { singapore: 10, frankfurt: 120, virginia: 60 });
  const map = before.map(7, timeOf(11));
  const next = open([regions[1]!, { name: 'tokyo', location: places.tokyo }, regions[2]!]);
  next.adopt(map, timeOf(12));
  next.endWindow(timeOf(12), false);
  const { orders, regions: names, rows } = next.map(8, timeOf(12));
  assert.deepEqual(
    rows.map(({ order }) => orders[order]!.map((region) => names[region])),
    [['singapore', 'frankfurt', 'tokyo']],
  );
});

test('a planner takes nothing from regions that it does not know', () => {
  const rows = [{ network: key('80.1.2.0'), rttMs: 1, deviationMs: 1, count: 20 }];
  assert.equal(open().learn({ region: 'mars', source: 'clients', rows }, timeOf(1)), -1);
});

test('what is measured of a network of a site holds for all networks of the site', () => {
  const sites = overlayPrefixes(uniformRanges(0), [
    { prefix: parsePrefix('80.1.2.0/23')!, value: 2 },
    { prefix: parsePrefix('80.9.0.0/24')!, value: 2 },
  ]);
  const pooled = open(regions, { ...geo, sites });
  measure(pooled, 10, { frankfurt: 120, virginia: 40 });
  const before = pooled.map(7, timeOf(11));
  assert.deepEqual(
    before.rows.map(({ network }) => network),
    ['80.1.2.0', '80.1.3.0', '80.9.0.0'].map(key),
  );
  assert.equal(new Set(before.rows.map(({ order }) => order)).size, 1);
  const next = open(regions, { ...geo, sites });
  next.adopt(before, timeOf(12));
  assert.deepEqual(
    next.map(8, timeOf(12)).rows.map(({ network }) => network),
    before.rows.map(({ network }) => network),
    'another planner goes on with it',
  );
  assert.equal(next.endWindow(timeOf(12), false).networks, 1);
});
