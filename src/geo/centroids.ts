/**
 * Coordinates for databases that name only a country. A centroid is the mean of where the addresses of a
 * country are, not of its territory: the middle of Canada's land is tundra, its clients live along the
 * border. The data is `geo/centroids.json`; `geo/build-centroids.ts` makes it.
 */
import type { Location } from './location.ts';
import { type Coordinates, shippedData } from './shipped-data.ts';
import {
  createSubdivisionNames,
  type SubdivisionNames,
  subdivisionNameKey,
} from './subdivision-names.ts';

export type Centroids = {
  /** What the licence of the data asks us to show. */
  readonly attribution: string;
  /** By ISO 3166-1 alpha-2 code. */
  readonly countries: ReadonlyMap<string, CountryCentroid>;
  /** By ISO 3166-2 code, for instance `US-VA`. */
  readonly subdivisions: ReadonlyMap<string, Coordinates>;
  readonly subdivisionNames: SubdivisionNames;
};

export type CountryCentroid = Coordinates & {
  readonly continent: string;
  /** How many IPv4 addresses the country had when the data was made. */
  readonly addresses: number;
};

const { coordinates, malformed, record, row } = shippedData('geo/centroids.json');

/** Reads the parsed `geo/centroids.json`. */
export function parseCentroids(json: unknown): Centroids {
  const root = record(json, 'centroids');
  const countries = new Map<string, CountryCentroid>();
  for (const [code, entry] of Object.entries(record(root['countries'], 'countries'))) {
    const [latitude, longitude, continent, addresses] = row(entry, code);
    if (typeof continent !== 'string' || typeof addresses !== 'number') throw malformed(code);
    countries.set(code, { ...coordinates(latitude, longitude, code), continent, addresses });
  }
  const subdivisions = new Map<string, Coordinates>();
  const codes = new Map<string, string>();
  for (const [code, entry] of Object.entries(record(root['subdivisions'], 'subdivisions'))) {
    const [latitude, longitude, ...names] = row(entry, code);
    subdivisions.set(code, coordinates(latitude, longitude, code));
    for (const name of names) {
      if (typeof name !== 'string') throw malformed(code);
      codes.set(subdivisionNameKey(code.slice(0, 2), name), code.slice(3));
    }
  }
  const { attribution } = root;
  if (typeof attribution !== 'string') throw malformed('attribution');
  const subdivisionNames = createSubdivisionNames(codes);
  return { attribution, countries, subdivisions, subdivisionNames };
}

/**
 * Fills in what follows from the country and subdivision: continent, and coordinates where either is
 * missing. What the location already says is kept.
 */
export function completeLocation(location: Location, centroids: Centroids): Location {
  const { country, subdivision } = location;
  if (country === undefined) return location;
  const ofCountry = centroids.countries.get(country);
  const hasCoordinates = location.latitude !== undefined && location.longitude !== undefined;
  const place = hasCoordinates
    ? undefined
    : (centroids.subdivisions.get(`${country}-${subdivision}`) ?? ofCountry);
  const continent = location.continent ?? ofCountry?.continent;
  return {
    ...location,
    ...(place && { latitude: place.latitude, longitude: place.longitude }),
    ...(continent !== undefined && { continent }),
  };
}

/** The location of `DE` or `US-VA`; undefined when there is no such code in the data. */
export function locationOfCode(code: string, centroids: Centroids): Location | undefined {
  const [country, subdivision, ...rest] = code.toUpperCase().split('-');
  if (country === undefined || rest.length > 0 || !centroids.countries.has(country))
    return undefined;
  if (subdivision === undefined) return completeLocation({ country }, centroids);
  if (!centroids.subdivisions.has(`${country}-${subdivision}`)) return undefined;
  return completeLocation({ country, subdivision }, centroids);
}

/** The English name of an ISO 3166-1 alpha-2 code; the code itself when it has none. */
export function countryName(code: string): string {
  if (!/^[A-Z]{2}$/.test(code)) return code;
  return NAMES.of(code) ?? code;
}

const NAMES = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'code' });
