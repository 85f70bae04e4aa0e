import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Health,
  type Judgement,
  judge,
  judgeNear,
  type QuorumRules,
  tally,
  type Vote,
} from '../../src/health/quorum.ts';
import { initialVerdict, observe, secondsToChange } from '../../src/health/verdict.ts';
import { fuzzHits, fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

/**
 * The promise of a TTL: whatever those vantage points come to say that could have changed their mind
 * before its end, the judgement is still the same. Silence and a balancer's word cannot be foreseen.
 */
const parameters = { seed: fuzzSeed(20_261_135), numRuns: fuzzRuns(1000) };
const T = 1_000_000;
const GROUPS = ['home', 'eu', 'us', 'as', 'sa'] as const;

const vote: fc.Arbitrary<Vote> = fc
  .record({
    group: fc.constantFrom(...GROUPS),
    verdict: fc.constantFrom<Vote['verdict']>('up', 'up', 'down', 'down', 'unknown'),
    secondsToChange: fc.integer({ min: 1, max: 9 }),
    failing: fc.boolean(),
  })
  .map(({ failing, group, secondsToChange, verdict }) => ({
    vantage: '',
    group,
    verdict,
    slow: false,
    reason: verdict,
    atMs: T,
    leaseMs: 3000,
    // As verdicts say it: what is not known may change at any moment, and what is down does not fail.
    secondsToChange: verdict === 'unknown' ? 0 : secondsToChange,
    failing: failing && verdict !== 'down',
    trusted: true,
  }));
const worlds = fc
  .array(vote, { minLength: 1, maxLength: 7 })
  .map((votes) => votes.map((each, index) => ({ ...each, vantage: `v${index}` })));
const rules: fc.Arbitrary<QuorumRules> = fc.record({
  quorumMin: fc.integer({ min: 1, max: 3 }),
  downShare: fc.constantFrom(undefined, undefined, 0.7, 1),
  targetRegion: fc.constantFrom('home', 'home', undefined),
});
const before = fc.constantFrom<Health>('up', 'down', 'unknown');
/** What those say next who may. */
const turns = fc.array(fc.constantFrom<'up' | 'down' | 'same'>('up', 'down', 'same'), {
  minLength: 7,
  maxLength: 7,
});
type Turns = readonly ('up' | 'down' | 'same')[];

function judged(votes: readonly Vote[], rule: QuorumRules, was: Pick<Judgement, 'health'>) {
  return judge(tally(votes, rule, T), { health: was.health, decidedAtMs: T - 1 }, T);
}

/** The votes as they could be before `seconds` have passed. */
function turned(votes: readonly Vote[], seconds: number, next: Turns): readonly Vote[] {
  return votes.map((each, index) => {
    const turn = next[index] ?? 'same';
    if (turn === 'same') return each;
    // The first failure of what is up comes with the next probe: that is no change of a verdict.
    const failing = each.verdict === 'up' && turn === 'down';
    if (each.secondsToChange >= seconds) return failing ? { ...each, failing } : each;
    return { ...each, verdict: turn, failing: false };
  });
}

test('judge() promises no longer than the votes can keep', () => {
  let promised = 0;
  fc.assert(
    fc.property(worlds, rules, before, turns, (votes, rule, health, next) => {
      const now = judged(votes, rule, { health });
      if (now.ttlSeconds === 0) return;
      promised += 1;
      const later = judged(turned(votes, now.ttlSeconds, next), rule, now);
      assert.equal(later.health, now.health);
    }),
    parameters,
  );
  assert.ok(promised > fuzzHits(200, 1000), String(promised));
});

test('judge() promises as long as the votes can keep: some change at its end would show', () => {
  // One domain of each kind: the promise is the n-th soonest change, and no less.
  const votes = (['eu', 'us', 'as'] as const).map(
    (group, index): Vote => ({
      vantage: group,
      group,
      verdict: 'up',
      slow: false,
      reason: '',
      atMs: T,
      leaseMs: 3000,
      secondsToChange: 3 * (index + 1),
      failing: false,
      trusted: true,
    }),
  );
  const rule = { quorumMin: 1, targetRegion: undefined };
  const now = judged(votes, rule, { health: 'up' });
  assert.equal(now.ttlSeconds, 6, 'two of three');
  const ends = turned(votes, now.ttlSeconds + 1, ['down', 'down', 'same']);
  assert.equal(judged(ends, rule, now).health, 'down');
});

test('judgeNear() promises no longer than the votes can keep, for those near each region', () => {
  let promised = 0;
  fc.assert(
    fc.property(worlds, rules, before, turns, (votes, rule, health, next) => {
      for (const group of GROUPS) {
        const world = judged(votes, rule, { health });
        const now = judgeNear(group, tally(votes, rule, T), world);
        if (now.ttlSeconds === 0) continue;
        promised += 1;
        const then = turned(votes, now.ttlSeconds, next);
        const later = judgeNear(group, tally(then, rule, T), judged(then, rule, world));
        assert.equal(later.health, now.health);
      }
    }),
    parameters,
  );
  assert.ok(promised > fuzzHits(200, 1000), String(promised));
});

test('secondsToChange() promises no longer than a target can keep, slowness included', () => {
  const limits = fc.record({
    rise: fc.integer({ min: 1, max: 4 }),
    fall: fc.integer({ min: 1, max: 4 }),
    intervalMs: fc.constant(1000),
    slowAboveMs: fc.constantFrom(100, undefined),
  });
  const answers = fc.array(fc.constantFrom<'quick' | 'slow' | 'fails'>('quick', 'slow', 'fails'), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(answers, limits, (seen, { slowAboveMs, ...rest }) => {
      const rule = slowAboveMs === undefined ? rest : { ...rest, slowAboveMs };
      let state = initialVerdict();
      let promisedMs = 0;
      for (const [index, answer] of seen.entries()) {
        const atMs = (index + 1) * 1000;
        const rttMs = answer === 'slow' ? 200 : 10;
        const next = observe(state, { atMs, ok: answer !== 'fails', rttMs, reason: '' }, rule);
        const steersOtherwise =
          next.verdict !== state.verdict || (next.slow !== state.slow && next.verdict === 'up');
        if (steersOtherwise) assert.ok(atMs >= promisedMs, `${atMs} < ${promisedMs}`);
        promisedMs = atMs + secondsToChange(next, rule) * 1000;
        state = next;
      }
    }),
    parameters,
  );
});
