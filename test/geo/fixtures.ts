/** The data that ships with the program, read once for a test file. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Centroids, parseCentroids } from '../../src/geo/centroids.ts';
import { EMBEDDED_DATABASE, type GeoDatabase, openGeo } from '../../src/geo/mmdb.ts';

export function readCentroids(): Centroids {
  const url = new URL('../../geo/centroids.json', import.meta.url);
  return parseCentroids(JSON.parse(readFileSync(url, 'utf8')));
}

export function readEmbedded(): Uint8Array {
  return readFileSync(createRequire(import.meta.url).resolve(EMBEDDED_DATABASE));
}

/** The database in the bytes; throws the reason when there is none. */
export function opened(bytes: Uint8Array, centroids: Centroids): GeoDatabase {
  const result = openGeo(bytes, centroids);
  if (!result.ok) throw new Error(result.reason);
  return result.geo;
}
