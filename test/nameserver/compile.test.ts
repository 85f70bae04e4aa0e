import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { mapAt, mapCount, mapsOf } from '../../src/nameserver/map-table.ts';
import { serviceCount, servicesOf } from '../../src/nameserver/services.ts';
import { classEntries } from '../../src/steering/class-list.ts';
import type { ClassMap } from '../../src/steering/map.ts';
import { compiled, createConfig, geo, WEB_POOL } from './fixture.ts';

function issues(changes: Partial<Config>): readonly string[] {
  const result = compileSnapshot(createConfig(changes), geo, 1, 1);
  return result.ok ? [] : result.issues.map(({ path, message }) => `${path}: ${message}`);
}

const base = createConfig();
const zone = base.zones['gslb.example']!;

function withWeb(changes: Partial<typeof WEB_POOL>): Partial<Config> {
  return { pools: { ...base.pools, web: { ...WEB_POOL, ...changes } } };
}

function withSteered(changes: Partial<(typeof zone.steered)[number]>): Partial<Config> {
  const steered = [{ ...zone.steered[0]!, ...changes }];
  return { zones: { 'gslb.example': { ...zone, steered } } };
}

test('compileSnapshot() shares one map among names with the same chain, pool and bounds', () => {
  const { services, maps } = compiled();
  const map = (owner: string): number =>
    [...servicesOf(services)].find((one) => one.owner === owner)!.map;
  assert.equal(map('www.gslb.example.'), map('gslb.example.'));
  assert.equal(map('share.gslb.example.'), map('*.app.gslb.example.'));
  assert.notEqual(map('www.gslb.example.'), map('v4.gslb.example.'));
  assert.equal(mapCount(maps), 3);
});

test('compileSnapshot() shares prefix tables among maps that differ in TTL bounds only', () => {
  const steered = [zone.steered[0]!, { ...zone.steered[1]!, ttlMax: 60 }];
  const { maps } = compiled(createConfig({ zones: { 'gslb.example': { ...zone, steered } } }));
  assert.equal(mapCount(maps), 2);
  const [one, other] = [...mapsOf(maps)];
  assert.deepEqual([one!.ttlMaxSeconds, other!.ttlMaxSeconds], [30, 60]);
  assert.ok(isSame(one!.classes, other!.classes));
});

test('compileSnapshot() offers a family when every endpoint of the pool has it', () => {
  const { services } = compiled();
  const families = Array.from(servicesOf(services), ({ owner, has4, has6 }) => [owner, has4, has6]);
  assert.deepEqual(families, [
    ['www.gslb.example.', true, true],
    ['gslb.example.', true, true],
    ['v4.gslb.example.', true, false],
    ['share.gslb.example.', true, true],
    ['*.app.gslb.example.', true, true],
  ]);
});

test('compileSnapshot() carries generation, revision and the size limit', () => {
  const result = compileSnapshot(base, geo, 5, 9);
  assert.ok(result.ok);
  const { generation, revision, udpSizeMax } = result.snapshot;
  assert.deepEqual([generation, revision, udpSizeMax], [5, 9, 1232]);
});

test('compileSnapshot() for a node that only probes has endpoints, and nothing to answer', () => {
  const roles = ['prober'] as const;
  const { endpoints, maps, services } = compiled(createConfig({ node: { ...base.node, roles } }));
  assert.deepEqual([mapCount(maps), serviceCount(services)], [0, 0]);
  assert.deepEqual(endpoints, compiled().endpoints);
});

test('compileSnapshot() takes over the class maps of which nothing changed', () => {
  const before = { snapshot: compiled(), geo };
  const again = (changes: Partial<Config>, data = geo) => {
    const result = compileSnapshot(createConfig(changes), data, 2, 1, before);
    assert.ok(result.ok);
    const known = [...mapsOf(before.snapshot.maps)];
    return Array.from(mapsOf(result.snapshot.maps), ({ classes }) =>
      known.findIndex((map) => isSame(map.classes, classes)),
    );
  };
  assert.deepEqual(again({}), [0, 1, 2]);
  assert.deepEqual(again(withSteered({ ttlMax: 31 })), [0]);
  const [first, ...others] = WEB_POOL.endpoints;
  const heavier = { ...first!, weight: 9 };
  assert.deepEqual(again(withWeb({ endpoints: [heavier, ...others] })), [-1, 1, -1]);
  assert.deepEqual(again(withWeb({ endpoints: others })), [-1, -1, -1]);
  const policies = { ...base.policies, near: base.policies['shared']! };
  assert.deepEqual(again({ policies }), [2, -1]);
  assert.deepEqual(again({}, { ...geo }), [-1, -1, -1]);
});

test('pools and policies that part clients alike share one table, each with its own endpoints', () => {
  const zone = base.zones['gslb.example']!;
  const steered = [
    { owner: 'a.gslb.example.', pool: 'web', policy: 'near', ttlMin: 5, ttlMax: 30 },
    { owner: 'b.gslb.example.', pool: 'twin', policy: 'near', ttlMin: 5, ttlMax: 30 },
    { owner: 'c.gslb.example.', pool: 'twin', policy: 'near-all', ttlMin: 5, ttlMax: 30 },
    { owner: 'd.gslb.example.', pool: 'legacy', policy: 'near', ttlMin: 5, ttlMax: 30 },
    { owner: 'e.gslb.example.', pool: 'web', policy: 'shared', ttlMin: 5, ttlMax: 30 },
  ];
  const step = (kind: string) => ({ kind, options: {} });
  const config = createConfig({
    pools: { ...base.pools, twin: WEB_POOL },
    policies: { ...base.policies, 'near-all': { chain: [step('nearest')] } },
    zones: { ...base.zones, 'gslb.example': { ...zone, steered } },
  });
  const snapshot = compiled(config);
  const [web, twin, twinToo, legacy, everybody] = Array.from(
    mapsOf(snapshot.maps),
    ({ classes }) => classes,
  );
  assert.equal(twin!.table, web!.table);
  assert.ok(isSame(twinToo!, twin!));
  assert.equal(twin!.classes.words, web!.classes.words);
  assert.equal(
    legacy!.table,
    web!.table,
    'the nearest of its regions follows from the nearest of all',
  );
  assert.notEqual(everybody!.table, web!.table);
  const first = snapshot.endpoints.findIndex(({ pool }) => pool === 'twin');
  const shifted = [...classEntries(web!.classes)].map(({ leaves }) =>
    leaves.map((tiers) => tiers.map((tier) => tier.map((at) => at + first))),
  );
  assert.deepEqual(
    [...classEntries(twin!.classes)].map(({ leaves }) => leaves),
    shifted,
  );
  const before = { snapshot, geo };
  const again = compileSnapshot(config, geo, 2, 1, before);
  assert.ok(again.ok);
  for (const [index, { classes }] of [...mapsOf(again.snapshot.maps)].entries()) {
    assert.ok(isSame(classes, mapAt(snapshot.maps, index).classes));
  }
});

test('compileSnapshot() reports broken references and pools that could answer nothing', () => {
  const path = 'zones.gslb.example.steered.0';
  const cases: readonly (readonly [Partial<Config>, string])[] = [
    [withSteered({ pool: 'wep' }), `${path}.pool: there is no pool "wep"`],
    [withSteered({ policy: 'neer' }), `${path}.policy: there is no policy "neer"`],
    [withSteered({ ttlMin: 60 }), `${path}.ttlMin: 60 to 30 is not a range of TTLs`],
    [
      withWeb({ endpoints: [{ region: 'mars', weight: 1, addresses: ['192.0.2.1', '::2'] }] }),
      'pools.web.endpoints.0.region: there is no region "mars"',
    ],
    [withWeb({ sorry: ['here'] }), 'pools.web.sorry.0: "here" is not an IP address'],
    [
      withWeb({
        sorry: [],
        endpoints: [
          { region: 'us', weight: 1, addresses: ['192.0.2.1'] },
          { region: 'eu', weight: 1, addresses: ['2001:db8::1'] },
        ],
      }),
      'pools.web.endpoints: its endpoints have no address family in common',
    ],
    [
      withWeb({ sorry: ['192.0.2.1'] }),
      'pools.web.sorry: needs an IPv6 address, for the endpoints have one',
    ],
    [
      { policies: { ...base.policies, near: { chain: [{ kind: 'nearesd', options: {} }] } } },
      'policies.near.chain: No steering step is called "nearesd".',
    ],
    [withWeb({ endpoints: [], sorry: [] }), 'pools.web.endpoints: a pool needs an endpoint'],
  ];
  for (const [changes, expected] of cases) {
    assert.ok(issues(changes).includes(expected), `${expected}\n${issues(changes).join('\n')}`);
  }
});

test('compileSnapshot() reports what is wrong with zones beside all else', () => {
  const rrsets = [{ owner: 'www.test.', type: 'A', ttl: 60, data: ['192.0.2.1'] }];
  const steered = [{ ...zone.steered[0]!, pool: 'wep' }];
  const found = issues({ zones: { 'gslb.example': { ...zone, rrsets, steered } } });
  assert.equal(found.length, 2, found.join('\n'));
});

/** The same memory, counted from the same endpoint. */
function isSame({ classes, table }: ClassMap, other: ClassMap): boolean {
  const { firstEndpoint, words } = other.classes;
  return (
    table === other.table && classes.words === words && classes.firstEndpoint === firstEndpoint
  );
}
