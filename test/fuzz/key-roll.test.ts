import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { brokenChain, type Course, type Times } from '../dns/roll-caches.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

const options = { seed: fuzzSeed(20261121), numRuns: fuzzRuns(150) };

/** Around the bounds and far from them: equal TTLs, none, and one that is longer than all others. */
const seconds = fc.oneof(
  fc.constantFrom(0, 1, 60, 300, 3600, 86_400),
  fc.integer({ min: 0, max: 200_000 }),
);
const world: fc.Arbitrary<Times> = fc
  .record({ keyTtl: seconds, longestTtl: seconds, propagation: seconds, dsTtl: seconds })
  .map((times) => ({ ...times, longestTtl: Math.max(times.longestTtl, times.keyTtl) }));
const course: fc.Arbitrary<Course> = fc.record({
  scheme: fc.constantFrom('csk' as const, 'ksk-zsk' as const),
  rolls: fc.array(fc.constantFrom('first' as const, 'second' as const, 'all' as const), {
    minLength: 1,
    maxLength: 4,
  }),
  delays: fc.array(fc.oneof(fc.constant(0), seconds), { minLength: 1, maxLength: 6 }),
  parent: fc.record({
    firstSeconds: fc.oneof(fc.constant(0), seconds),
    seenSeconds: fc.oneof(fc.constant(0), seconds),
  }),
});

test('at every instant of every roll every resolver finds a whole chain', () => {
  fc.assert(
    fc.property(course, world, (way, times) => {
      assert.equal(brokenChain(way, times), undefined);
    }),
    options,
  );
});

/** The world of the planted faults, and everybody as early as is allowed. */
const WORLD: Times = { keyTtl: 3600, longestTtl: 7200, propagation: 600, dsTtl: 86_400 };
const EARLY = { delays: [0], parent: { firstSeconds: 0, seenSeconds: 0 } };
const ROLLS = {
  zsk: { ...EARLY, scheme: 'ksk-zsk', rolls: ['first'] },
  ksk: { ...EARLY, scheme: 'ksk-zsk', rolls: ['second'] },
  csk: { ...EARLY, scheme: 'csk', rolls: ['first'] },
  split: { ...EARLY, scheme: 'csk', rolls: ['all'] },
  join: { ...EARLY, scheme: 'ksk-zsk', rolls: ['all'] },
} as const satisfies Readonly<Record<string, Course>>;

test('waits that are a second shorter break a chain, and the test sees it', () => {
  const found = (roll: keyof typeof ROLLS, fault: Partial<Times>): string | undefined =>
    brokenChain(ROLLS[roll], WORLD, { ...WORLD, ...fault });
  for (const roll of Object.keys(ROLLS) as (keyof typeof ROLLS)[]) {
    assert.equal(found(roll, {}), undefined, roll);
  }
  assert.match(found('zsk', { keyTtl: 3599 }) ?? '', /records signed by/);
  assert.match(found('zsk', { longestTtl: 7199 }) ?? '', /records signed by/);
  assert.match(found('zsk', { propagation: 599 }) ?? '', /records signed by/);
  assert.match(found('ksk', { dsTtl: 86_399 }) ?? '', /under DS/);
  assert.match(found('ksk', { propagation: 599 }) ?? '', /under DS/);
  for (const roll of ['csk', 'split', 'join'] as const) {
    // Both keys sign DNSKEY until the old one goes, so DS have until then.
    assert.equal(found(roll, { dsTtl: 75_000 }), undefined, roll);
    assert.match(found(roll, { dsTtl: 74_999 }) ?? '', /under DS/, roll);
    assert.match(found(roll, { longestTtl: 7199 }) ?? '', /records signed by/, roll);
  }
});
