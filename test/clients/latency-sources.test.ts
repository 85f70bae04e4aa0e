import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEstimate, estimate, PROBES_WORTH_MAX } from '../../src/clients/latency-model.ts';
import {
  createLatencyOrders,
  endWindow,
  type LatencyOrders,
  learnSketch,
  orderOf,
} from '../../src/clients/latency-orders.ts';
import { rowOf } from '../../src/clients/latency-table.ts';
import { siteKey } from '../../src/clients/network-key.ts';
import type { RttSource } from '../../src/clients/rtt-sketch.ts';

/** How what clients, pages and probes say becomes one estimate. Geography says 20, 60 and 150 ms. */
const MINUTE_MS = 60_000;
const HOME = 0xc63364;
const expected = [20, 60, 150];
const timeOf = (minute: number): number => 1_800_000_000_000 + minute * MINUTE_MS;

function open({ hasProbes = true, exploreShare = 0 } = {}): LatencyOrders {
  return createLatencyOrders({
    ...{ regions: expected.length, hasProbes, networksMax: 1000 },
    ...{ memoryMs: 6 * 3_600_000, ageMaxMs: 24 * 3_600_000 },
    priorOf: () => ({ expected, floor: [12, 35, 20] }),
    rules: {
      ...{ bandMs: 10, bandShare: 0.1, windows: 3, connectionsMin: 5 },
      ...{ dwellMs: 0, churnShare: 1, exploreShare, exploreMs: 60 * MINUTE_MS },
    },
  });
}

type Said = {
  readonly source: RttSource;
  readonly count?: number;
  readonly ms: (number | undefined)[];
};

/** The order after ten windows in which all of this is said. */
function orderAfter(orders: LatencyOrders, ...all: readonly Said[]): readonly number[] {
  for (let minute = 1; minute <= 10; minute += 1) {
    for (const { count = 10, ms, source } of all) {
      for (const [region, rttMs] of ms.entries()) {
        if (rttMs === undefined) continue;
        const rows = [{ network: HOME, rttMs, deviationMs: 1, count }];
        learnSketch(orders, region, { source, rows }, timeOf(minute));
      }
    }
    endWindow(orders, timeOf(minute), false);
  }
  const row = rowOf(orders.model.table, HOME);
  return row < 0 ? [] : orderOf(orders, row);
}

function believed(orders: LatencyOrders) {
  const into = createEstimate(expected.length);
  estimate(orders.model, HOME, rowOf(orders.model.table, HOME), timeOf(10), into);
  return into;
}

test('a network that only probes know goes by them', () => {
  const said: Said = { source: 'probes', count: 2, ms: [90, 30, 160] };
  assert.deepEqual(orderAfter(open(), said), [1, 0, 2]);
  assert.deepEqual(orderAfter(open({ hasProbes: false }), said), [], 'where nobody is probed');
});

test('what pages say counts as connections do', () => {
  assert.deepEqual(orderAfter(open(), { source: 'beacon', ms: [90, 30] }), [1, 0, 2]);
});

test('probes are worth a bounded number of connections', () => {
  const orders = open();
  orderAfter(orders, { source: 'probes', count: 50, ms: [90, 30, 160] });
  const { clients, connections } = believed(orders);
  assert.deepEqual(
    [...connections],
    expected.map(() => PROBES_WORTH_MAX),
  );
  assert.deepEqual([...clients], [0, 0, 0]);
});

test('clients are believed where probes say otherwise', () => {
  const order = orderAfter(
    open(),
    { source: 'clients', count: 100, ms: [20, 70] },
    { source: 'probes', count: 2, ms: [90, 10] },
  );
  assert.deepEqual(order, [0, 1, 2]);
});

test('a region that only probes know is compared with its last mile', () => {
  const orders = open();
  // Clients are 40 ms behind where probes end: the other region is 65 ms from them, not 25.
  const order = orderAfter(
    orders,
    { source: 'clients', ms: [60] },
    { source: 'probes', count: 2, ms: [20, 25] },
  );
  assert.deepEqual(order, [0, 1, 2]);
  assert.ok(Math.abs(believed(orders).ms[1]! - 65) < 5, `${believed(orders).ms}`);
  const better = orderAfter(
    open(),
    { source: 'clients', ms: [110] },
    { source: 'probes', count: 2, ms: [70, 25] },
  );
  assert.deepEqual(better, [1, 0, 2]);
});

test('probes that cannot be compared with what clients say are not believed', () => {
  const order = orderAfter(
    open(),
    { source: 'clients', ms: [60] },
    { source: 'probes', count: 2, ms: [undefined, 10, 10] },
  );
  assert.deepEqual(order, [0, 1, 2]);
});

test('nobody explores for a network that sends no clients', () => {
  const explores = (source: RttSource): number => {
    const orders = open({ exploreShare: 1 });
    orderAfter(orders, { source, count: 10, ms: [140] });
    return endWindow(orders, timeOf(11), false).exploring;
  };
  assert.equal(explores('clients'), 1);
  assert.equal(explores('probes'), 0);
});

test('what is measured of a site says nothing of the networks around', () => {
  const orders = open();
  const rows = [{ network: siteKey(7), rttMs: 500, deviationMs: 1, count: 100 }];
  for (const region of expected.keys()) {
    learnSketch(orders, region, { source: 'clients', rows }, timeOf(1));
  }
  assert.equal(orders.model.blocks.rows, 0);
  const into = createEstimate(expected.length);
  estimate(orders.model, siteKey(8), -1, timeOf(1), into);
  assert.deepEqual([...into.ms], expected);
});
