import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slotsOf } from '../../src/nameserver/dealing.ts';
import type { Candidate, TraceLine } from '../../src/steering/step.ts';
import { answers, type Case, chainOf, decided, parts } from './deciding.ts';
import { candidate, type WordName } from './places.ts';

/** Clients who stay, and endpoints in turn. */
const list: readonly Candidate[] = [
  candidate(0, 'a', undefined, 2),
  candidate(1, 'b', undefined, 1),
  candidate(2, 'c', undefined, 1),
];
const world: Case = { list };
const sticky = (options: object = {}) => chainOf('healthy', { kind: 'sticky', options }, 'first');

test('sticky keeps each client with an endpoint, in proportion to weights', () => {
  assert.equal(parts(sticky(), world), 'web/a: a 50, web/b: b 25, web/c: c 25');
  const whole = chainOf('healthy', 'sticky');
  assert.equal(parts(whole, world), 'web/a: a+b+c 50, web/b: b+c+a 25, web/c: c+a+b 25');
  const weightless = [candidate(0, 'a', undefined, 0), candidate(1, 'b', undefined, 0)];
  assert.equal(parts(sticky(), { list: weightless }), 'web/a: a 50, web/b: b 50');
});

/** By slot, the region. */
function regions(names: readonly WordName[] = []): readonly string[] {
  const { stages } = decided(sticky(), { list, names });
  const own = stages.flatMap((stage) => stage.parts);
  return [...slotsOf(stages)!].map((part) => own[part]!.outcomes[0]!.candidates[0]!.region);
}

test('sticky gives the clients of an endpoint that is down to others, and back', () => {
  const [all, without] = [regions(), regions(['up', 'down'])];
  const moved = all.filter((region, slot) => region !== without[slot]);
  const own = all.filter((region) => region === 'b').length;
  assert.ok(moved.length <= own + 40, `${moved.length} moved, for ${own}`);
  assert.ok(!without.includes('b'));
  assert.deepEqual(regions(['up', 'up', 'up']), all);
});

test('sticky by name has all clients of a name at one endpoint', () => {
  const [only, ...more] = decided(sticky({ by: 'name' }), world).stages[0]!.parts;
  assert.deepEqual([only?.key, only?.draw, more.length], ['', 'name', 0]);
  assert.equal(answers(sticky({ by: 'name' }), world), 'a 50, b 25, c 25');
});

test('sticky says by what', () => {
  const lines: TraceLine[] = [];
  decided(sticky({ by: 'name' }), { ...world, lines });
  decided(sticky(), { ...world, lines });
  assert.deepEqual(
    lines.filter(({ step }) => step === 'sticky').map(({ note }) => note),
    [
      'web/a 50 %, web/b 25 %, web/c 25 %, by name',
      'web/a 50 %, web/b 25 %, web/c 25 %, by client',
    ],
  );
});

test('round-robin gives every endpoint its turn, without weights', () => {
  const chain = chainOf('healthy', 'round-robin', { kind: 'first', options: { count: 2 } });
  assert.equal(answers(chain, world), 'a+b 33.3, b+c 33.3, c+a 33.3');
  assert.equal(answers(chain, { ...world, names: ['up', 'down'] }), 'a+c 50, c+a 50');
  const spare = [...list, candidate(3, 'spare', undefined, 0)];
  assert.equal(answers(chain, { list: spare }), 'a+b 33.3, b+c 33.3, c+a 33.3', 'a spare waits');
});
