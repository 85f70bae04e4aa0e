import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createSlowStartState,
  DEFAULT_SLOW_START,
  observeVerdict,
  type SlowStartRules,
  slowStartFactor,
  startRamp,
} from '../../src/resilience/slow-start.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const START_MS = 5_000_000;
const RULES: SlowStartRules = { ...DEFAULT_SLOW_START, jitterMs: 0 };
const parts = (rules: SlowStartRules): number[] => {
  const state = createSlowStartState(1);
  startRamp(state, rules, 0, START_MS, 0);
  return [0, 0.05, 0.25, 0.64, 1, 2].map((part) =>
    Number(slowStartFactor(state, rules, 0, START_MS + part * rules.windowMs).toFixed(3)),
  );
};

test('never at process start: the first verdict, and healthy after healthy, change nothing', () => {
  const state = createSlowStartState(2);
  assert.equal(observeVerdict(state, RULES, 0, true, START_MS, 0), false);
  assert.equal(observeVerdict(state, RULES, 0, true, START_MS + 1, 0), false);
  assert.equal(slowStartFactor(state, RULES, 0, START_MS + 2), 1);
});

test('each return from unhealthy begins a ramp of its own, for that server only', () => {
  const state = createSlowStartState(2);
  for (const [at, healthy, begins] of [
    [0, false, false],
    [10, true, true],
    [5000, false, false],
    [6000, true, true],
  ] as const) {
    assert.equal(observeVerdict(state, RULES, 0, healthy, START_MS + at, 0), begins, `${at}`);
  }
  assert.equal(slowStartFactor(state, RULES, 0, START_MS + 6000), 0.1);
  assert.equal(slowStartFactor(state, RULES, 0, START_MS + 6000 + 15_000), 0.5);
  assert.equal(slowStartFactor(state, RULES, 1, START_MS + 6000), 1);
});

test('a straight line from 10 %, and a steeper one with more aggression', () => {
  assert.deepEqual(parts(RULES), [0.1, 0.1, 0.25, 0.64, 1, 1]);
  assert.deepEqual(parts({ ...RULES, aggression: 2 }), [0.1, 0.224, 0.5, 0.8, 1, 1]);
  assert.deepEqual(parts({ ...RULES, windowMs: 0 }), [1, 1, 1, 1, 1, 1]);
});

test('the jitter puts off the ramp, at the lowest factor', () => {
  const rules = { ...RULES, jitterMs: 3000 };
  const state = createSlowStartState(2);
  startRamp(state, rules, 0, START_MS, 0);
  startRamp(state, rules, 1, START_MS, 0.9);
  const at = (nowMs: number): number[] =>
    [0, 1].map((s) => slowStartFactor(state, rules, s, nowMs));
  assert.deepEqual(at(START_MS + 2000), [0.1, 0.1]);
  const [early, late] = at(START_MS + 17_700);
  assert.ok(late! < early! && late === 0.5, `${early}, ${late}`);
});

test('the factor never falls, begins at the minimum and ends at one', () => {
  const rules = fc.record({
    windowMs: fc.integer({ min: 1, max: 600_000 }),
    minFactor: fc.double({ min: 0.01, max: 1, noNaN: true }),
    aggression: fc.double({ min: 0.1, max: 10, noNaN: true }),
    jitterMs: fc.integer({ min: 0, max: 10_000 }),
  });
  const draws = fc.double({ min: 0, max: 0.999, noNaN: true });
  const steps = fc.array(fc.integer({ min: 0, max: 60_000 }), { maxLength: 40 });
  fc.assert(
    fc.property(rules, draws, steps, (rule, draw, list) => {
      const state = createSlowStartState(1);
      startRamp(state, rule, 0, START_MS, draw);
      let nowMs = START_MS;
      let before = slowStartFactor(state, rule, 0, nowMs);
      assert.equal(before, rule.minFactor);
      for (const step of list) {
        nowMs += step;
        const factor = slowStartFactor(state, rule, 0, nowMs);
        assert.ok(factor >= before && factor <= 1);
        before = factor;
      }
      const endMs = START_MS + rule.jitterMs + rule.windowMs;
      assert.equal(slowStartFactor(state, rule, 0, endMs), 1);
    }),
    { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(500) },
  );
});

test('without a window a server has its whole weight at once, whatever the jitter', () => {
  const rules = { ...RULES, windowMs: 0, jitterMs: 3000 };
  const state = createSlowStartState(1);
  startRamp(state, rules, 0, START_MS, 0.9);
  assert.equal(slowStartFactor(state, rules, 0, START_MS), 1);
});
