/**
 * What an operator with many steered names may have, in two extremes: a few pools that are everywhere, and
 * many that are in two or three regions. Both have 500 endpoints in 50 regions.
 */
import type { Config, PoolConfig, SteeredConfig } from '../../src/config/config.ts';
import type { GeoDatabase } from '../../src/geo/database.ts';
import type { Location } from '../../src/geo/location.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { readCentroids } from '../geo/fixtures.ts';
import { createConfig, queryBytes, WEB_POOL } from '../nameserver/fixture.ts';

export const ENDPOINTS = 500;
export const REGIONS = 50;
export const ZONE = 'gslb.example.';

export type World = {
  readonly name: string;
  readonly summary: string;
  readonly pools: number;
};

export const WORLDS: readonly World[] = [
  { name: 'wide', summary: '10 pools in all 50 regions', pools: 10 },
  { name: 'many', summary: '200 pools in 2 or 3 regions', pools: 200 },
];

const step = (kind: string, options: object = {}) => ({ kind, options });
const POLICIES = {
  near: [step('healthy'), step('nearest'), step('first')],
  'near-shared': [step('healthy'), step('nearest'), step('weighted'), step('first')],
  ordered: [step('healthy'), step('failover'), step('first')],
  shared: [step('healthy'), step('weighted'), step('first', { count: 2 })],
  'ordered-near': [
    step('healthy'),
    step('failover', { regions: [['r0', 'r1', 'r2', 'r3'], 'r4'] }),
    step('nearest', { tiersMax: 2 }),
    step('weighted'),
  ],
};
const TTLS = [
  [5, 30],
  [30, 300],
] as const;

/** All that a DNS worker serves of such a world with so many steered names. */
export function compileWorld({ pools }: World, geo: GeoDatabase, count: number): Snapshot {
  const compiled = compileSnapshot(configOf(pools, count), geo, 1, 1);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.issues[0]));
  return compiled.snapshot;
}

function configOf(pools: number, count: number): Config {
  const base = createConfig();
  const { soa } = base.zones['gslb.example']!;
  const names = { ttl: 300, soa, rrsets: [], steered: steeredNames(pools, count) };
  return createConfig({
    regions: Object.fromEntries(
      places(REGIONS).map((location, index) => [
        `r${index}`,
        { location, vips: [`198.51.100.${index}`, `2001:db8::${index + 1}`], capacity: 0 },
      ]),
    ),
    pools: Object.fromEntries(
      Array.from({ length: pools }, (_, index) => [`p${index}`, poolOf(index, pools)]),
    ),
    policies: Object.fromEntries(
      Object.entries(POLICIES).map(([name, chain]) => [name, { chain }]),
    ),
    zones: { 'gslb.example': names },
  });
}

/** Of the countries with the most addresses. */
function places(count: number): readonly Location[] {
  return [...readCentroids().countries.entries()]
    .toSorted(([, a], [, b]) => b.addresses - a.addresses)
    .slice(0, count)
    .map(([country, { latitude, longitude, continent }]) => {
      return { country, latitude, longitude, continent };
    });
}

function poolOf(pool: number, pools: number): PoolConfig {
  const [first, next] = [0, 1].map((more) => Math.floor(((pool + more) * ENDPOINTS) / pools));
  return {
    ...WEB_POOL,
    sorry: [],
    panicThreshold: 0.3,
    endpoints: Array.from({ length: next! - first! }, (_, index) => {
      const endpoint = first! + index;
      // Neighbours in the list are of different regions, and no pool has a region twice.
      const region = pools * REGIONS === ENDPOINTS ? index : (endpoint * 7) % REGIONS;
      const address = `10.${endpoint >> 8}.${endpoint & 255}.1`;
      return { region: `r${region}`, weight: 1 + (index % 3), addresses: [address] };
    }),
  };
}

function steeredNames(pools: number, count: number): readonly SteeredConfig[] {
  const policies = Object.keys(POLICIES);
  return Array.from({ length: count }, (_, index) => {
    const kind = Math.floor(index / pools);
    const [ttlMin, ttlMax] = TTLS[Math.floor(kind / policies.length) % TTLS.length]!;
    const policy = policies[kind % policies.length]!;
    return { owner: `n${index}.${ZONE}`, pool: `p${index % pools}`, policy, ttlMin, ttlMax };
  });
}

const QUERIES_PER_NAME = 4;

/** A was-asked-by-everybody mix: each name in turn, each client network anywhere in IPv4. */
export function queriesOf(names: number): readonly Uint8Array[] {
  return Array.from({ length: names * QUERIES_PER_NAME }, (_, index) => {
    const network = (Math.imul(index, 0x9e3779b1) >>> 8) & 0xffffff;
    const octets = [network >> 16, (network >> 8) & 255, network & 255];
    // 1.0.0.0/8 to 223.0.0.0/8: what is routed.
    octets[0] = 1 + (octets[0]! % 223);
    return queryBytes(`n${(index * 7919) % names}.${ZONE}`, 'A', {
      subnet: `${octets.join('.')}.0/24`,
    });
  });
}
