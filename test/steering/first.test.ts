import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../src/steering/decide.ts';
import { compilePolicy } from '../../src/steering/policy.ts';
import type { Chain } from '../../src/steering/step.ts';
import { answers, chainOf, decided } from './deciding.ts';
import { alone, at, candidate, places, stateOf, three, type WordName } from './places.ts';

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

const across = (count: number): Chain =>
  chainOf('healthy', 'nearest', { kind: 'first', options: { count, across: true } });
const paris = at(places.paris);

test('first may go across tiers: the nearest two, one of which is another when it is down', () => {
  assert.equal(answers(across(2), { client: paris }), 'frankfurt+virginia 100');
  const when = (...names: WordName[]): string => answers(across(2), { client: paris, names });
  assert.equal(when('down'), 'frankfurt+singapore 100');
  assert.equal(when('up', 'down'), 'virginia+singapore 100');
  assert.equal(when('down', 'up', 'down'), 'frankfurt 100');
  assert.equal(when('drained', 'up', 'degraded'), 'frankfurt 100', 'no worse than the first');
  assert.equal(when('down', 'degraded', 'degraded'), 'frankfurt+singapore 100');
  assert.equal(answers(across(16), { client: paris }), 'frankfurt+virginia+singapore 100');
});

test('first across tiers depends on all that could follow', () => {
  const options = { count: 2, across: true };
  const chain = chainOf('healthy', 'nearest', { kind: 'first', options });
  assert.deepEqual(decided(chain, { client: paris }).involved, [1, 0, 2]);
  const one = chainOf('healthy', 'nearest', { kind: 'first', options: { count: 1, across: true } });
  assert.deepEqual(decided(one, { client: paris }).involved, [1], 'one needs no other tier');
});

test('first across tiers adds to what the step before it chose', () => {
  const list = [...three, candidate(3, 'dublin', { latitude: 53.3, longitude: -6.2 })];
  const chain = chainOf(
    'healthy',
    { kind: 'nearest', options: { toleranceKm: 1000 } },
    'weighted',
    { kind: 'first', options: { count: 3, across: true } },
  );
  assert.equal(
    answers(chain, { client: paris, list }),
    'frankfurt+dublin+virginia 50, dublin+frankfurt+virginia 50',
  );
});
