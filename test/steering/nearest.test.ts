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
  assert.equal(tiersFrom(places.paris, {}, twins), 'east=west > virginia', 'as in the pool');
  assert.equal(tiersFrom(places.paris, { toleranceKm: 0 }, twins), 'west > east > virginia');
  assert.equal(tiersFrom(places.paris, { toleranceKm: 20_040 }, twins), 'east=virginia=west');
});

test('nearest shares one last tier beyond tiersMax', () => {
  assert.equal(tiersFrom(places.paris, { tiersMax: 1 }), 'frankfurt > virginia=singapore');
  const many = Array.from({ length: 8 }, (_, index) =>
    candidate(index, `r${index}`, { latitude: 0, longitude: index * 10 }),
  );
  assert.equal(tiersFrom({ latitude: 0, longitude: 0 }, {}, many), 'r0 > r1 > r2 > r3=r4=r5=r6=r7');
  assert.equal(
    tiersFrom({ latitude: 0, longitude: 70 }, {}, many),
    'r7 > r6 > r5 > r0=r1=r2=r3=r4',
    'as in the pool, for all who have these three',
  );
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

test('nearest counts a region nearer or farther by its bias', () => {
  // Seen from Paris, Frankfurt is 450 km away, Virginia 6200 km, Singapore 10,700 km.
  const order = (bias: Record<string, number>): string => tiersFrom(places.paris, { bias });
  assert.equal(order({ virginia: 50 }), 'frankfurt > virginia > singapore');
  assert.equal(order({ virginia: 99 }), 'virginia > frankfurt > singapore', '62 km');
  assert.equal(order({ frankfurt: -90 }), 'frankfurt > virginia > singapore', '4500 km');
  assert.equal(order({ frankfurt: -95 }), 'virginia > frankfurt > singapore', '9000 km');
  assert.equal(order({ singapore: 50 }), 'frankfurt > singapore > virginia', '5350 km');
  assert.equal(order({ virginia: 99, frankfurt: 86 }), 'virginia=frankfurt > singapore', '62, 63');
});

test('nearest goes by the bias of an endpoint before that of its region', () => {
  const green: Candidate = { ...candidate(3, 'virginia', places.virginia), label: 'green' };
  const policy = compilePolicy([
    { kind: 'nearest', options: { bias: { green: 10, virginia: 99 } } },
  ]);
  const tiers = mapTiers(policy, [...three, green], { location: places.paris });
  assert.deepEqual(
    tiers.map((tier) => tier.map(({ label }) => label)),
    [['virginia'], ['frankfurt'], ['green'], ['singapore']],
  );
});

test('nearest tells distances as the bias has them, and takes no bias that it could not say', () => {
  const lines: TraceLine[] = [];
  const policy = compilePolicy([{ kind: 'nearest', options: { bias: { frankfurt: -50 } } }]);
  mapTiers(policy, three, { location: places.paris }, (line) => lines.push(line));
  assert.match(lines[0]?.note ?? '', /web\/frankfurt 9\d\d km/);
  for (const wrong of [100, -100, '50']) {
    const chain = [{ kind: 'nearest', options: { bias: { frankfurt: wrong } } }];
    assert.throws(() => compilePolicy(chain), String(wrong));
  }
});
