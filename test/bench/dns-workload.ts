/**
 * What both DNS servers are given: one zone, three regions, one geo database, and the same queries. The
 * database is the embedded one in MaxMind's City schema, the only one that gdnsd reads, and both read that
 * file. Loopback, where the queries come from, is put into Germany, or a query without a client subnet
 * would be one from nowhere.
 */
import { encode, type OptAnswer } from 'dns-packet';
import { distanceKm } from '../../src/geo/distance.ts';
import type { Location } from '../../src/geo/location.ts';
import { buildGeoTable, type GeoDatabase, locate } from '../../src/geo/mmdb.ts';
import {
  addressFromUint32,
  addressFromWords,
  formatAddress,
  isPrivate,
} from '../../src/ip/address.ts';
import { parsePrefix } from '../../src/ip/prefix.ts';
import { entriesOfGeo, nestedRecord, writeMmdb } from '../geo/mmdb-writer.ts';

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

export const TTL_SECONDS = 300;
export const STEERED_TTL_SECONDS = 30;

export type Workload = { readonly name: string; readonly queries: readonly Uint8Array[] };

const DO = 0x8000;
const ECS_QUERIES = 100_000;
/** One in so many client subnets is an IPv6 /56, the others are IPv4 /24. */
const IPV6_EVERY = 5;
const SEED = 20_260_601;
const LOOPBACK: Location = { latitude: 51.17, longitude: 10.45, country: 'DE', continent: 'EU' };

/** The bytes of the .mmdb file that both servers read. */
export function writeSharedDatabase(geo: GeoDatabase): Uint8Array {
  const loopback = { prefix: parsePrefix('127.0.0.0/8')!, record: nestedRecord(LOOPBACK) };
  const entries = [...entriesOfGeo(geo), loopback];
  return writeMmdb(entries, { databaseType: 'GeoIP2-City', recordSize: 28 });
}

/** The three workloads. All queries are for A and carry EDNS with 1232 octets, as resolvers send them. */
export function makeWorkloads(geo: GeoDatabase): readonly Workload[] {
  const random = createRandom(SEED);
  const subnet = createSubnets(geo, random);
  return [
    { name: 'static', queries: STATIC_HOSTS.map(([host]) => query(host, [])) },
    { name: 'steered', queries: [query('www', [])] },
    {
      name: 'steered-ecs',
      queries: Array.from({ length: ECS_QUERIES }, (_, index) =>
        query('www', [subnet(index % IPV6_EVERY === 0 ? 6 : 4)]),
      ),
    },
  ];
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

/** Messages one after the other, each behind its length in two octets. */
export function streamOf(queries: readonly Uint8Array[]): Uint8Array {
  const lengths = queries.map(({ length }) => Uint8Array.of(length >> 8, length & 0xff));
  return Buffer.concat(queries.flatMap((bytes, index) => [lengths[index]!, bytes]));
}

/** @param isSigned with DO */
export function query(host: string, options: OptAnswer['options'], isSigned = false): Uint8Array {
  return encode({
    type: 'query',
    questions: [{ type: 'A', name: `${host}.${ZONE}` }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: 1232,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: isSigned ? DO : 0,
        flag_do: isSigned,
        options,
      },
    ],
  });
}

type Subnet = OptAnswer['options'][number];

/**
 * Random client subnets whose place is known. IPv4: each address of the known space is as likely as any
 * other. IPv6 space is too empty for that: each network of the database is as likely as any other.
 */
function createSubnets(geo: GeoDatabase, random: () => number): (family: 4 | 6) => Subnet {
  const table = buildGeoTable(geo);
  const { starts6, values6 } = geo.ranges;
  const candidate = (family: 4 | 6) => {
    if (family === 4) return addressFromUint32((random() & 0xffffff00) >>> 0);
    const at = 4 * (random() % values6.length);
    return addressFromWords(Uint32Array.of(starts6[at]!, starts6[at + 1]! & 0xffffff00, 0, 0));
  };
  return (family) => {
    let address = candidate(family);
    while (isPrivate(address) || locate(geo, table, address) === undefined) {
      address = candidate(family);
    }
    return {
      code: 8,
      type: 'CLIENT_SUBNET',
      sourcePrefixLength: family === 4 ? 24 : 56,
      ip: formatAddress(address),
    };
  };
}

/** Mulberry32: the same queries in every run. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}
