import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mapAt, mapCount, mapsOf, packMaps } from '../../src/nameserver/map-table.ts';
import { compiled, createConfig, WEB_POOL } from './fixture.ts';

/** Two alike pools, with and without sorry addresses, HTTPS, and regions that clients are near to. */
function manyMaps() {
  const config = createConfig();
  const zone = config.zones['gslb.example']!;
  const https = { priority: 1, alpn: ['h2'], hints: true };
  const steered = ['web', 'twin', 'panicking'].flatMap((pool) =>
    ['near', 'shared'].flatMap((policy) =>
      [undefined, https].map((binding, index) => {
        const owner = `${policy}-${index}.${pool}.gslb.example.`;
        const name = { owner, pool, policy, ttlMin: 5, ttlMax: 30 + index };
        return binding === undefined ? name : { ...name, https: binding };
      }),
    ),
  );
  const panicking = { ...WEB_POOL, panicThreshold: 0.6, sorry: [] };
  return compiled({
    ...config,
    pools: { ...config.pools, twin: WEB_POOL, panicking },
    zones: { ...config.zones, 'gslb.example': { ...zone, steered } },
  }).maps;
}

test('packMaps() keeps every map, and each part once', () => {
  const first = manyMaps();
  const maps = [...mapsOf(first)];
  assert.equal(mapCount(first), 12);
  const table = structuredClone(packMaps(maps));
  assert.deepEqual([...mapsOf(table)], maps);
  const { bindings, classes, policies, pools } = table;
  assert.deepEqual([pools.length, policies.length, bindings.length], [3, 2, 1]);
  assert.equal(classes.length, 2, 'pools that are alike share what their policies make of clients');
});

test('maps of a policy have one chain, wherever they come from', () => {
  const maps = [...mapsOf(structuredClone(manyMaps()))].filter(({ policy }) => policy === 'near');
  assert.equal(new Set(maps.map(({ chain }) => chain)).size, 1);
});

test('mapAt() tells maps of pools that are alike apart by their endpoints', () => {
  const table = manyMaps();
  const [web, twin] = [mapAt(table, 0), mapAt(table, 4)];
  assert.deepEqual([web.pool, twin.pool], ['web', 'twin']);
  assert.equal(twin.classes.classes.words, web.classes.classes.words);
  assert.equal(twin.classes.classes.firstEndpoint, twin.candidates[0]);
  assert.notEqual(twin.candidates[0], web.candidates[0]);
});
