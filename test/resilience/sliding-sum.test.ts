import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addToSum, createSlidingSum, sumAt } from '../../src/resilience/sliding-sum.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const WINDOW_MS = 1000;
const SLICES = 10;

test('it is the sum of what was added in this slice and the nine before it', () => {
  const step = fc.tuple(fc.integer({ min: -300, max: 3000 }), fc.integer({ min: -9, max: 9 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const sum = createSlidingSum(WINDOW_MS, SLICES);
      const added: { slice: number; amount: number }[] = [];
      let [nowMs, newest] = [1_000_000, 0];
      for (const [stepMs, amount] of steps) {
        nowMs += stepMs;
        // A clock that goes back counts as the newest slice.
        newest = Math.max(newest, Math.floor(nowMs / (WINDOW_MS / SLICES)));
        added.push({ slice: newest, amount });
        addToSum(sum, amount, nowMs);
        const expected = added
          .filter(({ slice }) => slice > newest - SLICES)
          .reduce((total, each) => total + each.amount, 0);
        assert.equal(sumAt(sum, nowMs), expected);
      }
    }),
    { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(300) },
  );
});

test('what is lost in rounding does not gather', () => {
  const sum = createSlidingSum(WINDOW_MS, SLICES);
  for (let nowMs = 0; nowMs < 500_000; nowMs += 1) addToSum(sum, 0.2, nowMs);
  assert.ok(Math.abs(sumAt(sum, 499_999) - 200) < 1e-9);
});
