import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layerOfMap } from '../../src/clients/latency-layer.ts';
import { networkKey } from '../../src/clients/network-key.ts';
import { composeGeo } from '../../src/geo/database.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { lookupAddress, rangeValueOf, scopeOf } from '../../src/ip/prefix-table.ts';
import { classEntry } from '../../src/steering/class-list.ts';
import { buildMap, classPreference, createClassTables } from '../../src/steering/map.ts';
import { compilePolicy, preferenceOf } from '../../src/steering/policy.ts';
import type { TraceLine } from '../../src/steering/step.ts';
import { at, places, showTiers, three } from './places.ts';

const policy = compilePolicy([{ kind: 'latency', options: {} }]);
const tiersOf = (order: readonly string[] | undefined, options: unknown = {}): string => {
  const own = compilePolicy([{ kind: 'latency', options }]);
  const client = { ...at(places.paris), order };
  return showTiers(preferenceOf(own, three, client).leaves[0]!);
};

test('latency goes by what was measured, and by distance where nothing was', () => {
  assert.equal(tiersOf(undefined), 'frankfurt > virginia > singapore');
  assert.equal(tiersOf(['singapore', 'virginia', 'frankfurt']), 'singapore > virginia > frankfurt');
});

test('latency puts regions that no map has last, and those behind the first tiers together', () => {
  assert.equal(tiersOf(['singapore']), 'singapore > virginia=frankfurt');
  assert.equal(
    tiersOf(['singapore', 'virginia', 'frankfurt'], { tiersMax: 1 }),
    'singapore > virginia=frankfurt',
  );
});

test('latency tells the ways that it goes by', () => {
  const lines: TraceLine[] = [];
  const client = {
    ...at(places.paris),
    order: ['singapore', 'virginia', 'frankfurt'],
    waysMs: [12, 80],
  };
  preferenceOf(policy, three, client, (line) => lines.push(line));
  assert.equal(lines[0]!.note, 'measured: singapore 12 ms, virginia 80 ms, then frankfurt');
  preferenceOf(policy, three, at(places.paris), (line) => lines.push(line));
  assert.match(lines[1]!.note, /^nothing was measured; .*frankfurt \d+ km/);
});

test('a map of latency has a class for measured networks, and geography around them', () => {
  const geo = composeGeo([], [{ networks: ['80.0.0.0/8'], location: places.paris }]);
  const key = (text: string): number => networkKey(parseAddress(text)!);
  const layer = layerOfMap({
    ...{ generation: 3, madeAtMs: 1, regions: ['virginia', 'frankfurt', 'singapore'] },
    orders: [
      [2, 0, 1],
      [1, 0, 2],
    ],
    rows: [
      { network: key('80.1.2.0'), order: 0, waysMs: [], sources: 1 },
      { network: key('80.1.3.0'), order: 1, waysMs: [], sources: 1 },
      { network: key('99.1.2.0'), order: 0, waysMs: [], sources: 1 },
    ],
  });
  const map = buildMap(policy, three, geo, [], createClassTables(geo, layer));
  assert.equal(map.latencyGeneration, 3);
  const find = (text: string): string => {
    const found = lookupAddress(map.table, parseAddress(text)!);
    const entry = classEntry(map.classes, rangeValueOf(found));
    return `${showTiers(classPreference(map, entry, three).leaves[0]!)} /${scopeOf(found)}`;
  };
  assert.equal(find('80.1.2.7'), 'singapore > virginia > frankfurt /24');
  assert.equal(find('99.1.2.7'), 'singapore > virginia > frankfurt /24');
  // Where what was measured is what geography says, nobody is told apart.
  assert.match(find('80.1.3.7'), /^frankfurt > virginia > singapore \/2[34]$/);
  assert.match(find('80.9.9.9'), /^frankfurt > virginia > singapore \/1\d$/);
  const without = buildMap(
    compilePolicy([{ kind: 'nearest', options: {} }]),
    three,
    geo,
    [],
    createClassTables(geo, layer),
  );
  assert.equal(without.latencyGeneration, 0);
});
