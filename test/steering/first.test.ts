import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../src/steering/decide.ts';
import { compilePolicy } from '../../src/steering/policy.ts';
import { alone, stateOf, three } from './places.ts';

function answered(count: number | undefined, states: Parameters<typeof stateOf>[0]): string[] {
  const policy = compilePolicy([
    { kind: 'healthy', options: {} },
    { kind: 'first', options: count === undefined ? {} : { count } },
  ]);
  const { outcomes } = decide(policy, alone([three]), stateOf(states));
  return outcomes.map(({ candidates }) => candidates.map(({ region }) => region).join(' '));
}

test('first keeps as many endpoints in an answer as it is told, one by default', () => {
  assert.deepEqual(answered(undefined, ['up', 'up', 'up']), ['virginia']);
  assert.deepEqual(answered(2, ['up', 'up', 'up']), ['virginia frankfurt']);
  assert.deepEqual(answered(2, ['down', 'up', 'up']), ['frankfurt singapore']);
  assert.deepEqual(answered(9, ['up', 'down', 'up']), ['virginia singapore']);
});
