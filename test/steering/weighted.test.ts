import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Candidate, ChoiceState, Outcome } from '../../src/steering/step.ts';
import { weighted } from '../../src/steering/steps/weighted.ts';
import { candidate, outcome } from './places.ts';

const state: ChoiceState = {
  usable: () => true,
  weight: (each) => each.weight,
  describe: () => 'up',
  later: [],
};
const run = (outcomes: readonly Outcome[]): readonly Outcome[] =>
  weighted.compile({ mode: 'spread' })(outcomes, state);
const tier = (...weights: number[]): readonly Candidate[] =>
  weights.map((weight, index) => candidate(index, 'abc'[index] ?? '', undefined, weight));
const show = (outcomes: readonly Outcome[]): string =>
  outcomes
    .map(({ share, candidates }) => `${candidates.map(({ region }) => region).join('')} ${share}`)
    .join(', ');

test('weighted gives shares by weight, the others following in rotated order', () => {
  assert.equal(show(run([outcome(tier(1, 2, 1))])), 'abc 0.25, bca 0.5, cab 0.25');
});

test('weighted gives no share to weight 0 beside others, and equal ones when all are 0', () => {
  assert.equal(show(run([outcome(tier(1, 0))])), 'ab 1');
  assert.equal(show(run([outcome(tier(0, 0))])), 'ab 0.5, ba 0.5');
});

test('weighted splits every outcome that it is given', () => {
  const outcomes = [outcome(tier(1, 1), 0.5), outcome(tier(3), 0.5)];
  assert.equal(show(run(outcomes)), 'ab 0.25, ba 0.25, a 0.5');
});
