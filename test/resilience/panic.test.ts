import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type PriorityPlan,
  pickPriority,
  planPriorities,
  DEFAULT_PANIC_RULES as RULES,
} from '../../src/resilience/panic.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

/** Priorities of a hundred servers each, with so many healthy. */
const planOf = (healthy: readonly number[], rules = RULES): PriorityPlan =>
  planPriorities(
    healthy.map((count) => ({ servers: 100, healthy: count })),
    rules,
  );
const percents = ({ shares }: PriorityPlan): number[] =>
  shares.map((share) => Math.round(share * 100));

/** The tables in Envoy's documents, and what they leave out: healthy percent, share percent, panic. */
const worked: readonly (readonly [number[], number[], boolean[]])[] = [
  [
    [100, 100],
    [100, 0],
    [false, false],
  ],
  [
    [72, 72],
    [100, 0],
    [false, false],
  ],
  [
    [71, 71],
    [99, 1],
    [false, false],
  ],
  [
    [71, 0],
    [100, 0],
    [false, true],
  ],
  [
    [50, 60],
    [70, 30],
    [false, false],
  ],
  [
    [50, 50],
    [70, 30],
    [false, false],
  ],
  [
    [25, 100],
    [35, 65],
    [false, false],
  ],
  [
    [25, 25],
    [50, 50],
    [true, true],
  ],
  [
    [0, 100],
    [0, 100],
    [false, false],
  ],
  [
    [5, 65],
    [7, 93],
    [true, false],
  ],
  [
    [25, 20],
    [50, 50],
    [true, true],
  ],
  [
    [0, 0],
    [50, 50],
    [true, true],
  ],
  [
    [100, 100, 100],
    [100, 0, 0],
    [false, false, false],
  ],
  [
    [72, 72, 72],
    [100, 0, 0],
    [false, false, false],
  ],
  [
    [71, 71, 71],
    [99, 1, 0],
    [false, false, false],
  ],
  [
    [50, 50, 50],
    [70, 30, 0],
    [false, false, false],
  ],
  [
    [25, 100, 100],
    [35, 65, 0],
    [false, false, false],
  ],
  [
    [25, 25, 100],
    [35, 35, 30],
    [false, false, false],
  ],
];
for (const [healthy, shares, panic] of worked) {
  test(`planPriorities(): ${healthy} % healthy takes ${shares} %`, () => {
    const plan = planOf(healthy);
    assert.deepEqual(percents(plan), shares);
    assert.deepEqual(plan.panic, panic);
    assert.equal(plan.refuses, false);
  });
}

test('with panic switched off, shares follow health, and nothing healthy refuses', () => {
  const rules = { ...RULES, panicThreshold: 0 };
  assert.deepEqual(percents(planOf([25, 20], rules)), [56, 44]);
  assert.deepEqual(planOf([0, 0], rules).refuses, true);
  assert.equal(pickPriority(planOf([0, 0], rules), 0.5), -1);
});

test('when all panic, the bigger priority takes more', () => {
  const priorities = [
    { servers: 30, healthy: 0 },
    { servers: 10, healthy: 1 },
  ];
  assert.deepEqual(percents(planPriorities(priorities, RULES)), [75, 25]);
});

test('an empty priority takes nothing and does not panic; an empty pool refuses', () => {
  const plan = planPriorities(
    [
      { servers: 0, healthy: 0 },
      { servers: 4, healthy: 1 },
    ],
    RULES,
  );
  assert.deepEqual(
    [plan.shares, plan.panic],
    [
      [0, 1],
      [false, true],
    ],
  );
  assert.equal(planPriorities([], RULES).refuses, true);
  assert.equal(planPriorities([{ servers: 0, healthy: 0 }], RULES).refuses, true);
});

test('pickPriority() draws by share, and never a priority without one', () => {
  const plan = planOf([0, 50, 100]);
  const counts = [0, 0, 0];
  for (let step = 0; step < 1000; step += 1) counts[pickPriority(plan, step / 1000)]! += 1;
  assert.deepEqual(counts, [0, 700, 300]);
});

test('all traffic is placed, where there is health or panic, and better health never panics', () => {
  const priority = fc
    .tuple(fc.nat({ max: 50 }), fc.double({ min: 0, max: 1, noNaN: true }))
    .map(([servers, part]) => ({ servers, healthy: Math.floor(servers * part) }));
  const draws = fc.double({ min: 0, max: 0.999, noNaN: true });
  fc.assert(
    fc.property(fc.array(priority, { minLength: 1, maxLength: 5 }), draws, (list, draw) => {
      const plan = planPriorities(list, RULES);
      const total = plan.shares.reduce((sum, share) => sum + share, 0);
      if (plan.refuses) assert.ok(list.every(({ servers }) => servers === 0));
      else {
        assert.ok(Math.abs(total - 1) < 1e-9, `${total}`);
        const level = pickPriority(plan, draw);
        assert.ok(list[level]!.healthy > 0 || plan.panic[level] === true);
      }
      const whole = planPriorities(
        list.map(({ servers }) => ({ servers, healthy: servers })),
        RULES,
      );
      assert.ok(whole.panic.every((each) => !each));
    }),
    { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(1000) },
  );
});
