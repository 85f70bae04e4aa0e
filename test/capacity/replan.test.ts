import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nextPlan } from '../../src/capacity/next-plan.ts';
import { type CapacityPlan, type PlanClass, viewPlan } from '../../src/capacity/plan.ts';
import { replan } from '../../src/capacity/replan.ts';
import { SLOTS } from '../../src/steering/slots.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { type CapacityWorld, capacityWorlds } from './worlds.ts';

const AT_ONCE = { stepShare: 1, returnShare: 1, stayMs: 3, bandShare: 0.03 };
const parameters = { numRuns: fuzzRuns(300), seed: fuzzSeed(72) };

const planned = ({ classes, regions }: CapacityWorld): CapacityPlan => {
  const known = classes.map((each) => ({ ...each, slots: undefined }));
  return {
    generation: 1,
    madeAtMs: 0,
    trims: [],
    regions,
    classes: nextPlan(known, regions, AT_ONCE).classes,
  };
};

/** Loads by region, of demand that has somewhere to go. */
function loadsWith(plan: CapacityPlan, slots: readonly (readonly number[])[]): readonly number[] {
  const classes = plan.classes.map((each, index) => ({ ...each, slots: slots[index]! }));
  return viewPlan({ classes, regions: plan.regions }).loads;
}

test('without a loss the plan is as it is', () => {
  fc.assert(
    fc.property(capacityWorlds([1, 2]), (world) => {
      const plan = planned(world);
      assert.deepEqual(
        replan(plan, () => true),
        plan.classes.map(({ slots }) => slots),
      );
    }),
    parameters,
  );
});

test('the loss of a region overloads no other, when they can carry what there is', () => {
  fc.assert(
    fc.property(capacityWorlds([1.2, 3]), fc.nat(), (world, which) => {
      const open = {
        ...world,
        classes: world.classes.map((each) => ({
          ...each,
          waysMs: each.waysMs.map((way) => way ?? 150),
        })),
      };
      const plan = planned(open);
      const lost = plan.regions[which % plan.regions.length]!.name;
      const rest = plan.regions.filter(({ name }) => name !== lost);
      const demand = plan.classes.reduce((sum, each) => sum + each.demand, 0);
      const slots = replan(plan, (_, region) => region !== lost);
      const loads = loadsWith(plan, slots);
      const isEnough = rest.reduce((sum, { capacity }) => sum + capacity!, 0) >= demand;
      for (const [region, { capacity, name }] of plan.regions.entries()) {
        if (name === lost) assert.equal(loads[region], 0);
        // A slot of each class may be rounded up.
        else if (isEnough) {
          assert.ok(loads[region]! <= capacity! + demand / SLOTS + 1e-6, `${name} ${loads}`);
        }
      }
      if (isEnough) return;
      const uses = plan.regions.flatMap(({ capacity, name }, region) =>
        name === lost ? [] : [loads[region]! / capacity!],
      );
      const mean = demand / rest.reduce((sum, { capacity }) => sum + capacity!, 0);
      const grain = Math.max(...rest.map(({ capacity }) => demand / SLOTS / capacity!));
      assert.ok(Math.max(...uses) <= mean + 0.05 + grain + 1e-6, 'what is too much is shared out');
    }),
    parameters,
  );
});

test('region after region is lost as overload fells them, if everybody goes to the nearest; by plan none is', () => {
  const ways = (at: number): readonly number[] =>
    [0, 30, 60, 90].map((place) => 5 + Math.abs(place - at));
  const regions = ['a', 'b', 'c', 'd'].map((name) => ({ name, capacity: 140, target: 112 }));
  const classes = Array.from({ length: 40 }, (_, index) => ({
    key: `web k${index + 10}`,
    pool: 'web',
    demand: 10,
    waysMs: ways((index * 90) / 39),
  }));
  const plan = planned({ regions, classes });
  const felled = (
    slotsOf: (lost: ReadonlySet<string>) => readonly (readonly number[])[],
  ): number => {
    const lost = new Set(['a']);
    for (;;) {
      const loads = loadsWith(plan, slotsOf(lost));
      const over = regions.find(
        ({ capacity, name }, index) => !lost.has(name) && loads[index]! > 1.05 * capacity,
      );
      if (over === undefined || lost.size === regions.length) return lost.size - 1;
      lost.add(over.name);
    }
  };
  const nearest = (lost: ReadonlySet<string>): readonly (readonly number[])[] =>
    classes.map(({ waysMs }) => {
      const open = waysMs.map((way, region) => (lost.has(regions[region]!.name) ? Infinity : way));
      const best = open.indexOf(Math.min(...open));
      return open.map((_, region) => (region === best ? SLOTS : 0));
    });
  assert.equal(
    felled((lost) => replan(plan, (_, region) => !lost.has(region))),
    0,
  );
  assert.ok(felled(nearest) >= 2, `${felled(nearest)} felled`);
});

test('only clients of the lost region move, unless it saves much', () => {
  const web = (key: string, waysMs: readonly number[], slots: readonly number[]): PlanClass => {
    return { key, pool: 'web', demand: 10, waysMs, slots };
  };
  const plan = {
    regions: ['a', 'b', 'c'].map((name) => ({ name, capacity: 20, target: 20 })),
    classes: [
      web('1', [10, 20, 90], [SLOTS, 0, 0]),
      web('2', [90, 10, 20], [0, SLOTS, 0]),
      web('3', [90, 10, 15], [0, SLOTS / 2, SLOTS / 2]),
    ],
  };
  assert.deepEqual(
    replan(plan, (_, region) => region !== 'a'),
    // There is room for half of them in b; it is made for the others by those who are as well off in c.
    [
      [0, SLOTS, 0],
      [0, SLOTS, 0],
      [0, 0, SLOTS],
    ],
  );
});

test('a region may be lost to one pool alone', () => {
  const of = (pool: string): PlanClass => ({
    ...{ key: `${pool} k`, pool, demand: 10 },
    ...{ waysMs: [10, 30], slots: [SLOTS, 0] },
  });
  const plan = {
    regions: ['a', 'b'].map((name) => ({ name, capacity: 100, target: 100 })),
    classes: [of('api'), of('web')],
  };
  assert.deepEqual(
    replan(plan, (pool, region) => !(pool === 'api' && region === 'a')),
    [
      [0, SLOTS],
      [SLOTS, 0],
    ],
  );
});

test('who can go nowhere keeps the place, and the ladder answers', () => {
  const slots = [SLOTS, 0];
  const classes = [{ key: 'k', pool: 'web', demand: 1, waysMs: [10, null], slots }];
  const regions = ['a', 'b'].map((name) => ({ name, capacity: null, target: null }));
  assert.deepEqual(
    replan({ classes, regions }, (_, region) => region !== 'a'),
    [slots],
  );
});
