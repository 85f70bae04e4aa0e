import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slotsOf } from '../../src/nameserver/answer.ts';
import { type DecideState, type Decision, decide } from '../../src/steering/decide.ts';
import { compilePolicy, preferenceOf } from '../../src/steering/policy.ts';
import { inlineChain } from '../../src/steering/policy-chains.ts';
import type { Chain, TraceLine } from '../../src/steering/step.ts';
import { at, candidate, stateOf, type WordName } from './places.ts';

/** Several chains by lot: shares, who takes the place of whom, and parts that are told apart. */
const healthy: Chain[number] = { kind: 'healthy', options: {} };
const first: Chain[number] = { kind: 'first', options: {} };
const sticky: Chain[number] = { kind: 'sticky', options: {} };
const pool = ['a', 'b', 'c', 'd'].map((region, index) => candidate(index, region));
const policies: Readonly<Record<string, Chain>> = {
  pinned: [sticky, first],
  shared: [{ kind: 'weighted', options: {} }, first],
  others: [first],
};

function decided(
  options: unknown,
  names: readonly WordName[] = [],
  state: Partial<DecideState> = {},
  lines: TraceLine[] = [],
): Decision {
  const chain = [healthy, { kind: 'split', options }, first];
  const policy = compilePolicy(inlineChain(chain, (name) => policies[name]));
  const preference = preferenceOf(policy, pool, at(undefined));
  return decide(policy, preference, stateOf(names, state), (line) => lines.push(line));
}

/** `a: a 20, others: b 80`, of the first stage. */
function show({ stages }: Decision): string {
  return stages[0]!.parts
    .map(({ key, outcomes, share }) => {
      const answers = outcomes.map((each) =>
        each.candidates.map((candidate) => candidate.region).join('+'),
      );
      return `${key}: ${answers.join('|')} ${Math.round(share * 100)}`;
    })
    .join(', ');
}

test('split tells parts of one policy apart by their regions', () => {
  const parts = [
    { percent: 20, policy: 'shared', regions: ['a'] },
    { percent: 30, policy: 'shared', regions: ['b'] },
  ];
  const before = decided({ parts });
  assert.equal(show(before), 'shared on a: a 20, shared on b: b 30, others: a 50');
  const counts = [0, 0, 0];
  for (const part of slotsOf(before.stages)!) counts[part]! += 1;
  assert.deepEqual(counts, [205, 307, 512], 'each client in one of them');
});

test('split tells parts apart that are called alike', () => {
  const parts = [
    { percent: 10, policy: 'others', regions: ['a'] },
    { percent: 10, policy: 'others', regions: ['a'] },
    { percent: 10, policy: 'others' },
  ];
  assert.equal(
    show(decided({ parts })),
    'others on a: a 10, others on a (2): a 10, others: a 10, others (2): a 70',
  );
});

test('split stands where the worst of its parts stands that answer somebody', () => {
  const panic = { panicThreshold: 0.6 };
  const names = ['up', 'up', 'down', 'down'] as const;
  const some = decided({ parts: [{ percent: 20, regions: ['a', 'b'] }] }, names, panic);
  assert.equal(show(some), 'a+b: a 20, others: a 80');
  assert.deepEqual([some.rung, some.ttlSeconds], ['panic', 5], 'others are in a panic');
  const nobody = decided({ parts: [{ percent: 100, regions: ['a', 'b'] }] }, names, panic);
  assert.deepEqual([nobody.rung, nobody.ttlSeconds], ['healthy', 20]);
});
