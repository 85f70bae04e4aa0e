import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AdmissionState,
  admits,
  createAdmissionState,
  observeAdmitted,
  DEFAULT_ADMISSION as RULES,
  rejectProbability,
} from '../../src/resilience/admission.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { createDraws } from './draws.ts';

const START_MS = 1_800_000_000_000;

/** 100 requests a second, of which this share succeeds. @returns the share that was let through */
function run(state: AdmissionState, success: number, seconds: number, fromMs = START_MS): number {
  const draw = createDraws(seconds);
  let admitted = 0;
  for (let request = 0; request < 100 * seconds; request += 1) {
    const nowMs = fromMs + request * 10;
    if (!admits(state, RULES, nowMs, draw())) continue;
    admitted += 1;
    observeAdmitted(state, draw() < success, nowMs);
  }
  return admitted / (100 * seconds);
}

test('a success rate above the threshold is let through whole', () => {
  assert.equal(run(createAdmissionState(RULES), 0.97, 300), 1);
});

test('with half of it failing, what is let through is as the formula says', () => {
  const state = createAdmissionState(RULES);
  run(state, 0.5, 120);
  const expected = 1 - 0.5 / 0.95;
  const rejected = rejectProbability(state, RULES, START_MS + 120_000);
  assert.ok(Math.abs(rejected - expected) < 0.03, `${rejected}`);
});

test('when all fails a fifth is still tried, and a window later all is well again', () => {
  const state = createAdmissionState(RULES);
  run(state, 0, 120);
  assert.equal(rejectProbability(state, RULES, START_MS + 120_000), RULES.rejectMax);
  const share = run(state, 0, 60, START_MS + 120_000);
  assert.ok(Math.abs(share - 0.2) < 0.02, `${share}`);
  run(state, 1, 121, START_MS + 180_000);
  assert.equal(rejectProbability(state, RULES, START_MS + 302_000), 0);
});

test('few requests are never rejected, and a long silence forgets all', () => {
  const quiet = createAdmissionState(RULES);
  for (let second = 0; second < 120; second += 1) {
    for (let n = 0; n < 4; n += 1) observeAdmitted(quiet, false, START_MS + second * 1000);
  }
  assert.equal(rejectProbability(quiet, RULES, START_MS + 119_000), 0);
  const state = createAdmissionState(RULES);
  run(state, 0, 120);
  assert.equal(rejectProbability(state, RULES, START_MS + 3_600_000), 0);
  assert.deepEqual([state.requests.total, state.successes.total], [0, 0]);
});

test('aggression rejects more at the same success rate', () => {
  const state = createAdmissionState(RULES);
  for (let request = 0; request < 1000; request += 1) {
    observeAdmitted(state, request % 10 !== 0 && request % 9 !== 0, START_MS);
  }
  const at = (aggression: number): number =>
    rejectProbability(state, { ...RULES, aggression }, START_MS);
  assert.ok(at(1) > 0 && at(1) < at(2) && at(2) < at(4), `${at(1)}, ${at(2)}, ${at(4)}`);
});

test('whatever happens, it is a probability, and more successes never make it greater', () => {
  const end = fc.tuple(fc.boolean(), fc.nat({ max: 5000 }));
  fc.assert(
    fc.property(fc.array(end, { minLength: 1, maxLength: 900 }), (ends) => {
      const [worse, better] = [createAdmissionState(RULES), createAdmissionState(RULES)];
      const rules = { ...RULES, ratePerSecondMin: 0 };
      let nowMs = START_MS;
      for (const [at, [ok, stepMs]] of ends.entries()) {
        nowMs += stepMs;
        observeAdmitted(worse, ok, nowMs);
        observeAdmitted(better, ok || at % 3 === 0, nowMs);
        const rejected = rejectProbability(worse, rules, nowMs);
        assert.ok(rejected >= 0 && rejected <= rules.rejectMax);
        assert.ok(rejectProbability(better, rules, nowMs) <= rejected);
        assert.ok(worse.successes.total <= worse.requests.total);
      }
    }),
    { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(200) },
  );
});
