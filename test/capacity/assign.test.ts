import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  assign,
  OVERLOAD_MS,
  type Portion,
  type Room,
  TIGHT_MS,
} from '../../src/capacity/assign.ts';

const room = (capacity: number, target = capacity): Room => ({ capacity, target });
const NEVER = Number.POSITIVE_INFINITY;

test('while there is room everybody is where it is nearest, and nothing has a price', () => {
  const { flows, loads, pricesMs } = assign(
    [
      { demand: 60, costsMs: [10, 50] },
      { demand: 30, costsMs: [80, 20] },
    ],
    [room(100), room(100)],
  );
  assert.deepEqual(
    flows.map((flow) => [...flow]),
    [
      [60, 0],
      [0, 30],
    ],
  );
  assert.deepEqual([...loads], [60, 30]);
  assert.deepEqual([...pricesMs], [0, 0]);
});

test('those go elsewhere who lose least by it, and the price says what they lose', () => {
  const { flows, pricesMs } = assign(
    [
      { demand: 60, costsMs: [10, 90] },
      { demand: 60, costsMs: [10, 30] },
    ],
    [room(100), room(100)],
  );
  assert.deepEqual(
    flows.map((flow) => [...flow]),
    [
      [60, 0],
      [40, 20],
    ],
  );
  assert.deepEqual([...pricesMs], [20, 0]);
});

test('a full region makes room by passing on others', () => {
  // The second is full with clients who could as well go to the third.
  const { flows, loads } = assign(
    [
      { demand: 100, costsMs: [10, 20, 300] },
      { demand: 100, costsMs: [300, 10, 15] },
    ],
    [room(50), room(100), room(100)],
  );
  assert.deepEqual([...loads], [50, 100, 50]);
  assert.deepEqual(
    flows.map((flow) => [...flow]),
    [
      [50, 50, 0],
      [0, 50, 50],
    ],
  );
});

test('a region is filled beyond its target only when the way elsewhere is too long', () => {
  const near = { demand: 90, costsMs: [10, 10 + TIGHT_MS - 1] };
  const far = { demand: 90, costsMs: [10, 10 + TIGHT_MS + 1] };
  assert.deepEqual([...assign([near], [room(100, 80), room(100, 80)]).loads], [80, 10]);
  assert.deepEqual([...assign([far], [room(100, 80), room(100, 80)]).loads], [90, 0]);
});

test('with too little capacity all regions are overloaded alike', () => {
  const { loads, pricesMs } = assign(
    [
      { demand: 300, costsMs: [10, 50, 90] },
      { demand: 60, costsMs: [90, 50, 10] },
    ],
    [room(100), room(100), room(40)],
  );
  const utilisations = [...loads].map((load, index) => load / [100, 100, 40][index]!);
  assert.ok(Math.max(...utilisations) - Math.min(...utilisations) <= 0.0501, String(utilisations));
  assert.ok(pricesMs.every((price) => price >= OVERLOAD_MS));
});

test('demand that can go nowhere is left out, and what may not go somewhere does not', () => {
  const { flows } = assign(
    [
      { demand: 5, costsMs: [NEVER, NEVER] },
      { demand: 50, costsMs: [NEVER, 10] },
    ],
    [room(100), room(20)],
  );
  assert.deepEqual(
    flows.map((flow) => [...flow]),
    [
      [0, 0],
      [0, 50],
    ],
  );
});

test('a region without capacity takes nothing that can go elsewhere', () => {
  const { loads } = assign([{ demand: 500, costsMs: [1, 400] }], [room(0), room(100)]);
  assert.ok(loads[0]! < 1e-6 && loads[1]! > 500 - 1e-6, String(loads));
});

/** The same sum by brute force: portions of whole units, one after the other by Bellman-Ford over all units. */
const worlds = fc
  .record({ regions: fc.integer({ min: 1, max: 4 }), portions: fc.integer({ min: 1, max: 4 }) })
  .chain(({ portions, regions }) =>
    fc.record({
      portions: fc.array(
        fc.record({
          demand: fc.integer({ min: 0, max: 3 }),
          costsMs: fc.array(fc.integer({ min: 0, max: 60 }), {
            minLength: regions,
            maxLength: regions,
          }),
        }),
        { minLength: portions, maxLength: portions },
      ),
      capacities: fc.array(fc.integer({ min: 1, max: 6 }), {
        minLength: regions,
        maxLength: regions,
      }),
    }),
  );

test('no other way to share out demand within capacity has less way', () => {
  fc.assert(
    fc.property(worlds, ({ capacities, portions }) => {
      const { flows, loads } = assign(
        portions,
        capacities.map((capacity) => room(capacity)),
      );
      const best = leastByTrying(portions, capacities);
      for (const [index, flow] of flows.entries()) {
        const sum = flow.reduce((total, each) => total + each, 0);
        assert.ok(Math.abs(sum - portions[index]!.demand) < 1e-6);
        assert.ok(flow.every((each) => each > -1e-6));
      }
      if (best === undefined) return;
      assert.ok(loads.every((load, region) => load <= capacities[region]! + 1e-6));
      assert.ok(
        Math.abs(waySum(portions, flows) - best) < 1e-3,
        `${waySum(portions, flows)} ${best}`,
      );
    }),
    { numRuns: 400 },
  );
});

test('prices agree with the assignment: nobody gains by going elsewhere and paying there', () => {
  fc.assert(
    fc.property(worlds, ({ capacities, portions }) => {
      const { flows, pricesMs } = assign(
        portions,
        capacities.map((capacity) => room(capacity)),
      );
      for (const [index, flow] of flows.entries()) {
        const costs = portions[index]!.costsMs;
        const whole = [...pricesMs].map((price, region) => costs[region]! + price);
        for (const [region, amount] of flow.entries()) {
          if (amount < 1e-6) continue;
          assert.ok(
            whole[region]! <= Math.min(...whole) + 1e-3,
            JSON.stringify([whole, [...flow]]),
          );
        }
      }
    }),
    { numRuns: 400 },
  );
});

const waySum = (portions: readonly Portion[], flows: readonly Float64Array[]): number =>
  flows.reduce(
    (total, flow, index) =>
      total + flow.reduce((sum, each, region) => sum + each * portions[index]!.costsMs[region]!, 0),
    0,
  );

/** Undefined = the capacity is too little. Capacities are whole, so some best way to share out is too. */
function leastByTrying(
  portions: readonly Portion[],
  capacities: readonly number[],
): number | undefined {
  const units = portions.flatMap(({ costsMs, demand }) =>
    Array.from({ length: demand }, () => costsMs),
  );
  const memory = new Map<string, number>();
  const visit = (unit: number, left: readonly number[]): number => {
    if (unit === units.length) return 0;
    const key = `${unit} ${left}`;
    const known = memory.get(key);
    if (known !== undefined) return known;
    let least = NEVER;
    for (const [region, room] of left.entries()) {
      if (room === 0) continue;
      const rest = visit(unit + 1, left.with(region, room - 1));
      least = Math.min(least, units[unit]![region]! + rest);
    }
    memory.set(key, least);
    return least;
  };
  const least = visit(0, capacities);
  return least === NEVER ? undefined : least;
}
