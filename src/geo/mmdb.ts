/**
 * MaxMind DB files (.mmdb) as geo databases. The `maxmind` package reads the metadata; we walk the tree and read the records.
 *
 * A country database takes half a second, a city database (8 million networks, 0.7 million records) some eight
 * seconds of the compile worker: docs/BENCHMARKS.md, `npm run bench -- geo`. A look-up takes 50 ns for a random
 * address, 400 in the densest IPv6 networks (`node test/geo/measure.ts`).
 *
 * Opening is all or nothing. A file that is cut off, loops or claims impossible sizes is a value with a
 * reason, so that a reload keeps the database that works.
 */
import { type CityResponse, Reader } from 'maxmind';
import { MAX_RANGE_VALUE } from '../ip/ranges.ts';
import { type Centroids, completeLocation } from './centroids.ts';
import { ATTRIBUTION_SEPARATOR, networksOf, type OpenGeoResult } from './database.ts';
import { createLocationNumbers } from './location-numbers.ts';
import { createRecordDecoder } from './mmdb-data.ts';
import { readLocation, readSystem } from './mmdb-record.ts';
import { flattenTree, type SearchTree } from './mmdb-tree.ts';
import {
  type AutonomousSystem,
  createSystemNumbers,
  NO_SYSTEMS,
  type SystemTable,
} from './systems.ts';

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
  const systemByRecord = new Map<number, AutonomousSystem>();
  const decode = createRecordDecoder(bytes, searchTreeSize + SEPARATOR_SIZE);
  const indexOf = (record: number): number => {
    let index = indexes.get(record);
    if (index === undefined) {
      const value = decode(record - nodeCount + searchTreeSize);
      index = numbers.numberOf(completeLocation(readLocation(value, centroids), centroids));
      indexes.set(record, index);
      const system = readSystem(value);
      if (system !== undefined) systemByRecord.set(record, system);
    }
    return index;
  };
  const tree = { bytes, nodeCount, recordSize, ipVersion };
  const ranges = flattenTree(tree, indexOf, progress);
  if (typeof ranges === 'string') return refuse(ranges);
  const { locations } = numbers;
  if (locations.length > MAX_RANGE_VALUE) return refuse('too many distinct locations');
  const systems = systemsOf(tree, systemByRecord);
  const networks = networksOf(ranges) || networksOf(systems.ranges);
  if (networks === 0) return refuse('no network in the file has a location or a system');
  const databaseType = String(reader.metadata.databaseType ?? 'unnamed');
  const description = `${databaseType} (${new Date(builtAtMs).toISOString().slice(0, 10)})`;
  const attribution = attributionOf(databaseType, centroids);
  return {
    ok: true,
    geo: { locations, ranges, systems, description, builtAtMs, networks, attribution },
  };
}

/** Another walk, of those files only that name systems. */
function systemsOf(tree: SearchTree, byRecord: ReadonlyMap<number, AutonomousSystem>): SystemTable {
  if (byRecord.size === 0) return NO_SYSTEMS;
  const { indexOf, systems } = createSystemNumbers();
  const none = systems[0]!;
  const ranges = flattenTree(
    tree,
    (record) => indexOf(byRecord.get(record) ?? none),
    () => {},
  );
  return typeof ranges === 'string' ? NO_SYSTEMS : { systems, ranges };
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
