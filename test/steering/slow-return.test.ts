import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DEGRADED, DOWN, FORCED, healthWord, UNKNOWN } from '../../src/health/health-word.ts';
import { rampShare } from '../../src/health/ramp.ts';
import { slotsOf } from '../../src/nameserver/dealing.ts';
import { slotOf } from '../../src/nameserver/draw.ts';
import { type DecideState, type Decision, decide } from '../../src/steering/decide.ts';
import { compilePolicy } from '../../src/steering/policy.ts';
import { SLOTS } from '../../src/steering/slots.ts';
import type { Tiers, TraceLine } from '../../src/steering/step.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { alone, candidate, three } from './places.ts';

/** The stages of a slow return: who gets what, and that nobody moves to and fro. */
const parameters = { seed: fuzzSeed(20_261_129), numRuns: fuzzRuns(300) };
const standard = compilePolicy([
  { kind: 'healthy', options: {} },
  { kind: 'weighted', options: {} },
  { kind: 'first', options: {} },
]);
const blind = compilePolicy([{ kind: 'first', options: {} }]);
const line: Tiers = three.map((each) => [each]);

/** `up`, `down`, or the share of one that returns. */
type State = 'up' | 'down' | 'drained' | 'degraded' | 'unknown' | number;

function wordOfState(state: State): number {
  if (typeof state === 'number') return healthWord(0, 0, state);
  const flags = { up: 0, down: DOWN, drained: DOWN | FORCED, degraded: DEGRADED, unknown: UNKNOWN };
  return healthWord(flags[state], 20);
}

function stateOf(states: readonly State[], options: Partial<DecideState> = {}): DecideState {
  const words = states.map(wordOfState);
  return {
    word: (endpoint) => words[endpoint] ?? 0,
    panicThreshold: 0,
    hasSorry: false,
    ttlMinSeconds: 5,
    ttlMaxSeconds: 30,
    ...options,
  };
}

/** `25: virginia 100 | 75: frankfurt 100`. */
function show({ stages }: Decision): string {
  const percent = (share: number): number => Math.round(share * 100);
  return stages
    .map(({ parts: [part], share }) => {
      const parts = part!.outcomes.map(
        (each) => `${each.candidates[0]?.region} ${percent(each.share)}`,
      );
      return `${percent(share)}: ${parts.join(' ')}`;
    })
    .join(' | ');
}

const staged = (states: readonly State[], tiers = line, policy = standard): string =>
  show(decide(policy, alone(tiers), stateOf(states)));

test('decide() gives what returns its part of the clients, and the others who had them', () => {
  assert.equal(staged(['up', 'up', 'up']), '100: virginia 100');
  assert.equal(staged([0.25, 'up', 'up']), '25: virginia 100 | 75: frankfurt 100');
  assert.equal(
    staged([0.25, 0.75, 'up']),
    '25: virginia 100 | 50: frankfurt 100 | 25: singapore 100',
  );
  assert.equal(staged([0.75, 0.25, 'up']), '75: virginia 100 | 25: singapore 100');
  assert.equal(staged(['up', 0.25, 'up']), '100: virginia 100', 'it answers nobody yet anyway');
});

test('decide() ignores a slow return when nothing healthy would be left without it', () => {
  assert.equal(staged([0.25, 'down', 'down']), '100: virginia 100');
  assert.equal(staged([0.25, 'degraded', 'down']), '100: virginia 100');
  assert.equal(staged([0.25, 0.25, 'drained']), '100: virginia 100');
  assert.equal(
    staged([0.25, 'up', 'up'], line, blind),
    '100: virginia 100',
    'no health, no return',
  );
});

test('decide() keeps the parts apart inside a tier that is shared by weight', () => {
  assert.equal(
    staged([0.5, 'up', 'down'], [three]),
    '50: virginia 50 frankfurt 50 | 50: frankfurt 100',
  );
});

test('decide() has the shortest TTL while something returns, and says how far it is', () => {
  const lines: TraceLine[] = [];
  const trace = (each: TraceLine): void => void lines.push(each);
  const decision = decide(standard, alone(line), stateOf([0.25, 'up', 'up']), trace);
  assert.equal(decision.ttlSeconds, 5);
  assert.deepEqual(decision.involved, [0, 1], 'who has the others is involved too');
  assert.deepEqual(
    decision.outcomes.map(({ candidates, share }) => [candidates[0]?.region, share]),
    [
      ['virginia', 0.25],
      ['frankfurt', 0.75],
    ],
  );
  const said = lines.find(({ step }) => step === 'return');
  assert.equal(said?.note, 'slow return: web/virginia has 25 % of its clients back');
  assert.deepEqual(said?.kept, ['web/virginia']);
});

/** Up to five endpoints in up to three tiers, with a state each. */
const worlds = fc
  .array(
    fc.record({
      tier: fc.nat(2),
      weight: fc.constantFrom(0, 1, 1, 3),
      state: fc.oneof(
        fc.constantFrom<State>('up', 'up', 'down', 'drained', 'degraded', 'unknown'),
        fc.constantFrom<State>(0.1, 0.25, 0.5, 0.9),
      ),
    }),
    { minLength: 1, maxLength: 5 },
  )
  .map((list) => {
    const all = list.map(({ weight }, index) => candidate(index, `r${index}`, undefined, weight));
    const tiers = [0, 1, 2]
      .map((tier) => all.filter((_, index) => list[index]!.tier === tier))
      .filter((tier) => tier.length > 0);
    return { tiers, states: list.map(({ state }) => state) };
  });
const options = fc.record({
  panicThreshold: fc.constantFrom(0, 0.5, 1),
  hasSorry: fc.boolean(),
});

test('decide() always has stages that are the whole, and outcomes that are what they sum to', () => {
  fc.assert(
    fc.property(worlds, options, ({ states, tiers }, more) => {
      const decision = decide(standard, alone(tiers), stateOf(states, more));
      const { outcomes, rung, stages, ttlSeconds } = decision;
      assert.ok(Math.abs(sum(stages.map(({ share }) => share)) - 1) < 1e-9);
      if (rung === 'sorry') {
        assert.deepEqual([outcomes.length, stages.length], [0, 1]);
        return;
      }
      for (const stage of stages) {
        assert.ok(stage.share > 0);
        assert.equal(stage.parts.length, 1, 'no step makes parts');
        const own = stage.parts[0]!.outcomes;
        assert.ok(Math.abs(sum(own.map(({ share }) => share)) - 1) < 1e-9);
        assert.ok(own.every(({ candidates }) => candidates.length > 0));
      }
      assert.ok(Math.abs(sum(outcomes.map(({ share }) => share)) - 1) < 1e-9);
      assert.ok(ttlSeconds >= 5 && ttlSeconds <= 30);
      if (rung !== 'healthy') assert.equal(stages.length, 1, 'no time for slow returns');
    }),
    parameters,
  );
});

test('decide() depends on nothing but the endpoints that it names', () => {
  fc.assert(
    fc.property(worlds, fc.nat(), fc.constantFrom<State>('up', 'down', 0.5), (world, at, state) => {
      const { states, tiers } = world;
      const before = decide(standard, alone(tiers), stateOf(states));
      const endpoint = at % states.length;
      if (before.involved.includes(endpoint)) return;
      const changed = states.with(endpoint, state);
      const after = decide(standard, alone(tiers), stateOf(changed));
      assert.equal(show(after), show(before));
      assert.equal(after.ttlSeconds, before.ttlSeconds);
    }),
    parameters,
  );
});

test('decide() moves clients only to what returns, and never back, as its share grows', () => {
  const slots = Array.from({ length: 64 }, (_, bucket) => slotOf(77, bucket));
  const rule = { from: 0.1, overMs: 60_000 };
  const others = fc.constantFrom<State>('up', 'down', 'degraded', 0.5);
  fc.assert(
    fc.property(fc.tuple(others, others), fc.nat(2), (rest, returning) => {
      const returned = new Set<number>();
      let before: readonly (string | undefined)[] = [];
      for (let ms = 0; ms <= 60_000; ms += 3000) {
        const share = rampShare(0, rule, ms);
        const states = [...rest].toSpliced(returning, 0, share === 1 ? 'up' : share);
        const decision = decide(standard, alone(line), stateOf(states));
        const regions = slots.map((slot) => firstRegion(decision, slot));
        for (const [index, region] of regions.entries()) {
          const isBack = region === `${three[returning]?.region}`;
          if (isBack) returned.add(index);
          else assert.ok(!returned.has(index), 'whoever has come back stays');
          if (!isBack && before.length > 0) assert.equal(region, before[index]);
        }
        before = regions;
      }
    }),
    parameters,
  );
});

function firstRegion({ stages }: Decision, slot: number): string | undefined {
  const part = stages.flatMap(({ parts }) => parts)[slotsOf(stages)?.[slot] ?? 0];
  return part?.outcomes[0]?.candidates[0]?.region;
}

const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);

test('slotOf() parts clients as evenly as the shares say, and each name otherwise', () => {
  const count = 4096;
  const below = (nameHash: number): boolean[] =>
    Array.from({ length: count }, (_, bucket) => slotOf(nameHash, bucket) < 0.25 * SLOTS);
  const [one, two] = [below(1), below(2)];
  for (const each of [one, two]) {
    const part = each.filter(Boolean).length / count;
    assert.ok(Math.abs(part - 0.25) < 0.03, String(part));
  }
  const both = one.filter((value, bucket) => value && two[bucket]).length / count;
  assert.ok(Math.abs(both - 0.0625) < 0.02, String(both));
});
