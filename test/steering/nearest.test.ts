import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Location } from '../../src/geo/location.ts';
import { compilePolicy } from '../../src/steering/policy.ts';
import type { Candidate, TraceLine } from '../../src/steering/step.ts';
import { candidate, mapTiers, places, showTiers, three } from './places.ts';

function tiersFrom(
  location: Location | undefined,
  options: unknown = {},
  candidates: readonly Candidate[] = three,
): string {
  const policy = compilePolicy([{ kind: 'nearest', options }]);
  return showTiers(mapTiers(policy, candidates, { location }));
}

test('nearest orders regions by distance from the client', () => {
  assert.equal(tiersFrom(places.paris), 'frankfurt > virginia > singapore');
  assert.equal(tiersFrom(places.tokyo), 'singapore > frankfurt > virginia');
  assert.equal(tiersFrom(places.newYork), 'virginia > frankfurt > singapore');
});

test('nearest keeps the order of the pool when the place of the client is unknown', () => {
  assert.equal(tiersFrom(undefined), 'virginia > frankfurt > singapore');
  assert.equal(tiersFrom({ country: 'AQ' }), 'virginia > frankfurt > singapore');
});

test('nearest puts regions that are equally near into one tier', () => {
  const twins = [
    candidate(0, 'east', { latitude: 50.1, longitude: 9 }),
    candidate(1, 'virginia', places.virginia),
    candidate(2, 'west', { latitude: 50.1, longitude: 8.6 }),
  ];
  assert.equal(tiersFrom(places.paris, {}, twins), 'west=east > virginia');
  assert.equal(tiersFrom(places.paris, { toleranceKm: 0 }, twins), 'west > east > virginia');
  assert.equal(tiersFrom(places.paris, { toleranceKm: 20_040 }, twins), 'west=east=virginia');
});

test('nearest shares one last tier beyond tiersMax', () => {
  assert.equal(tiersFrom(places.paris, { tiersMax: 1 }), 'frankfurt > virginia=singapore');
  const many = Array.from({ length: 8 }, (_, index) =>
    candidate(index, `r${index}`, { latitude: 0, longitude: index * 10 }),
  );
  assert.equal(tiersFrom({ latitude: 0, longitude: 0 }, {}, many), 'r0 > r1 > r2 > r3=r4=r5=r6=r7');
  assert.equal(tiersFrom(undefined, {}, many), 'r0 > r1 > r2 > r3=r4=r5=r6=r7');
});

test('nearest puts regions without a place last', () => {
  const some = [candidate(0, 'nowhere'), candidate(1, 'frankfurt', places.frankfurt)];
  assert.equal(tiersFrom(places.paris, {}, some), 'frankfurt > nowhere');
});

test('nearest refines the tiers of a step before it', () => {
  const policy = compilePolicy([
    { kind: 'failover', options: { regions: ['singapore'] } },
    { kind: 'nearest', options: {} },
  ]);
  const tiers = mapTiers(policy, three, { location: places.paris });
  assert.equal(showTiers(tiers), 'singapore > frankfurt > virginia');
});

test('nearest tells the distances', () => {
  const lines: TraceLine[] = [];
  const policy = compilePolicy([{ kind: 'nearest', options: {} }]);
  mapTiers(policy, three, { location: places.paris }, (line) => lines.push(line));
  assert.match(lines[0]?.note ?? '', /web\/frankfurt 4\d\d km/);
  assert.deepEqual(lines[0]?.kept, ['web/frankfurt', 'web/virginia', 'web/singapore']);
});
