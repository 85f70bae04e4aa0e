import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Candidate, ChoiceState, Outcome } from '../../src/steering/step.ts';
import { weighted } from '../../src/steering/steps/weighted.ts';
import { candidate, outcome } from './places.ts';

const state: ChoiceState = {
  usable: () => true,
  trim: () => 1,
  weight: (each) => each.weight,
  describe: () => 'up',
  later: [],
  planned: undefined,
};
const run = (outcomes: readonly Outcome[]): readonly Outcome[] =>
  weighted.compile({ mode: 'spread', trim: false })(outcomes, state);
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

const chosen = (mode: 'spread' | 'sticky' | 'random') =>
  weighted
    .compile({ mode, trim: false })([outcome(tier(1, 3))], state)
    .map(({ candidates, draw, part, share }) => [candidates[0]?.region, share, part, draw]);

test('weighted draws over time, by client, or for each query', () => {
  assert.deepEqual(chosen('spread'), [
    ['a', 0.25, '', 'spread'],
    ['b', 0.75, '', 'spread'],
  ]);
  assert.deepEqual(chosen('random'), [
    ['a', 0.25, '', 'random'],
    ['b', 0.75, '', 'random'],
  ]);
  assert.deepEqual(chosen('sticky'), [
    ['a', 0.25, 'web/a', 'spread'],
    ['b', 0.75, 'web/b', 'spread'],
  ]);
});

test('weighted says how it draws', () => {
  const note = (mode: 'spread' | 'sticky' | 'random'): string => {
    const lines: string[] = [];
    weighted.compile({ mode, trim: false })([outcome(tier(1, 3))], state, (line) =>
      lines.push(line.note),
    );
    return lines.join();
  };
  assert.equal(note('spread'), 'web/a 25 %, web/b 75 %');
  assert.equal(note('sticky'), 'web/a 25 %, web/b 75 %, sticky');
  assert.equal(note('random'), 'web/a 25 %, web/b 75 %, at random');
});
