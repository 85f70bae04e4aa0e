import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Candidate, ChoiceState, Outcome } from '../../src/steering/step.ts';
import { weighted } from '../../src/steering/weighted.ts';
import { candidate } from './places.ts';

const state: ChoiceState = {
  usable: () => true,
  weight: (each) => each.weight,
  describe: () => 'up',
};
const run = (outcomes: readonly Outcome[]): readonly Outcome[] =>
  weighted.compile({})(outcomes, state);
const tier = (...weights: number[]): readonly Candidate[] =>
  weights.map((weight, index) => candidate(index, 'abc'[index] ?? '', undefined, weight));
const show = (outcomes: readonly Outcome[]): string =>
  outcomes
    .map(({ share, candidates }) => `${candidates.map(({ region }) => region).join('')} ${share}`)
    .join(', ');

test('weighted gives shares by weight, the others following in rotated order', () => {
  assert.equal(show(run([{ share: 1, candidates: tier(1, 2, 1) }])), 'abc 0.25, bca 0.5, cab 0.25');
});

test('weighted gives no share to weight 0 beside others, and equal ones when all are 0', () => {
  assert.equal(show(run([{ share: 1, candidates: tier(1, 0) }])), 'ab 1');
  assert.equal(show(run([{ share: 1, candidates: tier(0, 0) }])), 'ab 0.5, ba 0.5');
});

test('weighted splits every outcome that it is given', () => {
  const outcomes = [
    { share: 0.5, candidates: tier(1, 1) },
    { share: 0.5, candidates: tier(3) },
  ];
  assert.equal(show(run(outcomes)), 'ab 0.25, ba 0.25, a 0.5');
});
