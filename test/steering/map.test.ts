import assert from 'node:assert/strict';
import { test } from 'node:test';
import { composeGeo, type GeoDatabase } from '../../src/geo/database.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { lookupAddress, rangeValueOf, scopeOf } from '../../src/ip/prefix-table.ts';
import { classCount, classEntries, classEntry } from '../../src/steering/class-list.ts';
import { decide } from '../../src/steering/decide.ts';
import { buildMap, type ClassMap, classPreference } from '../../src/steering/map.ts';
import { compilePolicy } from '../../src/steering/policy.ts';
import { endpointShares, regionShares } from '../../src/steering/shares.ts';
import { places, showTiers, stateOf, three } from './places.ts';

const geo: GeoDatabase = composeGeo(
  [],
  [
    { networks: ['16.0.0.0/4', '2600::/12'], location: places.newYork },
    { networks: ['80.0.0.0/6', '84.0.0.0/6', '2a00::/12'], location: places.paris },
    { networks: ['88.0.0.0/5'], location: { ...places.paris, city: 'Paris' } },
    { networks: ['128.0.0.0/3', '2400::/12'], location: places.tokyo },
  ],
);
const chain = [
  { kind: 'healthy', options: {} },
  { kind: 'nearest', options: {} },
  { kind: 'weighted', options: {} },
  { kind: 'first', options: {} },
];

function find(map: ClassMap, text: string): { classId: number; scope: number; tiers: string } {
  const address = parseAddress(text);
  assert.ok(address);
  const found = lookupAddress(map.table, address);
  const entry = classEntry(map.classes, rangeValueOf(found));
  return {
    classId: rangeValueOf(found),
    scope: scopeOf(found),
    tiers: showTiers(classPreference(map, entry, three).leaves[0]!),
  };
}

test('buildMap() gives each client network the tiers of its location', () => {
  const map = buildMap(compilePolicy(chain), three, geo);
  assert.equal(find(map, '17.1.2.3').tiers, 'virginia > frankfurt > singapore');
  assert.equal(find(map, '81.1.2.3').tiers, 'frankfurt > virginia > singapore');
  assert.equal(find(map, '133.11.0.1').tiers, 'singapore > frankfurt > virginia');
  assert.equal(find(map, '2a01::1').tiers, 'frankfurt > virginia > singapore');
  assert.equal(find(map, '240.0.0.1').tiers, 'virginia > frankfurt > singapore');
  assert.equal(map.locationsWithoutClass, 0);
});

test('buildMap() makes one class of equal tiers, the unknown location included', () => {
  const map = buildMap(compilePolicy(chain), three, geo);
  assert.equal(classCount(map.classes), 3);
  assert.equal(find(map, '240.0.0.1').classId, 0);
  assert.equal(find(map, '17.1.2.3').classId, 0);
});

test('buildMap() merges neighbours of one class, so that the scope is the widest right one', () => {
  const map = buildMap(compilePolicy(chain), three, geo);
  assert.equal(find(map, '81.1.2.3').scope, 4);
  assert.equal(find(map, '90.1.2.3').scope, 4);
  assert.equal(find(map, '133.11.0.1').scope, 3);
});

test('buildMap() has one class and scope 0 when no step maps', () => {
  const map = buildMap(compilePolicy([{ kind: 'healthy', options: {} }]), three, geo);
  assert.equal(classCount(map.classes), 1);
  assert.deepEqual(find(map, '81.1.2.3'), {
    classId: 0,
    scope: 0,
    tiers: 'virginia=frankfurt=singapore',
  });
});

test('buildMap() weighs classes by their part of the located address space', () => {
  const map = buildMap(compilePolicy(chain), three, geo);
  // 2^28 addresses in New York, 2^28 in Paris, 2^29 in Tokyo.
  assert.deepEqual(
    [...classEntries(map.classes)].map(({ addressShare }) => addressShare),
    [0.25, 0.25, 0.5],
  );
  const nowhere = buildMap(compilePolicy(chain), three, composeGeo([], []));
  assert.deepEqual(
    [...classEntries(nowhere.classes)].map(({ addressShare }) => addressShare),
    [1],
  );
});

test('buildMap() makes what survives a structured clone', () => {
  const map = buildMap(compilePolicy(chain), three, geo);
  const clone = structuredClone(map);
  assert.deepEqual(find(clone, '81.1.2.3'), find(map, '81.1.2.3'));
});

test('regionShares() and endpointShares() add up what the classes answer', () => {
  const policy = compilePolicy(chain);
  const map = buildMap(policy, three, geo);
  const sharesWhen = (...names: Parameters<typeof stateOf>[0]) => {
    const decisions = [...classEntries(map.classes)].map((entry) =>
      decide(policy, classPreference(map, entry, three), stateOf(names)),
    );
    assert.deepEqual(
      [...endpointShares(map, decisions)],
      [...regionShares(map, decisions)].map(([region, share]) => [
        three.findIndex((each) => each.region === region),
        share,
      ]),
    );
    return Object.fromEntries(regionShares(map, decisions));
  };
  assert.deepEqual(sharesWhen(), { virginia: 0.25, frankfurt: 0.25, singapore: 0.5 });
  assert.deepEqual(sharesWhen('up', 'up', 'down'), { virginia: 0.25, frankfurt: 0.75 });
});

test('regionShares() counts an answer of several endpoints in equal parts', () => {
  const policy = compilePolicy([]);
  const map = buildMap(policy, three, geo);
  const decisions = [...classEntries(map.classes)].map((entry) =>
    decide(policy, classPreference(map, entry, three), stateOf(['drained'])),
  );
  assert.deepEqual(Object.fromEntries(regionShares(map, decisions)), {
    frankfurt: 0.5,
    singapore: 0.5,
  });
});

test('buildMap() tells clients apart that go by other policies, though their tiers are equal', () => {
  const stay = { countries: ['FR'], policy: 'stay', chain: [{ kind: 'sticky', options: {} }] };
  const policy = compilePolicy([
    { kind: 'healthy', options: {} },
    { kind: 'match', options: { rules: [stay] } },
    { kind: 'weighted', options: {} },
  ]);
  const map = buildMap(policy, three, geo);
  assert.deepEqual(
    map.variants.map(({ parts }) => parts),
    [[1], [0]],
  );
  const [other, french] = ['17.1.2.3', '81.1.2.3'].map((text) => find(map, text));
  assert.equal(other!.tiers, french!.tiers);
  assert.notEqual(other!.classId, french!.classId);
});
