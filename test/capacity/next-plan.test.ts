import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type KnownClass, nextPlan, type PlanRules } from '../../src/capacity/next-plan.ts';
import { type PlanRegion, viewPlan } from '../../src/capacity/plan.ts';
import { SLOTS } from '../../src/steering/slots.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { capacityWorlds } from './worlds.ts';

const RULES: PlanRules = { stepShare: 0.1, returnShare: 0.025, stayMs: 3, bandShare: 0.03 };
const AT_ONCE: PlanRules = { stepShare: 1, returnShare: 1, stayMs: 3, bandShare: 0.03 };
const region = (name: string, capacity: number | null): PlanRegion => ({
  name,
  capacity,
  target: capacity === null ? null : capacity * 0.8,
});
const client = (
  key: string,
  demand: number,
  waysMs: readonly number[],
  slots?: readonly number[],
): KnownClass => ({ key, pool: 'web', demand, waysMs, slots });

test('who is new begins where it is nearest', () => {
  const regions = [region('a', null), region('b', 100)];
  const { classes, movedShare } = nextPlan(
    [client('1', 10, [50, 20]), client('2', 10, [20, 50])],
    regions,
    RULES,
  );
  assert.deepEqual(
    classes.map(({ slots }) => slots),
    [
      [0, SLOTS],
      [SLOTS, 0],
    ],
  );
  assert.equal(movedShare, 0);
});

test('a full region is relieved by one step in each window, those first who lose least', () => {
  const regions = [region('a', 100), region('b', 1000)];
  let known: readonly KnownClass[] = [
    client('far', 100, [10, 90], [SLOTS, 0]),
    client('near', 100, [10, 30], [SLOTS, 0]),
  ];
  const loads: number[] = [];
  for (let window = 0; window < 8; window += 1) {
    const { classes } = nextPlan(known, regions, RULES);
    loads.push(Math.round(viewPlan({ classes, regions }).loads[0]!));
    known = classes;
  }
  assert.deepEqual(loads, [180, 160, 140, 120, 100, 80, 80, 80]);
  assert.deepEqual(
    known.map(({ slots }) => Math.round((slots![0]! / SLOTS) * 100)),
    [80, 0],
  );
});

test('clients come back where there is room again, and more slowly than they left', () => {
  const [full, free] = [
    [region('a', 50), region('b', 1000)],
    [region('a', 1000), region('b', 1000)],
  ];
  const before = nextPlan([client('1', 100, [10, 60])], full, AT_ONCE).classes;
  assert.equal(Math.round(viewPlan({ classes: before, regions: full }).loads[0]!), 40);
  const { classes, movedShare, waitingShare } = nextPlan(before, free, RULES);
  assert.ok(Math.abs(viewPlan({ classes, regions: free }).loads[0]! - 42.5) < 0.2);
  assert.ok(Math.abs(movedShare - 0.025) < 1e-3 && waitingShare > 0.5);
});

test('nobody has to leave for a little more than the target, and nobody comes for it', () => {
  const regions = [region('a', 100), region('b', 1000)];
  const of = (demand: number) => [client('1', demand, [10, 60], [SLOTS, 0])];
  const loadOf = (demand: number): number =>
    viewPlan({ classes: nextPlan(of(demand), regions, AT_ONCE).classes, regions }).loads[0]!;
  assert.equal(loadOf(82), 82);
  assert.ok(Math.abs(loadOf(83) - 80) < 0.1);
  const more = [client('1', 82, [10, 60], [SLOTS, 0]), client('2', 1, [10, 90], [0, SLOTS])];
  const { classes } = nextPlan(more, regions, AT_ONCE);
  // Who gains more comes in the place of somebody who gains less.
  assert.ok(classes[1]!.slots[0]! > 0.9 * SLOTS, `${classes[1]!.slots}`);
  assert.ok(viewPlan({ classes, regions }).loads[0]! <= 82);
});

test('a gain that is too small moves nobody', () => {
  const regions = [region('a', null), region('b', null)];
  const { movedShare } = nextPlan([client('1', 10, [22, 20], [SLOTS, 0])], regions, AT_ONCE);
  assert.equal(movedShare, 0);
});

test('where the pool is not any more nobody is left, however many have to go', () => {
  const regions = [region('a', 100), region('b', 100)];
  const lost: KnownClass = {
    ...{ key: '1', pool: 'web', demand: 10 },
    ...{ waysMs: [null, 10], slots: [SLOTS, 0] },
  };
  const { classes } = nextPlan([lost], regions, AT_ONCE);
  assert.deepEqual(classes[0]!.slots, [0, SLOTS]);
});

test('no plan moves more than it may, and with unchanged demand plans come to rest', () => {
  fc.assert(
    fc.property(capacityWorlds([1.3, 3]), ({ classes, regions }) => {
      const demand = classes.reduce((sum, each) => sum + each.demand, 0);
      let known: readonly KnownClass[] = classes.map((each) => ({ ...each, slots: undefined }));
      const rest: number[] = [];
      for (let window = 0; window < 60; window += 1) {
        const next = nextPlan(known, regions, RULES);
        if (window > 0) {
          const changed = next.classes.reduce((sum, each, index) => {
            const before = known[index]!.slots!;
            const gone = each.slots.map((slots, at) => Math.max(0, before[at]! - slots));
            return sum + (each.demand * gone.reduce((a, b) => a + b, 0)) / SLOTS;
          }, 0);
          const most = RULES.stepShare + RULES.returnShare + classes.length / SLOTS;
          assert.ok(changed <= most * demand, `${changed / demand} moved`);
          rest.push(changed);
        }
        known = next.classes;
      }
      assert.deepEqual(rest.slice(-5), [0, 0, 0, 0, 0]);
    }),
    { numRuns: fuzzRuns(300), seed: fuzzSeed(71) },
  );
});
