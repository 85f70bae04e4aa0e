import assert from 'node:assert/strict';
import { test } from 'node:test';
import { healthy } from '../../src/steering/healthy.ts';
import type { ChoiceState } from '../../src/steering/step.ts';
import { three } from './places.ts';

const without = (...regions: string[]): ChoiceState => ({
  usable: ({ region }) => !regions.includes(region),
  weight: () => 1,
  describe: () => 'down',
});
const run = healthy.compile({});

test('healthy keeps what is usable, in order', () => {
  assert.deepEqual(run([{ share: 1, candidates: three }], without('frankfurt')), [
    { share: 1, candidates: [three[0], three[2]] },
  ]);
});

test('healthy gives the share of an outcome that vanishes to the others', () => {
  const outcomes = [
    { share: 0.5, candidates: three.slice(0, 1) },
    { share: 0.25, candidates: three.slice(1, 2) },
    { share: 0.25, candidates: three.slice(2, 3) },
  ];
  assert.deepEqual(run(outcomes, without('virginia')), [
    { share: 0.5, candidates: three.slice(1, 2) },
    { share: 0.5, candidates: three.slice(2, 3) },
  ]);
});

test('healthy returns nothing when nothing is usable', () => {
  const state = without('virginia', 'frankfurt', 'singapore');
  assert.deepEqual(run([{ share: 1, candidates: three }], state), []);
});
