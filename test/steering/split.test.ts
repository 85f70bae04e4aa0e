import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slotsOf } from '../../src/nameserver/dealing.ts';
import type { Chain } from '../../src/steering/step.ts';
import { answers, type Case, chainOf, decided, parts } from './deciding.ts';
import { candidate } from './places.ts';

/** Several chains by lot: shares, who takes the place of whom, and parts that are told apart. */
const policies: Readonly<Record<string, Chain>> = {
  pinned: chainOf('sticky', 'first'),
  shared: chainOf('weighted', 'first'),
  others: chainOf('first'),
};
const world: Case = { list: ['a', 'b', 'c', 'd'].map((name, i) => candidate(i, name)), policies };
const splitChain = (options: unknown): Chain =>
  chainOf('healthy', { kind: 'split', options }, 'first');

test('split tells parts of one policy apart by their regions', () => {
  const chain = splitChain({
    parts: [
      { percent: 20, policy: 'shared', regions: ['a'] },
      { percent: 30, policy: 'shared', regions: ['b'] },
    ],
  });
  assert.equal(parts(chain, world), 'shared on a: a 20, shared on b: b 30, others: a 50');
  const counts = [0, 0, 0];
  for (const part of slotsOf(decided(chain, world).stages)!) counts[part]! += 1;
  assert.deepEqual(counts, [205, 307, 512], 'each client in one of them');
});

test('split tells parts apart that are called alike', () => {
  const chain = splitChain({
    parts: [
      { percent: 10, policy: 'others', regions: ['a'] },
      { percent: 10, policy: 'others', regions: ['a'] },
      { percent: 10, policy: 'others' },
    ],
  });
  assert.equal(
    parts(chain, world),
    'others on a: a 10, others on a (2): a 10, others: a 10, others (2): a 70',
  );
});

test('split stands where the worst of its parts stands that answer somebody', () => {
  const given: Case = {
    ...world,
    names: ['up', 'up', 'down', 'down'],
    state: { panicThreshold: 0.6 },
  };
  const some = splitChain({ parts: [{ percent: 20, regions: ['a', 'b'] }] });
  assert.equal(parts(some, given), 'a+b: a 20, others: a 80');
  const { rung, ttlSeconds } = decided(some, given);
  assert.deepEqual([rung, ttlSeconds], ['panic', 5], 'others are in a panic');
  const all = decided(splitChain({ parts: [{ percent: 100, regions: ['a', 'b'] }] }), given);
  assert.deepEqual([all.rung, all.ttlSeconds], ['healthy', 20]);
});

test('split goes on with the rest of the chain, in some regions or in all', () => {
  const chain = splitChain({ parts: [{ percent: 25, regions: ['c'] }] });
  assert.equal(answers(chain, world), 'c 25, a 75');
  const whole = splitChain({ parts: [{ percent: 100, regions: ['c'] }] });
  assert.equal(answers(whole, world), 'c 100');
  const policy = splitChain({ parts: [{ percent: 25, policy: 'shared', regions: ['c', 'd'] }] });
  assert.equal(answers(policy, world), 'c 12.5, d 12.5, a 75');
  const before = chainOf(
    { kind: 'only', options: { regions: ['b', 'c', 'd'] } },
    ...splitChain({ parts: [{ percent: 25, policy: 'shared' }] }),
  );
  assert.equal(
    answers(before, world),
    'b 8.3, c 8.3, d 8.3, b 75',
    'what is before counts for all',
  );
});

test('split leaves the clients of a part that is down to the others, by their shares', () => {
  const chain = splitChain({
    parts: [
      { percent: 20, regions: ['a'] },
      { percent: 60, regions: ['b'] },
    ],
  });
  const fenced = [...chainOf({ kind: 'only', options: { except: ['d'] } }), ...chain];
  assert.equal(answers(fenced, world), 'a 20, b 60, a 20');
  const when = (...names: NonNullable<Case['names']>): string =>
    answers(fenced, { ...world, names });
  assert.equal(when('down'), 'b 75, b 25', 'others go to the next that is up');
  assert.equal(when('up', 'drained'), 'a 50, a 50');
  assert.equal(when('up', 'degraded'), 'a 50, a 50', 'degraded is worse than healthy');
  assert.equal(when('down', 'down'), 'c 100');
  assert.equal(when('down', 'down', 'down'), 'a 20, b 60, a 20', 'as if all were up');
});

test('split lets parts without a share answer when no other can, all alike', () => {
  const parts = [
    { percent: 0, policy: 'others', regions: ['a'] },
    { percent: 0, policy: 'others', regions: ['b'] },
    { percent: 100, policy: 'others', regions: ['c'] },
  ];
  const chain = chainOf(
    'healthy',
    { kind: 'only', options: { except: ['d'] } },
    { kind: 'split', options: { parts } },
    { kind: 'only', options: { regions: ['b'] } },
  );
  assert.equal(answers(chain, world), 'c 100');
  const names = ['up', 'up', 'down'] as const;
  assert.equal(answers(chain, { ...world, names }), 'a 33.3, b 33.3, b 33.3');
});

test('split draws each client its part, or each query', () => {
  const of = (draw: string) => {
    const options = { parts: [{ percent: 25, regions: ['c'] }], draw };
    return decided(splitChain(options), world).stages[0]!.parts;
  };
  assert.deepEqual(
    of('client').map(({ draw, key, share }) => [key, share, draw]),
    [
      ['c', 0.25, 'spread'],
      ['others', 0.75, 'spread'],
    ],
  );
  for (const draw of ['spread', 'random']) {
    const [only, ...more] = of(draw);
    assert.deepEqual([only?.key, only?.draw, more.length], ['', draw, 0]);
    assert.deepEqual(
      only?.outcomes.map(({ share }) => share),
      [0.25, 0.75],
    );
  }
});

test('split in split has shares of shares', () => {
  const inner = { kind: 'split', options: { parts: [{ percent: 50, policy: 'pinned' }] } };
  const chain = chainOf(
    'healthy',
    { kind: 'only', options: { regions: ['a', 'b'] } },
    { kind: 'split', options: { parts: [{ percent: 40, regions: ['a'] }] } },
    inner,
    'first',
  );
  assert.equal(
    parts(chain, world),
    'a > pinned > web/a: a 20, a > others: a 20, ' +
      'others > pinned > web/a: a 15, others > pinned > web/b: b 15, others > others: a 30',
  );
});
