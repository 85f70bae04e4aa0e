/**
 * What all DNS servers are given: one zone, three regions, one geo database, and the same queries; beside it a zone of
 * many names (many-names.ts). The database is the embedded one in MaxMind's City schema, the only one that gdnsd
 * reads, and all read that file. Loopback, where the queries come from, is put into Germany, or a query without a
 * client subnet would be one from nowhere.
 */

import type { GeoDatabase } from '../../src/geo/database.ts';
import { distanceKm } from '../../src/geo/distance.ts';
import type { Location } from '../../src/geo/location.ts';
import { parsePrefix } from '../../src/ip/prefix.ts';
import { entriesOfGeo, nestedRecord, writeMmdb } from '../geo/mmdb-writer.ts';
import { cityEntries } from './city-database.ts';
import { drawSubnets, withCookies } from './client-subnets.ts';
import { type Draws, firstQueries } from './drawn-queries.ts';
import { drawNames, MISSING_SHARE } from './many-names.ts';
import { encodeQuery, type Options } from './query-bytes.ts';
import { createRandom } from './random.ts';

export const ZONE = 'gslb.example';

export type Region = {
  readonly name: string;
  readonly latitude: number;
  readonly longitude: number;
  readonly vip: string;
};

export const REGIONS: readonly Region[] = [
  { name: 'virginia', latitude: 38.95, longitude: -77.45, vip: '192.0.2.1' },
  { name: 'frankfurt', latitude: 50.11, longitude: 8.68, vip: '198.51.100.1' },
  { name: 'singapore', latitude: 1.35, longitude: 103.82, vip: '203.0.113.1' },
];

/** Static names h0, h1 … of the zone, with their address. */
export const STATIC_HOSTS: readonly (readonly [string, string])[] = Array.from(
  { length: 1000 },
  (_, index) => [`h${index}`, `192.0.2.${index % 256}`],
);

/** The one that is asked over IPv6, of servers that listen there alone. */
export const IPV6_WORKLOAD = 'steered-ecs-ipv6';

export const TTL_SECONDS = 300;
export const STEERED_TTL_SECONDS = 30;

export type Workload = {
  readonly name: string;
  /** Whole queries, asked in this order again and again; or draws. */
  readonly asked: readonly Uint8Array[] | Draws;
  /** Of the queries, those for names that do not exist. */
  readonly missingShare: number;
};

/** Client subnets, no two of them the same. */
const SUBNETS = 2_000_000;
const SEED = 20_260_601;
const LOOPBACK: Location = { latitude: 51.17, longitude: 10.45, country: 'DE', continent: 'EU' };

/** What the servers know of networks: their countries as they are, or made-up cities in these, of millions of them. */
export const DATA = ['country', 'city'] as const;
export type Data = (typeof DATA)[number];

/** The bytes of the .mmdb file that all servers read. */
export function writeSharedDatabase(geo: GeoDatabase, data: Data): Uint8Array {
  const entries = data === 'city' ? cityEntries(geo, createRandom(SEED)) : entriesOfGeo(geo);
  entries.push({ prefix: parsePrefix('127.0.0.0/8')!, record: nestedRecord(LOOPBACK) });
  return writeMmdb(entries, { databaseType: 'GeoIP2-City', recordSize: 28 });
}

/** The workloads. All queries carry EDNS with 1232 octets, as resolvers send them. */
export function makeWorkloads(geo: GeoDatabase): readonly Workload[] {
  const random = createRandom(SEED);
  const plain = { missingShare: 0 };
  const www = `www.${ZONE}`;
  const subnets = drawSubnets(geo, www, SUBNETS, random);
  return [
    { ...plain, name: 'static', asked: STATIC_HOSTS.map(([host]) => query(host, [])) },
    { ...plain, name: 'steered', asked: [query('www', [])] },
    { ...plain, name: 'steered-ecs', asked: subnets },
    { ...plain, name: IPV6_WORKLOAD, asked: subnets },
    { ...plain, name: 'cookies', asked: withCookies(www, subnets) },
    { name: 'mixed', asked: drawNames(random), missingShare: MISSING_SHARE },
  ];
}

/** The first of its queries, at most so many. */
export function sampleOf({ asked }: Workload, count: number): readonly Uint8Array[] {
  return 'forms' in asked ? firstQueries(asked, count) : asked.slice(0, count);
}

/** Each country of the database with the region that is nearest to it. */
export function placesOf(geo: GeoDatabase): readonly (readonly [string, number])[] {
  const nearest = new Map<string, number>();
  for (const location of geo.locations) {
    const { country } = location;
    if (country === undefined) continue;
    const distances = REGIONS.map((region) => distanceKm(location, region) ?? Number.MAX_VALUE);
    nearest.set(country, distances.indexOf(Math.min(...distances)));
  }
  return [...nearest];
}

/** @param isSigned with DO */
export function query(host: string, options: Options, isSigned = false): Uint8Array {
  return encodeQuery(`${host}.${ZONE}`, 'A', options, isSigned);
}
