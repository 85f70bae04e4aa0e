import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { carriedDemands } from '../../src/capacity/carried-demand.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const carried = (
  demands: Readonly<Record<string, number>>,
  known: readonly string[],
): Readonly<Record<string, number>> =>
  Object.fromEntries(
    carriedDemands(new Map(Object.entries(demands)), (key) => known.includes(key)),
  );

test('what classes asked for that are no more is asked for in their square', () => {
  const now = carried({ 'web N a>b': 90, 'web N b>a': 10, 'web N b=a': 30, 'web S a>b': 7 }, [
    'web N b>a',
    'web N b=a',
    'web S a>b',
  ]);
  assert.deepEqual(now, { 'web N b>a': 32.5, 'web N b=a': 97.5, 'web S a>b': 7 });
});

test('where nobody of a square has asked yet, others of the pool ask for it, and never those of another', () => {
  const now = carried({ 'web N a>b': 50, 'web S a': 30, 'web S b': 20, 'api N a': 5 }, [
    'web S a',
    'web S b',
    'api N a',
  ]);
  assert.deepEqual(now, { 'web S a': 60, 'web S b': 40, 'api N a': 5 });
  assert.deepEqual(carried({ 'web N a>b': 50, 'api N a': 5 }, ['api N a']), { 'api N a': 5 });
});

test('no demand is lost in a pool that somebody still asks for', () => {
  const key = fc
    .tuple(
      fc.constantFrom('web', 'api'),
      fc.constantFrom('N', 'S', 'E'),
      fc.constantFrom('a', 'b', 'c'),
    )
    .map((parts) => parts.join(' '));
  fc.assert(
    fc.property(
      fc.dictionary(key, fc.integer({ min: 1, max: 1000 })),
      fc.array(key),
      (demands, known) => {
        const now = carried(demands, known);
        for (const pool of ['web', 'api']) {
          const sum = (of: Readonly<Record<string, number>>): number =>
            Object.entries(of).reduce(
              (all, [at, each]) => all + (at.startsWith(pool) ? each : 0),
              0,
            );
          const isAsked = known.some((each) => each.startsWith(pool) && each in demands);
          assert.ok(Math.abs(sum(now) - (isAsked ? sum(demands) : 0)) < 1e-6);
        }
      },
    ),
    { numRuns: fuzzRuns(300), seed: fuzzSeed(75) },
  );
});
