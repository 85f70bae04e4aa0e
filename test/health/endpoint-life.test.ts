import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { JudgedHealth } from '../../src/health/endpoint-health.ts';
import { type EndpointLife, NEW_LIFE, nextLife } from '../../src/health/endpoint-life.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

type Look = readonly [atMs: number, judged: JudgedHealth, isOut?: boolean, isForcedIn?: boolean];

function live(...looks: readonly Look[]): EndpointLife {
  return looks.reduce<EndpointLife>(
    (life, [atMs, judged, isOut = judged === 'down', isForcedIn = false]) =>
      nextLife(life, judged, { isOut, isForcedIn }, atMs),
    NEW_LIFE,
  );
}

test('nextLife() returns when what was out is in again, and not when it never was out', () => {
  assert.deepEqual(live([1, 'unknown'], [2, 'up']), {
    downSinceMs: undefined,
    isOut: false,
    returnedAtMs: undefined,
  });
  assert.equal(live([1, 'up'], [2, 'down'], [3, 'up'], [4, 'up']).returnedAtMs, 3);
  assert.equal(live([1, 'up', true], [2, 'up']).returnedAtMs, 2, 'a drain is out too');
  assert.equal(live([1, 'down'], [2, 'down', false]).returnedAtMs, 2, 'kept in by the limit');
});

test('nextLife() is down since the first look that said so, whatever people do meanwhile', () => {
  assert.equal(live([1, 'up'], [2, 'down'], [5, 'down']).downSinceMs, 2);
  assert.equal(live([2, 'down', false, true], [5, 'down']).downSinceMs, 2);
  assert.equal(live([2, 'down'], [3, 'degraded'], [5, 'down']).downSinceMs, 5, 'a new fall');
});

test('nextLife() forgets a return that a new fall or a person ends', () => {
  assert.equal(live([1, 'down'], [2, 'up'], [3, 'down']).returnedAtMs, undefined);
  assert.equal(live([1, 'down'], [2, 'up'], [3, 'down'], [4, 'up']).returnedAtMs, 4);
  const forced = live([1, 'down'], [2, 'down', false, true]);
  assert.deepEqual([forced.returnedAtMs, forced.isOut], [undefined, false]);
  assert.equal(live([1, 'down'], [2, 'up', false, true], [3, 'up']).returnedAtMs, undefined);
});

test('nextLife() is never out and returning at once, and dates nothing after now', () => {
  const look = fc.record({
    judged: fc.constantFrom<JudgedHealth>('up', 'down', 'degraded', 'unknown'),
    isOut: fc.boolean(),
    isForcedIn: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(look), (looks) => {
      let life = NEW_LIFE;
      for (const [atMs, { isForcedIn, isOut, judged }] of looks.entries()) {
        life = nextLife(life, judged, { isOut, isForcedIn }, atMs);
        assert.equal(life.isOut, isOut);
        if (isOut) assert.equal(life.returnedAtMs, undefined);
        assert.equal(life.downSinceMs === undefined, judged !== 'down');
        assert.ok((life.downSinceMs ?? 0) <= atMs && (life.returnedAtMs ?? 0) <= atMs);
      }
    }),
    { seed: fuzzSeed(20_261_125), numRuns: fuzzRuns(400) },
  );
});
