import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { composeGeo } from '../../src/geo/database.ts';
import { distanceKm } from '../../src/geo/distance.ts';
import type { Location } from '../../src/geo/location.ts';
import { NOWHERE } from '../../src/health/health-words.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { lookupAddress, rangeValueOf } from '../../src/ip/prefix-table.ts';
import { classCount, classEntries, classEntry } from '../../src/steering/class-list.ts';
import { buildMap, type ClassMap } from '../../src/steering/map.ts';
import { compilePolicy } from '../../src/steering/policy.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { places, three } from './places.ts';

/** Which region's eyes count for a client: the nearest one's, where a policy tells clients apart. */
const near = compilePolicy([
  { kind: 'healthy', options: {} },
  { kind: 'nearest', options: {} },
]);
const alike = compilePolicy([{ kind: 'healthy', options: {} }]);
const geo = composeGeo(
  [],
  [
    { networks: ['16.0.0.0/4'], location: places.newYork },
    { networks: ['80.0.0.0/4'], location: places.paris },
    { networks: ['128.0.0.0/3'], location: places.tokyo },
  ],
);
const regions = [places.virginia, places.frankfurt, places.singapore];

function nearAt(map: ClassMap, text: string): number {
  return classEntry(map.classes, rangeValueOf(lookupAddress(map.table, parseAddress(text)!))).near;
}

test('buildMap() says which region a client is near, and nothing of one whose place is not known', () => {
  const map = buildMap(near, three, geo, regions);
  assert.deepEqual(
    ['17.0.0.1', '81.0.0.1', '133.0.0.1', '240.0.0.1'].map((text) => nearAt(map, text)),
    [0, 1, 2, NOWHERE],
  );
});

test('buildMap() tells clients apart by their region also where the policy does not', () => {
  const map = buildMap(alike, three, geo, regions);
  assert.equal(classCount(map.classes), 4, 'three regions, and those who are nowhere');
  assert.ok([...classEntries(map.classes)].every(({ leaves }) => leaves[0]!.length === 1));
  const without = buildMap(alike, three, geo);
  assert.deepEqual(
    [...classEntries(without.classes)].map((entry) => entry.near),
    [NOWHERE],
  );
});

test('buildMap() is near no region that has no place, and near the first of two at one place', () => {
  const map = buildMap(near, three, geo, [undefined, places.frankfurt, places.frankfurt]);
  assert.deepEqual(
    ['17.0.0.1', '81.0.0.1', '133.0.0.1'].map((text) => nearAt(map, text)),
    [1, 1, 1],
  );
});

test('buildMap() takes the nearest of any regions for any client', () => {
  const place: fc.Arbitrary<Location> = fc.record(
    {
      latitude: fc.double({ min: -89, max: 89, noNaN: true }),
      longitude: fc.double({ min: -180, max: 180, noNaN: true }),
    },
    { noNullPrototype: true },
  );
  const list = fc.array(fc.option(place, { nil: undefined, freq: 4 }), { maxLength: 5 });
  fc.assert(
    fc.property(list, place, (sites, client) => {
      const world = composeGeo([], [{ networks: ['16.0.0.0/4'], location: client }]);
      const map = buildMap(near, three, world, sites);
      const found = nearAt(map, '17.0.0.1');
      const kms = sites.map((site) =>
        site === undefined ? Infinity : (distanceKm(client, site) ?? Infinity),
      );
      const least = Math.min(...kms);
      assert.equal(found, least === Infinity ? NOWHERE : kms.indexOf(least));
      assert.equal(nearAt(map, '240.0.0.1'), NOWHERE);
    }),
    { seed: fuzzSeed(20_261_131), numRuns: fuzzRuns(60) },
  );
});
