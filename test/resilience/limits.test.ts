import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  acquire,
  createLimitState,
  occupy,
  RESOURCE,
  RESOURCES,
  type Resource,
  release,
  setLimit,
  UNLIMITED,
  WHOLE_UPSTREAM,
} from '../../src/resilience/limits.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const { connections, requests, retries } = RESOURCE;
const all = (limit: number) => ({
  connections: limit,
  requests: limit,
  retries: limit,
});

test('a server is refused at its limit while another still has room', () => {
  const state = createLimitState([all(2), all(2)], all(1000));
  const taken = [0, 0, 0, 1].map((server) => acquire(state, server, requests));
  assert.deepEqual(taken, [true, true, false, true]);
  release(state, 0, requests);
  assert.equal(acquire(state, 0, requests), true);
});

test('the upstream is refused at its limit although every server has room', () => {
  const state = createLimitState([all(UNLIMITED), all(UNLIMITED)], {
    ...all(UNLIMITED),
    retries: 3,
  });
  assert.deepEqual(
    [0, 1, 0, 1].map((server) => acquire(state, server, retries)),
    [true, true, true, false],
  );
  assert.equal(acquire(state, 1, connections), true, 'resources are counted apart');
  assert.equal(acquire(state, WHOLE_UPSTREAM, retries), false);
  release(state, 1, retries);
  assert.equal(acquire(state, WHOLE_UPSTREAM, retries), true);
});

test('a lowered limit lets what is there go on, and refuses more', () => {
  const state = createLimitState([all(9)], all(9));
  for (let count = 0; count < 5; count += 1) acquire(state, 0, requests);
  setLimit(state, 0, requests, 3);
  for (let left = 5; left > 3; left -= 1) release(state, 0, requests);
  assert.equal(acquire(state, 0, requests), false);
  release(state, 0, requests);
  assert.equal(acquire(state, 0, requests), true);
});

test('what is under way counts although it is more than the limit', () => {
  const state = createLimitState([all(2)], all(9));
  for (let count = 0; count < 5; count += 1) occupy(state, 0, requests);
  for (let left = 5; left > 2; left -= 1) release(state, 0, requests);
  assert.equal(acquire(state, 0, requests), false);
  release(state, 0, requests);
  assert.equal(acquire(state, 0, requests), true);
});

test('who gives back twice is told', () => {
  const state = createLimitState([all(2), all(2)], all(9));
  occupy(state, 0, requests);
  release(state, 0, requests);
  assert.throws(() => release(state, 0, requests), /given back/);
  occupy(state, 1, requests);
  assert.throws(() => release(state, 0, requests), /given back/);
  assert.throws(() => release(state, WHOLE_UPSTREAM, retries), /given back/);
});

test('in any order of taking and giving back, no limit is passed and the sums agree', () => {
  const step = fc.record({
    take: fc.boolean(),
    server: fc.integer({ min: WHOLE_UPSTREAM, max: 2 }),
    resource: fc.constantFrom(0, 1, 2) as fc.Arbitrary<Resource>,
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const state = createLimitState([all(3), all(4), all(5)], all(8));
      const held: (typeof steps)[number][] = [];
      for (const { take, server, resource } of steps) {
        if (take) {
          if (acquire(state, server, resource)) held.push({ take, server, resource });
        } else {
          const at = held.findIndex((one) => one.server === server && one.resource === resource);
          if (at < 0) continue;
          held.splice(at, 1);
          release(state, server, resource);
        }
        assert.ok(state.used.every((used, at) => used <= state.limits[at]!));
        for (const kind of Object.values(RESOURCE)) {
          const count = held.filter((one) => one.resource === kind).length;
          assert.equal(state.used[RESOURCES * 3 + kind], count);
        }
      }
    }),
    { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(300) },
  );
});
