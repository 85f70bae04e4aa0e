import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AdaptiveLimitState,
  adaptiveLimit,
  createAdaptiveLimitState,
  observeAnswer,
  DEFAULT_ADAPTIVE_LIMIT as RULES,
} from '../../src/resilience/adaptive-limit.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { createDraws } from './draws.ts';

/** A server that does `workers` requests at a time in `serviceMs` each; more wait for one another. */
type Backend = { workers: number; serviceMs: number };

/** Windows of answers while there are `demand` requests at a time. @returns the limit after each */
function run(
  state: AdaptiveLimitState,
  backend: Backend,
  demand: number,
  windows: number,
  from = 0,
): number[] {
  const draw = createDraws(windows + from);
  return Array.from({ length: windows }, (_, window) => {
    const inFlight = Math.min(demand, adaptiveLimit(state, 0));
    const elapsedMs = backend.serviceMs * Math.max(1, inFlight / backend.workers);
    for (let answer = 0; answer < RULES.samplesMin + 1; answer += 1) {
      const nowMs = (from + window) * 110 + answer * 10;
      observeAnswer(state, RULES, 0, elapsedMs * (0.9 + 0.2 * draw()), inFlight, nowMs);
    }
    return adaptiveLimit(state, 0);
  });
}
const MINUTE = 545;

for (const workers of [30, 150]) {
  test(`under a load without end the limit finds ${workers} workers and stays there for 20 minutes`, () => {
    const state = createAdaptiveLimitState(1, RULES);
    run(state, { workers, serviceMs: 20 }, 10_000, MINUTE);
    const limits = run(state, { workers, serviceMs: 20 }, 10_000, 20 * MINUTE, MINUTE);
    const mean = limits.reduce((sum, limit) => sum + limit, 0) / limits.length;
    assert.ok(Math.max(...limits) <= 2.8 * workers, `at most ${Math.max(...limits)}`);
    assert.ok(Math.min(...limits) >= 0.5 * workers, `at least ${Math.min(...limits)}`);
    assert.ok(mean > workers && mean < 2.3 * workers, `mean ${mean}`);
  });
}

test('a server that loses most of its workers is limited within ten seconds', () => {
  const state = createAdaptiveLimitState(1, RULES);
  const before = run(state, { workers: 100, serviceMs: 20 }, 10_000, MINUTE).at(-1)!;
  const after = run(state, { workers: 20, serviceMs: 20 }, 10_000, 90, MINUTE).at(-1)!;
  assert.ok(before > 100 && after < 50, `${before} → ${after}`);
});

test('a server that has become slower for good gets its requests back within three minutes', () => {
  const state = createAdaptiveLimitState(1, RULES);
  run(state, { workers: 100, serviceMs: 20 }, 10_000, MINUTE);
  const limits = run(state, { workers: 100, serviceMs: 80 }, 10_000, 3 * MINUTE, MINUTE);
  assert.ok(Math.min(...limits) < 50, 'it looks overloaded at first');
  assert.ok(limits.at(-1)! > 90, `${limits.at(-1)}`);
});

test('little load leaves the limit as it is', () => {
  const state = createAdaptiveLimitState(1, RULES);
  const limits = run(state, { workers: 100, serviceMs: 20 }, 5, MINUTE);
  assert.deepEqual(new Set(limits), new Set([RULES.limitStart]));
});

test('whatever the times, the limit stays between its bounds and is a number', () => {
  const answer = fc.tuple(
    fc.double({ min: 0, max: 1e6, noNaN: true }),
    fc.nat({ max: 5000 }),
    fc.nat({ max: 300 }),
  );
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 400 }), (answers) => {
      const rules = { ...RULES, samplesMin: 1, driftWindows: 5 };
      const state = createAdaptiveLimitState(1, rules);
      let nowMs = 0;
      for (const [elapsedMs, inFlight, stepMs] of answers) {
        nowMs += stepMs;
        observeAnswer(state, rules, 0, elapsedMs, inFlight, nowMs);
        const limit = adaptiveLimit(state, 0);
        assert.ok(limit >= rules.limitMin && limit <= rules.limitMax, `${limit}`);
      }
    }),
    { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(300) },
  );
});
