import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChoiceState, TraceLine } from '../../src/steering/step.ts';
import { healthy } from '../../src/steering/steps/healthy.ts';
import { answers, chainOf } from './deciding.ts';
import { candidate, outcome, three, type WordName } from './places.ts';

const without = (...regions: string[]): ChoiceState => ({
  usable: ({ region }) => !regions.includes(region),
  trim: () => 1,
  weight: () => 1,
  describe: () => 'down',
  later: [],
  planned: undefined,
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

test('healthy may want more of a tier: the first that has enough answers', () => {
  const list = ['a', 'b', 'c', 'd', 'e'].map((region, index) => candidate(index, region));
  const chain = chainOf(
    { kind: 'healthy', options: { min: 2 } },
    {
      kind: 'failover',
      options: {
        regions: [
          ['a', 'b', 'c'],
          ['d', 'e'],
        ],
      },
    },
  );
  const when = (...names: WordName[]): string => answers(chain, { list, names });
  assert.equal(when(), 'a+b+c 100');
  assert.equal(when('down'), 'b+c 100');
  assert.equal(when('down', 'degraded'), 'd+e 100', 'degraded is not healthy');
  assert.equal(when('down', 'drained', 'up', 'up', 'up'), 'd+e 100');
  assert.equal(when('down', 'down', 'up', 'up', 'down'), 'c 100', 'none has enough: the first');
  assert.equal(when('down', 'down', 'down', 'down', 'up'), 'e 100');
  assert.equal(when('down', 'degraded', 'down', 'down', 'down'), 'b 100');
});

test('healthy counts endpoints with a weight, while there are any', () => {
  const list = ['a', 'b', 'c', 'd'].map((region, index) =>
    candidate(index, region, undefined, region === 'b' ? 0 : 1),
  );
  const chain = chainOf(
    { kind: 'healthy', options: { min: 2 } },
    {
      kind: 'failover',
      options: {
        regions: [
          ['a', 'b'],
          ['c', 'd'],
        ],
      },
    },
  );
  assert.equal(answers(chain, { list }), 'c+d 100');
});

test('healthy tells the ladder why a tier with something healthy did not answer', () => {
  const lines: TraceLine[] = [];
  const chain = chainOf(
    { kind: 'healthy', options: { min: 2 } },
    { kind: 'failover', options: { regions: ['virginia', ['frankfurt', 'singapore']] } },
  );
  assert.equal(answers(chain, { lines }), 'frankfurt+singapore 100');
  const ladder = lines.find(({ step }) => step === 'ladder');
  assert.deepEqual(ladder?.dropped, [
    { name: 'web/virginia', reason: 'too few of its tier are healthy' },
  ]);
});
