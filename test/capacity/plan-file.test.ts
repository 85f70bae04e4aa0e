import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeReport, encodeReport } from '../../src/capacity/demand-report.ts';
import { nextPlan } from '../../src/capacity/next-plan.ts';
import type { CapacityPlan } from '../../src/capacity/plan.ts';
import { decodePlan, encodePlan } from '../../src/capacity/plan-file.ts';
import { changedShare, planObjection } from '../../src/capacity/plan-guard.ts';
import { buildSlotsTable, sharesOf } from '../../src/capacity/slots-table.ts';
import { SLOTS } from '../../src/steering/slots.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { capacityWorlds } from './worlds.ts';

const parameters = { numRuns: fuzzRuns(300), seed: fuzzSeed(73) };
const plans = capacityWorlds([1, 2]).map(({ classes, regions }): CapacityPlan => {
  const known = classes.map((each) => ({ ...each, slots: undefined }));
  const rules = { stepShare: 1, returnShare: 1, stayMs: 3, bandShare: 0.03 };
  return {
    trims: [['web/a', 0.9]],
    generation: 7,
    madeAtMs: 1_000,
    regions,
    classes: nextPlan(known, regions, rules).classes,
  };
});

test('a plan is read as it was written', () => {
  fc.assert(
    fc.property(plans, (plan) => {
      assert.deepEqual(decodePlan(encodePlan(plan)), { ok: true, plan });
    }),
    parameters,
  );
});

test('a plan with any octet changed, cut or added is refused, and nothing is thrown', () => {
  const [plan] = fc.sample(plans, { numRuns: 1, seed: 1 });
  const bytes = encodePlan(plan!);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = Uint8Array.from(bytes);
      changed[at]! ^= change;
      assert.equal(decodePlan(changed).ok, false);
      assert.equal(decodePlan(bytes.subarray(0, at)).ok, false);
      assert.equal(decodePlan(Uint8Array.of(...bytes, change)).ok, false);
    }),
    parameters,
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
      assert.equal(decodePlan(octets).ok, false);
      assert.equal(decodeReport(octets), undefined);
    }),
    parameters,
  );
});

test('what a plan cannot be is refused with the reason', () => {
  const [plan] = fc.sample(plans, { numRuns: 1, seed: 2 });
  const reasonOf = (change: Partial<CapacityPlan>): string => {
    const read = decodePlan(encodePlan({ ...plan!, ...change }));
    return read.ok ? '' : read.reason;
  };
  const [first, ...rest] = plan!.classes;
  const slots = first!.slots.map((_, region) => (region === 0 ? SLOTS - 1 : 0));
  assert.match(reasonOf({ classes: [{ ...first!, slots }, ...rest] }), /slots of its class/);
  assert.match(reasonOf({ classes: plan!.classes.toReversed() }), /in no order/);
  assert.match(reasonOf({ generation: 0 }), /generation/);
  assert.match(reasonOf({ classes: [{ ...first!, demand: -1 }, ...rest] }), /classes.0.demand/);
  const [region] = plan!.regions;
  assert.match(reasonOf({ regions: plan!.regions.map(() => region!) }), /a region twice/);
  assert.match(
    reasonOf({ regions: [...plan!.regions, { ...region!, name: 'z' }] }),
    /other regions/,
  );
});

test('a report is read as it was written, to a thousandth', () => {
  const rates = fc.dictionary(fc.string({ minLength: 1, maxLength: 9 }), fc.nat(1e7));
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ minLength: 1, maxLength: 30 }), rates),
      fc.integer({ min: 1, max: 3600 }),
      (queries, seconds) => {
        const told = new Map(
          Object.entries(queries).map(([key, each]) => [
            key,
            new Map(Object.entries(each).map(([name, count]) => [name, count / 1000])),
          ]),
        );
        const slots = Array.from({ length: SLOTS }, (_, slot) => slot / 8);
        const targets = new Map([['web/a', 0.25]]);
        const report = {
          node: 'n',
          seconds,
          queries: told,
          shares: [{ pool: 'web', targets, slots }],
        };
        assert.deepEqual(decodeReport(encodeReport(report)), report);
      },
    ),
    parameters,
  );
});

test('a plan that is older, has lost much or moves much does not take the place of another', () => {
  const classes = Array.from({ length: 40 }, (_, index) => ({
    ...{ key: `web k${index + 10}`, pool: 'web', demand: 1 },
    ...{ waysMs: [10, 20], slots: [SLOTS, 0] },
  }));
  const regions = ['a', 'b'].map((name) => ({ name, capacity: null, target: null }));
  const plan: CapacityPlan = { generation: 5, madeAtMs: 0, regions, classes, trims: [] };
  const move = (count: number): CapacityPlan => ({
    ...plan,
    generation: 6,
    classes: classes.map((each, index) => (index < count ? { ...each, slots: [0, SLOTS] } : each)),
  });
  assert.equal(planObjection(undefined, plan), undefined);
  assert.equal(planObjection(plan, { ...plan, generation: 5 }), '');
  assert.equal(planObjection(plan, move(10)), undefined);
  assert.equal(changedShare(plan, move(10)), 0.25);
  assert.equal(planObjection(plan, move(30)), 'it sends 75 % of the demand elsewhere at once');
  const few = { ...plan, generation: 6, classes: classes.slice(0, 10) };
  assert.equal(planObjection(plan, few), 'it has 10 classes of clients, the one in force 40');
  const renamed = { ...move(0), regions: [regions[1]!, regions[0]!] };
  assert.equal(changedShare(plan, renamed), 1, 'regions are told by their names');
});

test('a table gives each class its shares, and those without the regions that return', () => {
  const key = fc.string({ minLength: 1, maxLength: 20 });
  const cut = fc.integer({ min: 0, max: SLOTS });
  const row = fc.record({ key, cut, without: cut });
  fc.assert(
    fc.property(fc.uniqueArray(row, { selector: (each) => each.key, maxLength: 60 }), (rows) => {
      const table = buildSlotsTable(
        1,
        ['a', 'b'],
        [1],
        rows.map((each) => ({
          key: each.key,
          slots: [each.cut, SLOTS - each.cut],
          slotsWithout: [each.without, SLOTS - each.without],
        })),
      );
      for (const each of rows) {
        const shareOfA = (isBack: boolean): number =>
          sharesOf(table, each.key, () => isBack)?.get('a') ?? 0;
        assert.equal(shareOfA(true), each.cut / SLOTS);
        assert.equal(shareOfA(false), each.without / SLOTS);
      }
      assert.equal(
        sharesOf(table, 'somebody else altogether', () => true),
        undefined,
      );
    }),
    parameters,
  );
});
