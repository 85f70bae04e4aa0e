import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { judge, type Previous, tally, type Vote } from '../../src/health/quorum.ts';
import { initialVerdict, observe, secondsToChange } from '../../src/health/verdict.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** Judgements under any votes: what must hold whatever the world looks like. */
const SEED = fuzzSeed(20_260_602);
const RUNS = fuzzRuns(1000);
const parameters = { seed: SEED, numRuns: RUNS };

const NOW_MS = 1_000_000;
const vote: fc.Arbitrary<Vote> = fc.record({
  vantage: fc.string(),
  group: fc.constantFrom('home', 'eu', 'us', 'as', 'sa'),
  verdict: fc.constantFrom('up', 'down', 'unknown'),
  reason: fc.string(),
  atMs: fc.integer({ min: NOW_MS - 4000, max: NOW_MS }),
  leaseMs: fc.constant(3000),
  secondsToChange: fc.integer({ min: 0, max: 60 }),
  failing: fc.boolean(),
  slow: fc.boolean(),
  trusted: fc.boolean(),
});
const votes = fc.array(vote, { maxLength: 12 });
const previous: fc.Arbitrary<Previous> = fc.record({
  health: fc.constantFrom('up', 'down', 'unknown'),
  decidedAtMs: fc.integer({ min: NOW_MS - 700_000, max: NOW_MS }),
});
const rules = fc.record({
  quorumMin: fc.integer({ min: 1, max: 4 }),
  downShare: fc.constantFrom(undefined, 0.5, 0.6, 0.82, 1),
  targetRegion: fc.constantFrom('home', 'moon', undefined),
});

test('judge() never moves against its votes: one more "down" never turns down into up', () => {
  fc.assert(
    fc.property(votes, rules, previous, fc.nat(), (list, rule, before, at) => {
      const one = list[at % Math.max(1, list.length)];
      if (one === undefined) return;
      const worse = list.map((each) =>
        each === one ? { ...each, verdict: 'down' as const } : each,
      );
      const was = judge(tally(list, rule, NOW_MS), before, NOW_MS).health;
      const is = judge(tally(worse, rule, NOW_MS), before, NOW_MS).health;
      if (was === 'down') assert.equal(is, 'down');
      if (is === 'up') assert.equal(was, 'up');
    }),
    parameters,
  );
});

test('judge() needs somebody who says so to change anything, and does not heed the order', () => {
  fc.assert(
    fc.property(votes, rules, previous, (list, rule, before) => {
      const now = judge(tally(list, rule, NOW_MS), before, NOW_MS);
      assert.ok(now.ttlSeconds >= 0 && Number.isFinite(now.ttlSeconds));
      if (now.health !== before.health && now.health !== 'unknown') {
        const lives = list.filter(({ atMs, trusted }) => trusted && NOW_MS - atMs <= 3000);
        assert.ok(lives.some(({ verdict }) => verdict === now.health));
        assert.equal(now.isHeld, false);
      }
      const { health, ttlSeconds } = judge(tally(list.toReversed(), rule, NOW_MS), before, NOW_MS);
      assert.deepEqual([health, ttlSeconds], [now.health, now.ttlSeconds]);
    }),
    parameters,
  );
});

test('observe() never changes a verdict before the time that secondsToChange() promised', () => {
  const limits = fc.record({
    rise: fc.integer({ min: 1, max: 5 }),
    fall: fc.integer({ min: 1, max: 5 }),
    intervalMs: fc.constant(1000),
  });
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 40 }), limits, (results, limit) => {
      let state = initialVerdict();
      let promisedMs = 0;
      for (const [index, ok] of results.entries()) {
        const atMs = (index + 1) * 1000;
        const next = observe(state, { atMs, ok, rttMs: 1, reason: '' }, limit);
        if (next.verdict !== state.verdict) assert.ok(atMs >= promisedMs);
        promisedMs = atMs + secondsToChange(next, limit) * 1000;
        state = next;
      }
    }),
    parameters,
  );
});
