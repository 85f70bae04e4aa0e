import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { healthWord, wordShare } from '../../src/health/health-word.ts';
import { RAMP_STEPS_MAX, type RampRules, rampShare } from '../../src/health/ramp.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const parameters = { seed: fuzzSeed(20_261_124), numRuns: fuzzRuns(400) };
const RULES: RampRules = { from: 0.25, overMs: 32_000 };
const BACK_MS = 1_000_000;

test('rampShare() begins with a part, grows in steps, and is whole at the end', () => {
  const at = (ms: number): number => rampShare(BACK_MS, RULES, BACK_MS + ms);
  assert.equal(at(0), 0.25);
  assert.equal(at(999), 0.25);
  assert.equal(at(16_000), 0.625);
  assert.ok(at(31_999) < 1);
  assert.equal(at(32_000), 1);
  assert.equal(at(-5000), 0.25, 'a clock that was set back');
});

test('rampShare() is whole for what was never out, and where nothing returns slowly', () => {
  assert.equal(rampShare(undefined, RULES, BACK_MS), 1);
  assert.equal(rampShare(BACK_MS, { from: 0, overMs: 0 }, BACK_MS), 1);
});

const rules = fc.record({
  from: fc.double({ min: 0, max: 1, noNaN: true }),
  overMs: fc.integer({ min: 0, max: 86_400_000 }),
});

test('rampShare() never falls while time goes on, also as a word tells it, and ends whole', () => {
  fc.assert(
    fc.property(rules, fc.array(fc.nat(90_000_000), { maxLength: 40 }), (rule, times) => {
      let before = 0;
      let toldBefore = 0;
      const distinct = new Set<number>();
      for (const ms of times.toSorted((a, b) => a - b)) {
        const share = rampShare(BACK_MS, rule, BACK_MS + ms);
        const told = wordShare(healthWord(0, 0, share));
        assert.ok(share > 0 && share <= 1);
        assert.ok(share >= before && told >= toldBefore && told > 0);
        [before, toldBefore] = [share, told];
        distinct.add(share);
      }
      assert.ok(distinct.size <= RAMP_STEPS_MAX + 1);
      assert.equal(rampShare(BACK_MS, rule, BACK_MS + rule.overMs), 1);
    }),
    parameters,
  );
});
