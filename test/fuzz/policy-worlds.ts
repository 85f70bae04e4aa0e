import fc from 'fast-check';
import { buildSlotsTable, type SlotsTable } from '../../src/capacity/slots-table.ts';
import { type LatencyLayer, layerOfMap } from '../../src/clients/latency-layer.ts';
import { networkKey, networkOfKey } from '../../src/clients/network-key.ts';
import type { Config } from '../../src/config/config.ts';
import { composeGeo, type GeoDatabase } from '../../src/geo/database.ts';
import { createSystemNumbers } from '../../src/geo/systems.ts';
import { DEGRADED, DOWN, FORCED, healthWord } from '../../src/health/health-word.ts';
import { PRIVATE_NETWORKS } from '../../src/ip/address.ts';
import { formatPrefix, type Prefix, parsePrefix } from '../../src/ip/prefix.ts';
import { overlayPrefixes, uniformRanges } from '../../src/ip/ranges.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { plannedClasses } from '../../src/planning/planned-classes.ts';
import { SLOTS } from '../../src/steering/slots.ts';
import type { Chain } from '../../src/steering/step.ts';
import { arbitraryPrefix } from '../ip/range-oracle.ts';
import { AP, APEX_RECORDS, createConfig, EU, UP, US, WEB_POOL } from '../nameserver/fixture.ts';

/** Any policy over four endpoints, with places, systems, measured ways and health: what the tests of scopes steer in. */
export const NAME = 'www.gslb.example';
export const RESOLVERS = ['20.9.9.9', '80.9.9.9', '10.9.9.9'] as const;
const RESOLVER_NETWORKS = [
  { networks: ['20.9.9.0/24'], location: US },
  { networks: ['80.9.9.0/24'], location: EU },
];
const ENDPOINTS = ['us', 'eu', 'ap', 'us-green'];
const SYSTEMS = [64496, 64497];
const REGIONS = ['us', 'eu', 'ap'];
/** By what was measured, best first: indexes of regions. */
const ORDERS = [
  [1, 2, 0],
  [2, 0, 1],
];

/** Networks that are special whoever named what. */
export const SPECIAL: readonly Prefix[] = [
  ...PRIVATE_NETWORKS,
  ...['::ffff:0:0/96', '64:ff9b::/96', '2002::/16', '::/48'],
].map((text) => parsePrefix(text)!);

const step = (kind: string, options: object = {}): Chain[number] => ({ kind, options });
const some = <Each>(each: fc.Arbitrary<Each>, maxLength = 3): fc.Arbitrary<Each[]> =>
  fc.array(each, { minLength: 1, maxLength });
const regions = fc.uniqueArray(fc.constantFrom(...ENDPOINTS), { minLength: 1, maxLength: 3 });
const network: fc.Arbitrary<Prefix> = fc.oneof(
  { weight: 3, arbitrary: arbitraryPrefix(32) },
  { weight: 3, arbitrary: arbitraryPrefix(128) },
  fc.constantFrom(...SPECIAL),
);
const networks = some(network.map(formatPrefix));
const who = fc.record({
  countries: fc.subarray(['US', 'DE', 'SG'], { minLength: 1 }),
  systems: fc.subarray(SYSTEMS),
});
const fence = fc.boolean();

const mapping: fc.Arbitrary<Chain[number]> = fc.oneof(
  fc
    .constantFrom({}, { toleranceKm: 20_000 }, { bias: { eu: 60 } }, { tiersMax: 1 })
    .map((options) => step('nearest', options)),
  fc
    .record({ rules: some(fc.tuple(who, regions)), fence })
    .map(({ rules, ...rest }) =>
      step('geo', { ...rest, rules: rules.map(([each, to]) => ({ ...each, regions: to })) }),
    ),
  fc
    .record({ rules: some(fc.record({ networks, regions })), fence })
    .map((options) => step('subnet', options)),
  regions.map((names) => step('only', { except: names })),
  fc.constantFrom({}, { tiersMax: 1 }).map((options) => step('latency', options)),
  fc
    .constantFrom({}, { regions: [['us', 'ap'], 'eu'] }, { regions: ['us-green', 'eu', 'us'] })
    .map((options) => step('failover', options)),
);

const choosing: fc.Arbitrary<Chain[number]> = fc.oneof(
  fc.constantFrom('client', 'client', 'name').map((by) => step('sticky', { by })),
  fc.constantFrom('spread', 'sticky', 'random').map((mode) => step('weighted', { mode })),
  fc.constant(step('round-robin')),
  fc.constant(step('capacity')),
);

const forking: fc.Arbitrary<Chain[number]> = fc.oneof(
  some(fc.oneof(fc.record({ networks }), who), 2).map((rules) =>
    step('match', { rules: rules.map((each) => ({ ...each, policy: 'other' })) }),
  ),
  fc
    .record({
      parts: some(
        fc.record({
          percent: fc.integer({ min: 1, max: 45 }),
          policy: fc.constantFrom('other', 'third'),
          regions,
        }),
        2,
      ),
      draw: fc.constantFrom('client', 'client', 'spread', 'random'),
    })
    .map((options) => step('split', options)),
  fc
    .record({ percent: fc.integer({ min: 1, max: 60 }), regions })
    .map((options) => step('canary', options)),
  fc.constant(step('use', { policy: 'third' })),
  regions.map((names) => step('try', { parts: [{ policy: 'third', regions: names }] })),
  fc
    .record({
      windows: fc.constantFrom(
        [{ from: '09:00', to: '17:00' }],
        [{ days: ['mon', 'thu'], from: '22:00', to: '06:00' }],
      ),
      regions,
    })
    .map((options) => step('schedule', options)),
);

const plain: fc.Arbitrary<Chain> = fc
  .tuple(
    fc.array(mapping, { maxLength: 1 }),
    choosing,
    fc.constantFrom<Chain>(
      [step('first')],
      [step('first', { count: 2 })],
      [step('first', { count: 2, across: true })],
      [],
    ),
  )
  .map(([maps, chosen, end]) => [...maps, chosen, ...end]);

const chains: fc.Arbitrary<Chain> = fc
  .tuple(fc.array(mapping, { maxLength: 2 }), fc.array(forking, { maxLength: 2 }), plain)
  .map(([maps, forks, end]) => [step('healthy'), ...maps, ...forks, ...end]);

const word = fc.oneof(
  { weight: 5, arbitrary: fc.constant(UP) },
  fc.constantFrom(DOWN, (DOWN | FORCED) >>> 0, (DEGRADED | 20) >>> 0),
  // On its way back.
  fc.constantFrom(healthWord(0, 60, 0.25), healthWord(0, 60, 0.75)),
);

export const worlds = fc.record({
  chain: chains,
  other: plain,
  third: plain,
  placed: fc.array(
    fc.record({ prefix: network, location: fc.constantFrom<object>(US, EU, AP, {}) }),
    { maxLength: 6 },
  ),
  inSystems: fc.array(fc.record({ prefix: network, value: fc.nat(1) }), { maxLength: 3 }),
  /** Client networks whose ways were measured, and which order they have. */
  measured: fc.array(fc.record({ prefix: network, order: fc.nat(ORDERS.length - 1) }), {
    maxLength: 6,
  }),
  words: fc.array(word, { minLength: ENDPOINTS.length, maxLength: ENDPOINTS.length }),
  /** How clients near a region see an endpoint. */
  exception: fc.record({ near: fc.nat(2), endpoint: fc.nat(3), word }),
  nowMs: fc.integer({ min: 1_780_000_000_000, max: 1_781_000_000_000 }),
  resolver: fc.constantFrom(...RESOLVERS),
});
export type World = typeof worlds extends fc.Arbitrary<infer Drawn> ? Drawn : never;

export function configOf({ chain, other, third }: World): Config {
  const config = createConfig();
  const addresses = ['198.51.100.4', '2001:db8::4'];
  const green = { region: 'us', name: 'us-green', weight: 1, addresses };
  const steered = { owner: `${NAME}.`, pool: 'web', policy: 'tested', ttlMin: 5, ttlMax: 30 };
  const zone = { ...config.zones['gslb.example']!, rrsets: APEX_RECORDS, steered: [steered] };
  return {
    ...config,
    pools: { web: { ...WEB_POOL, endpoints: [...WEB_POOL.endpoints, green] } },
    policies: { tested: { chain }, other: { chain: other }, third: { chain: third } },
    zones: { 'gslb.example': zone },
  };
}

export function geoOf({ inSystems, placed }: World): GeoDatabase {
  const overrides = placed.map(({ location, prefix }) => ({
    networks: [formatPrefix(prefix)],
    location,
  }));
  const { indexOf, systems } = createSystemNumbers();
  const overlays = inSystems.map(({ prefix, value }) => ({
    prefix,
    value: indexOf({ number: SYSTEMS[value]!, name: '' }),
  }));
  const ranges = overlayPrefixes(uniformRanges(0), overlays);
  return { ...composeGeo([], [...overrides, ...RESOLVER_NETWORKS]), systems: { systems, ranges } };
}

/** The map of what was measured. */
export function latencyOfWorld({ measured }: World): LatencyLayer {
  const rows = new Map(
    measured.map(({ order, prefix }) => [
      networkKey(prefix.address),
      { order, waysMs: [], sources: 1 },
    ]),
  );
  rows.delete(-1);
  return layerOfMap({
    ...{ generation: 1, madeAtMs: 0, regions: REGIONS, orders: ORDERS },
    rows: [...rows].map(([network, row]) => ({ network, ...row })),
  });
}

/** A plan that knows most classes, each with shares of its own. */
export function slotsOf(snapshot: Pick<Snapshot, 'endpoints' | 'maps'>): SlotsTable {
  const keys = [...plannedClasses(snapshot).keys()];
  const rows = keys.flatMap((key, index) => {
    const [slots, slotsWithout] = [
      SHARES[index % SHARES.length]!,
      SHARES[(index + 1) % SHARES.length]!,
    ];
    return index % 5 === 4 ? [] : [{ key, slots, slotsWithout }];
  });
  return buildSlotsTable(1, REGIONS, [1], rows);
}

/** By region, of SLOTS. */
const SHARES = [
  [SLOTS, 0, 0],
  [300, SLOTS - 300, 0],
  [0, 500, SLOTS - 500],
  [100, 200, SLOTS - 300],
];

/** All networks that anybody named. */
export function networksOf(world: World): readonly Prefix[] {
  const { chain, inSystems, other, placed, third } = world;
  const written =
    JSON.stringify([chain, other, third, RESOLVER_NETWORKS]).match(/[0-9a-f:.]+\/[0-9]+/g) ?? [];
  return [
    ...SPECIAL,
    ...[...placed, ...inSystems].map(({ prefix }) => prefix),
    ...Array.from(latencyOfWorld(world).networks, networkOfKey),
    ...written.map((text) => parsePrefix(text)!),
  ];
}
