import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChoiceState } from '../../src/steering/step.ts';
import { healthy } from '../../src/steering/steps/healthy.ts';
import { outcome, three } from './places.ts';

const without = (...regions: string[]): ChoiceState => ({
  usable: ({ region }) => !regions.includes(region),
  weight: () => 1,
  describe: () => 'down',
  later: [],
});
const run = healthy.compile({ min: 1 });

test('healthy keeps what is usable, in order', () => {
  assert.deepEqual(run([outcome(three)], without('frankfurt')), [outcome([three[0]!, three[2]!])]);
});

test('healthy gives the share of an outcome that vanishes to the others', () => {
  const outcomes = [
    outcome(three.slice(0, 1), 0.5),
    outcome(three.slice(1, 2), 0.25),
    outcome(three.slice(2, 3), 0.25),
  ];
  assert.deepEqual(run(outcomes, without('virginia')), [
    outcome(three.slice(1, 2), 0.5),
    outcome(three.slice(2, 3), 0.5),
  ]);
});

test('healthy returns nothing when nothing is usable', () => {
  const state = without('virginia', 'frankfurt', 'singapore');
  assert.deepEqual(run([outcome(three)], state), []);
});
