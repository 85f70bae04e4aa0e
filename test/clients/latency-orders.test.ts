import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createLatencyOrders,
  endWindow,
  forgetNetworks,
  type LatencyOrders,
  learnSketch,
  type OrderRules,
  orderOf,
} from '../../src/clients/latency-orders.ts';
import { rowOf } from '../../src/clients/latency-table.ts';
import { networkKey } from '../../src/clients/network-key.ts';
import type { RttSource } from '../../src/clients/rtt-sketch.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { createRandom } from '../bench/random.ts';

const MINUTE_MS = 60_000;
const rules: OrderRules = {
  bandMs: 10,
  bandShare: 0.1,
  windows: 3,
  connectionsMin: 5,
  dwellMs: 5 * MINUTE_MS,
  churnShare: 0.05,
  exploreShare: 0,
  exploreMs: 10 * MINUTE_MS,
};
/** Three regions; geography says that they lie in this order. */
const expected = [20, 60, 150];
const floor = [12, 35, 90];

const key = (text: string): number => networkKey(parseAddress(text)!);
const HOME = key('198.51.100.0');

function open(more: Partial<OrderRules> = {}, prior = expected): LatencyOrders {
  return createLatencyOrders({
    regions: prior.length,
    hasProbes: true,
    networksMax: 10_000,
    memoryMs: 6 * 3_600_000,
    ageMaxMs: 24 * 3_600_000,
    priorOf: () => ({ expected: prior, floor }),
    rules: { ...rules, ...more },
  });
}

const timeOf = (minute: number): number => 1_800_000_000_000 + minute * MINUTE_MS;

/** One window of measurements: by network what each region sees of it, undefined = nothing. */
function pass(
  orders: LatencyOrders,
  minute: number,
  measured: ReadonlyMap<number, readonly (number | undefined)[]>,
  {
    count = 10,
    isQuiet = false,
    source = 'clients',
  }: { count?: number; isQuiet?: boolean; source?: RttSource } = {},
) {
  const nowMs = timeOf(minute);
  for (const region of expected.keys()) {
    const rows = [...measured].flatMap(([network, each]) => {
      const rttMs = each[region];
      return rttMs === undefined ? [] : [{ network, rttMs, deviationMs: 1, count }];
    });
    learnSketch(orders, region, { rows, source }, nowMs);
  }
  return endWindow(orders, nowMs, isQuiet);
}

const firstOf = (orders: LatencyOrders, network = HOME): number =>
  orderOf(orders, rowOf(orders.model.table, network))[0]!;

test('a network begins with the order of geography', () => {
  const orders = open();
  pass(orders, 1, new Map([[HOME, [25]]]));
  assert.deepEqual(orderOf(orders, 0), [0, 1, 2]);
});

test('a region that is measured to be better passes after some windows, and not before', () => {
  const orders = open();
  const measured = new Map([[HOME, [80, 30]]]);
  const leaders = Array.from({ length: 6 }, (_, minute) => {
    pass(orders, minute + 1, measured);
    return firstOf(orders);
  });
  assert.deepEqual(leaders, [0, 0, 1, 1, 1, 1]);
});

test('a region that is better by less than the band does not pass, whatever the noise', () => {
  const orders = open();
  const random = createRandom(7);
  for (let minute = 1; minute <= 2_000; minute += 1) {
    const noise = (): number => (random() / 2 ** 32 - 0.5) * 6;
    pass(orders, minute, new Map([[HOME, [50 + noise(), 44 + noise()]]]));
    assert.equal(firstOf(orders), 0);
  }
});

test('a change for the worse is followed, and what comes back finds its clients again', () => {
  const orders = open();
  let minute = 0;
  const during = (count: number, ms: readonly number[]): number => {
    for (const end = minute + count; minute < end; ) {
      minute += 1;
      pass(orders, minute, new Map([[HOME, ms]]));
    }
    return firstOf(orders);
  };
  assert.equal(during(30, [20, 60]), 0);
  assert.equal(during(15, [120, 60]), 1);
  assert.equal(during(30, [20, 60]), 0);
});

test('nobody moves twice within the dwell time', () => {
  const orders = open({ dwellMs: 60 * MINUTE_MS, windows: 1 });
  const at: number[] = [];
  let before = 0;
  for (let minute = 1; minute <= 600; minute += 1) {
    // Whoever has the clients is slow.
    const slow = before;
    pass(orders, minute, new Map([[HOME, slow === 0 ? [150, 20] : [20, 150]]]), { count: 200 });
    if (firstOf(orders) !== before) at.push(minute);
    before = firstOf(orders);
  }
  assert.ok(at.length > 3);
  for (const [index, minute] of at.entries()) {
    if (index > 0) assert.ok(minute - at[index - 1]! >= 60, at.join(' '));
  }
});

test('regions that change places behind the first hold nobody back', () => {
  const orders = open({ dwellMs: 60 * MINUTE_MS, windows: 1 });
  pass(orders, 1, new Map([[HOME, [20, 140, 60]]]));
  pass(orders, 2, new Map([[HOME, [20, 140, 60]]]));
  assert.deepEqual(orderOf(orders, 0), [0, 2, 1]);
  pass(orders, 3, new Map([[HOME, [200, 140, 60]]]), { count: 200 });
  assert.equal(firstOf(orders), 2);
});

test('no more of the demand moves in a window than the churn allows, those that gain most first', () => {
  const orders = open({ churnShare: 0.051 });
  const networks = Array.from({ length: 100 }, (_, index) => key(`203.${index}.113.0`));
  const measured = new Map(networks.map((network, index) => [network, [100 + index, 20]]));
  const moved: number[] = [];
  for (let minute = 1; minute <= 40; minute += 1) {
    const report = pass(orders, minute, measured);
    assert.ok(report.movedShare <= 0.051);
    if (report.moved > 0) moved.push(report.moved);
    if (moved.length === 1 && report.moved > 0) {
      const those = networks.filter((network) => firstOf(orders, network) === 1);
      assert.deepEqual(those, networks.slice(-5), 'who gains most');
    }
  }
  assert.deepEqual(
    moved,
    Array.from({ length: 20 }, () => 5),
  );
  assert.ok(networks.every((network) => firstOf(orders, network) === 1));
});

test('a region needs measurements to pass, and few of them are not enough', () => {
  const orders = open();
  for (let minute = 1; minute <= 20; minute += 1) {
    pass(orders, minute, new Map([[HOME, [300]]]));
  }
  assert.equal(firstOf(orders), 0, 'nobody has measured another');
  pass(orders, 21, new Map([[HOME, [300, 10]]]), { count: 2 });
  pass(orders, 22, new Map([[HOME, [300, 10]]]), { count: 1 });
  assert.equal(firstOf(orders), 0);
});

test('regions behind the first change places too', () => {
  const orders = open();
  for (let minute = 1; minute <= 5; minute += 1) {
    pass(orders, minute, new Map([[HOME, [20, 140, 60]]]));
  }
  assert.deepEqual(orderOf(orders, 0), [0, 2, 1]);
});

test('a region that nobody was sent to is explored by a few, and wins when it is better', () => {
  const orders = open({ exploreShare: 0.01 });
  const networks = Array.from({ length: 400 }, (_, index) =>
    key(`203.${index % 200}.${113 + Math.floor(index / 200)}.0`),
  );
  /** Region 0 is slow for all; of the others nothing is known but where they are. */
  const truth = [120, 30, 200];
  let most = 0;
  for (let minute = 1; minute <= 3_000; minute += 1) {
    const measured = networks.map((network) => {
      const row = rowOf(orders.model.table, network);
      const answered = row < 0 ? 0 : orderOf(orders, row)[0]!;
      return [network, truth.map((ms, region) => (region === answered ? ms : undefined))] as const;
    });
    most = Math.max(most, pass(orders, minute, new Map(measured)).exploring);
  }
  assert.ok(most >= 1 && most <= 4, `${most} explored at once`);
  const better = networks.filter((network) => firstOf(orders, network) === 1).length;
  assert.ok(better > 390, `${better} of 400 found the better region`);
});

/** Minutes in which clients go where they are sent, and only there: the first of the order, minute by minute. */
function follow(
  orders: LatencyOrders,
  minutes: number,
  truth: readonly number[],
): readonly number[] {
  return Array.from({ length: minutes }, (_, minute) => {
    const row = rowOf(orders.model.table, HOME);
    const answered = row < 0 ? 0 : firstOf(orders);
    const ways = truth.map((ms, region) => (region === answered ? ms : undefined));
    pass(orders, minute + 1, new Map([[HOME, ways]]));
    return firstOf(orders);
  });
}

test('who has found a better region stays there, and who has found a worse one goes back at once', () => {
  const better = follow(open({ exploreShare: 1 }), 10, [120, 30, 200]);
  assert.deepEqual(better, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
  const worse = follow(open({ exploreShare: 1 }), 10, [120, 130, 200]);
  assert.deepEqual(worse, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
});

test('a region that is well again is found again, and one that is not is tried a few times a day', () => {
  for (const [healed, minutesMost] of [
    [true, 7 * 60],
    [false, 24 * 60],
  ] as const) {
    const orders = open({ exploreShare: 0.9 });
    let minute = 0;
    const during = (minutes: number, truth: readonly number[]): number => {
      let elsewhere = 0;
      for (const end = minute + minutes; minute < end; ) {
        minute += 1;
        const answered = minute === 1 ? 0 : firstOf(orders);
        const ways = truth.map((ms, region) => (region === answered ? ms : undefined));
        pass(
          orders,
          minute,
          new Map([
            [HOME, ways],
            [key('203.0.113.0'), [20]],
          ]),
        );
        if (firstOf(orders) !== 1) elsewhere += 1;
      }
      return elsewhere;
    };
    during(10, [20, 60, 150]);
    // Nobody knows the second yet: who is there must find it.
    during(20, [200, 60, 150]);
    assert.equal(firstOf(orders), 1);
    const elsewhere = during(minutesMost, [healed ? 20 : 200, 60, 150]);
    assert.equal(firstOf(orders), healed ? 0 : 1);
    if (!healed) assert.ok(elsewhere >= 1 && elsewhere <= 10, `${elsewhere} minutes elsewhere`);
  }
});

test('a region that few came to is explored as one that nobody did', () => {
  const orders = open({ exploreShare: 0.9 });
  pass(orders, 1, new Map([[HOME, [undefined, 30]]]), { count: 3 });
  const both = new Map([
    [HOME, [120]],
    [key('203.0.113.0'), [20]],
  ]);
  assert.equal(pass(orders, 2, both).exploring, 1);
  assert.equal(firstOf(orders), 1);
});

test('who has moved explores nothing before the dwell time is over', () => {
  const orders = open({ exploreShare: 0.9 }, [20, 60, 61]);
  const both = new Map([
    [HOME, [200, 150]],
    [key('203.0.113.0'), [20]],
  ]);
  for (let minute = 1; minute <= 3; minute += 1) pass(orders, minute, both, { isQuiet: true });
  assert.equal(firstOf(orders), 1);
  const exploring = Array.from(
    { length: 6 },
    (_, minute) => pass(orders, 4 + minute, both).exploring,
  );
  assert.deepEqual(exploring, [0, 0, 0, 0, 1, 1]);
});

test('nobody explores while things are to be quiet, and explorations end then', () => {
  const orders = open({ exploreShare: 1 });
  assert.equal(pass(orders, 1, new Map([[HOME, [120]]])).exploring, 1);
  assert.equal(firstOf(orders), 1);
  const slow = new Map([[HOME, [120]]]);
  assert.equal(pass(orders, 2, slow, { isQuiet: true }).exploring, 0);
  assert.equal(firstOf(orders), 0);
});

test('nobody explores where nothing could be gained', () => {
  const orders = open({ exploreShare: 1 });
  for (let minute = 1; minute <= 30; minute += 1) {
    assert.equal(pass(orders, minute, new Map([[HOME, [21]]])).exploring, 0);
  }
});

test('networks that are not measured any more are forgotten, and the others keep their places', () => {
  const orders = open();
  const gone = key('192.0.2.0');
  for (let minute = 1; minute <= 5; minute += 1) {
    pass(
      orders,
      minute,
      new Map([
        [gone, [20, 60]],
        [HOME, [80, 30]],
      ]),
    );
  }
  for (let hour = 1; hour <= 30; hour += 1) {
    pass(orders, 5 + hour * 60, new Map([[HOME, [80, 30]]]));
  }
  forgetNetworks(orders, timeOf(31 * 60));
  assert.equal(rowOf(orders.model.table, gone), -1);
  assert.equal(orders.model.table.rows, 1);
  assert.equal(firstOf(orders), 1);
});

test('networks that were hardly measured have what those around them have learnt', () => {
  const orders = open({ connectionsMin: 1 });
  for (let minute = 1; minute <= 30; minute += 1) {
    const around = Array.from(
      { length: 20 },
      (_, index) => [key(`198.51.${index}.0`), [100, 30]] as const,
    );
    pass(orders, minute, new Map(around));
  }
  // Two connections alone would leave it with geography.
  for (let minute = 31; minute <= 33; minute += 1) {
    pass(orders, minute, new Map([[HOME, [100, 30]]]), { count: 1 });
  }
  const alone = open({ connectionsMin: 1 });
  for (let minute = 31; minute <= 33; minute += 1) {
    pass(alone, minute, new Map([[HOME, [100, 30]]]), { count: 1 });
  }
  const { scratch } = orders;
  assert.ok(scratch.ms[0]! > 85 && scratch.ms[1]! < 35, `${scratch.ms}`);
  assert.ok(alone.scratch.ms[0]! < scratch.ms[0]! && alone.scratch.ms[1]! > scratch.ms[1]!);
});
