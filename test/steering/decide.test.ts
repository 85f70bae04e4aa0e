import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DOWN, healthWord } from '../../src/health/health-word.ts';
import { type DecideState, type Decision, decide } from '../../src/steering/decide.ts';
import { compilePolicy } from '../../src/steering/policy.ts';
import type { Candidate, Tiers, TraceLine } from '../../src/steering/step.ts';
import { alone, candidate, chainOf, stateOf, three, type WordName } from './places.ts';

const standard = compilePolicy([
  { kind: 'healthy', options: {} },
  { kind: 'weighted', options: {} },
  { kind: 'first', options: {} },
]);
const multi = compilePolicy([{ kind: 'healthy', options: {} }]);
const blind = compilePolicy([{ kind: 'first', options: {} }]);

const line: Tiers = three.map((each) => [each]);
const flat: Tiers = [three];

/** `rung tier: region share, region+region share`. */
function show({ rung, tier, outcomes }: Decision): string {
  const list = outcomes.map(
    ({ share, candidates }) =>
      `${candidates.map(({ region }) => region).join('+')} ${Math.round(share * 100)}`,
  );
  return `${rung} ${tier}: ${list.join(', ')}`;
}
function check(
  tiers: Tiers,
  names: readonly WordName[],
  expected: string,
  options: Partial<Omit<DecideState, 'word'>> = {},
  policy = standard,
): Decision {
  const decision = decide(policy, alone(tiers), stateOf(names, options));
  assert.equal(show(decision), expected);
  return decision;
}

test('decide() answers with the first tier that has a healthy candidate', () => {
  check(line, ['up', 'up', 'up'], 'healthy 0: virginia 100');
  check(line, ['down', 'up', 'up'], 'healthy 1: frankfurt 100');
  check(line, ['down', 'drained', 'up'], 'healthy 2: singapore 100');
  check(line, ['unknown', 'up', 'up'], 'healthy 0: virginia 100');
  check(line, ['forcedUp', 'up', 'up'], 'healthy 0: virginia 100');
});

test('decide() prefers a healthy candidate of a later tier to a degraded one', () => {
  check(line, ['degraded', 'up', 'up'], 'healthy 1: frankfurt 100');
  check(line, ['down', 'degraded', 'down'], 'degraded 1: frankfurt 100');
  check(flat, ['down', 'degraded', 'degraded'], 'degraded 0: frankfurt 50, singapore 50');
});

test('decide() answers as if all were up when all are down, without what operators took out', () => {
  check(line, ['down', 'down', 'down'], 'all-down 0: virginia 100');
  check(line, ['drained', 'down', 'down'], 'all-down 1: frankfurt 100');
  check(flat, ['drained', 'down', 'down'], 'all-down 0: frankfurt 50, singapore 50');
});

test('decide() answers sorry when operators took everything out, or with all the same', () => {
  const all = ['drained', 'drained', 'drained'] as const;
  const sorry = check(line, all, 'sorry -1: ', { hasSorry: true });
  assert.deepEqual(sorry.involved, [0, 1, 2]);
  check(line, all, 'disabled 0: virginia 100');
  check(flat, all, 'disabled 0: virginia 33, frankfurt 33, singapore 33');
});

test('decide() ignores health in a tier when too little of it is healthy', () => {
  const half = { panicThreshold: 0.5 };
  check(flat, ['up', 'down', 'down'], 'panic 0: virginia 33, frankfurt 33, singapore 33', half);
  check(flat, ['up', 'up', 'down'], 'healthy 0: virginia 50, frankfurt 50', half);
  check(flat, ['up', 'drained', 'down'], 'healthy 0: virginia 100', half);
  check(flat, ['up', 'drained', 'down'], 'panic 0: virginia 50, singapore 50', {
    panicThreshold: 0.6,
  });
  check(line, ['down', 'up', 'up'], 'healthy 1: frankfurt 100', half);
});

test('decide() takes in degraded candidates before it panics', () => {
  check(flat, ['up', 'degraded', 'down'], 'degraded 0: virginia 50, frankfurt 50', {
    panicThreshold: 0.5,
  });
});

test('decide() uses weight 0 only when nothing else is left', () => {
  const spare: readonly Candidate[] = [
    candidate(0, 'spare', undefined, 0),
    candidate(1, 'main', undefined, 1),
  ];
  check([spare], ['up', 'up'], 'healthy 0: main 100');
  check([spare], ['up', 'down'], 'healthy 0: spare 100');
  const tiers = spare.map((each) => [each]);
  check(tiers, ['up', 'up'], 'healthy 1: main 100');
  check(tiers, ['up', 'down'], 'healthy 0: spare 100');
  check(tiers, ['down', 'down'], 'all-down 1: main 100');
  check([spare], ['up', 'up'], 'healthy 0: main 100', {}, multi);
});

test('decide() answers several endpoints when no step chooses among them', () => {
  check(flat, ['up', 'down', 'up'], 'healthy 0: virginia+singapore 100', {}, multi);
});

test('decide() does not look at health without the step, but at what operators say', () => {
  check(line, ['down', 'up', 'up'], 'healthy 0: virginia 100', {}, blind);
  check(line, ['drained', 'up', 'up'], 'healthy 1: frankfurt 100', {}, blind);
  check(flat, ['drained', 'up', 'up'], 'healthy 0: frankfurt 100', {}, blind);
});

test('decide() skips a step that leaves nothing', () => {
  const chain = { ...chainOf(standard), choose: [{ kind: 'void', run: () => [] }] };
  const policy = { root: { kind: 'chain', chain } } as const;
  const decision = decide(policy, alone(line), stateOf(['up']));
  assert.equal(show(decision), 'healthy 0: virginia 100');
});

test('decide() merges outcomes that come to the same answer', () => {
  const twice = compilePolicy([
    { kind: 'weighted', options: {} },
    { kind: 'weighted', options: {} },
    { kind: 'first', options: {} },
  ]);
  check(flat, [], 'healthy 0: virginia 33, frankfurt 33, singapore 33', {}, twice);
});

function ttlOf(tiers: Tiers, wordOf: readonly number[]): number {
  const state = { ...stateOf([]), word: (endpoint: number) => wordOf[endpoint] ?? 0 };
  return decide(standard, alone(tiers), state).ttlSeconds;
}

test('decide() gives the TTL of the earliest change among the tiers down to the answering one', () => {
  assert.equal(ttlOf(line, [healthWord(0, 9), healthWord(0, 6), healthWord(0, 7)]), 9);
  assert.equal(ttlOf(line, [healthWord(DOWN, 8), healthWord(0, 20), healthWord(0, 7)]), 8);
  assert.equal(ttlOf(flat, [healthWord(0, 9), healthWord(0, 6), healthWord(0, 7)]), 6);
});

test('decide() keeps the TTL within its bounds', () => {
  assert.equal(ttlOf(line, [healthWord(0, 1)]), 5);
  assert.equal(ttlOf(line, [healthWord(0, 3600)]), 30);
});

test('decide() gives the least TTL while the state is not known to be good', () => {
  for (const names of [
    ['unknown', 'up', 'up'],
    ['down', 'degraded', 'down'],
    ['down', 'down', 'down'],
    ['drained', 'drained', 'drained'],
  ] as const) {
    assert.equal(decide(standard, alone(line), stateOf(names)).ttlSeconds, 5);
  }
});

test('decide() involves all tiers once it has searched them all', () => {
  assert.deepEqual(decide(standard, alone(line), stateOf([])).involved, [0]);
  assert.deepEqual(decide(standard, alone(line), stateOf(['down'])).involved, [0, 1]);
  assert.deepEqual(
    decide(standard, alone(line), stateOf(['degraded', 'down', 'down'])).involved,
    [0, 1, 2],
  );
});

test('decide() explains itself: ladder first, then the steps, then the TTL', () => {
  const lines: TraceLine[] = [];
  const state = stateOf(['drained', 'down', 'up']);
  decide(standard, alone([three.slice(0, 1), three.slice(1)]), state, (each) => lines.push(each));
  assert.deepEqual(
    lines.map(({ step }) => step),
    ['ladder', 'healthy', 'weighted', 'first', 'ttl'],
  );
  assert.deepEqual(lines[0], {
    step: 'ladder',
    kept: ['web/frankfurt', 'web/singapore'],
    dropped: [{ name: 'web/virginia', reason: 'taken out by an operator' }],
    note: 'tier 2 of 2: the first with a healthy endpoint',
  });
  assert.deepEqual(lines[1]?.dropped, [{ name: 'web/frankfurt', reason: 'down' }]);
  assert.equal(lines[2]?.note, 'web/singapore 100 %');
  assert.equal(lines[4]?.note, 'a change could come within 20 s');
});
