/**
 * What a database says about a network, in our words. Three families of schema are in use: MaxMind's
 * nested one (also DB-IP's own), the flat one of the ip-location-db files, and IPinfo's flat one. A record
 * is data from outside: a member of the wrong type counts as absent.
 */
import type { Location } from './location.ts';
import type { SubdivisionNames } from './subdivision-names.ts';
import type { AutonomousSystem } from './systems.ts';

/** The location in a decoded record; `{}` when it names neither a country nor a place. */
export function readLocation(
  record: unknown,
  { subdivisionNames }: { readonly subdivisionNames: SubdivisionNames },
): Location {
  if (!isMap(record)) return {};
  return isMap(record['country']) || isMap(record['location']) || isMap(record['continent'])
    ? readNested(record)
    : readFlat(record, subdivisionNames);
}

/** The autonomous system in a decoded record; undefined when it names none. */
export function readSystem(record: unknown): AutonomousSystem | undefined {
  if (!isMap(record)) return undefined;
  const told = record['autonomous_system_number'] ?? record['asn'];
  const number = typeof told === 'string' ? Number(told.replace(/^AS/i, '')) : told;
  if (typeof number !== 'number' || !Number.isInteger(number)) return undefined;
  if (number < 1 || number > SYSTEM_MAX) return undefined;
  const name = text(record['autonomous_system_organization']) ?? text(record['as_name']) ?? '';
  return { number, name };
}

/** Of 32 bits (RFC 6793). */
const SYSTEM_MAX = 2 ** 32 - 1;

type Fields = Readonly<Record<string, unknown>>;

function readNested(record: Fields): Location {
  const { country, registered_country: registered, continent, subdivisions, city } = record;
  const place = member(record, 'location');
  const first = Array.isArray(subdivisions) ? subdivisions[0] : undefined;
  return assemble({
    country: code(member(country, 'iso_code')) ?? code(member(registered, 'iso_code')),
    continent: code(member(continent, 'code')),
    subdivision: text(member(first, 'iso_code')),
    city: text(member(member(city, 'names'), 'en')),
    latitude: member(place, 'latitude'),
    longitude: member(place, 'longitude'),
  });
}

function readFlat(record: Fields, names: SubdivisionNames): Location {
  const country = code(record['country_code']) ?? code(record['country']);
  const region = text(record['state1']) ?? text(record['region']);
  return assemble({
    country,
    continent: code(record['continent_code']) ?? code(record['continent']),
    subdivision: country && region ? names(country, region) : undefined,
    city: text(record['city']),
    latitude: record['latitude'] ?? record['lat'],
    longitude: record['longitude'] ?? record['lng'],
  });
}

type Parts = {
  readonly country: string | undefined;
  readonly continent: string | undefined;
  readonly subdivision: string | undefined;
  readonly city: string | undefined;
  readonly latitude: unknown;
  readonly longitude: unknown;
};

function assemble(parts: Parts): Location {
  const latitude = degrees(parts.latitude, 90);
  const longitude = degrees(parts.longitude, 180);
  const hasPlace = latitude !== undefined && longitude !== undefined;
  return {
    ...(hasPlace && { latitude, longitude }),
    ...(parts.continent && { continent: parts.continent }),
    ...(parts.country && { country: parts.country }),
    ...(parts.subdivision && { subdivision: parts.subdivision.toUpperCase() }),
    ...(parts.city && { city: parts.city }),
  };
}

/** Databases store coordinates as 32-bit floats or as decimals; 4 digits are 11 metres. */
function degrees(value: unknown, most: number): number | undefined {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !(Math.abs(number) <= most)) return undefined;
  return Math.round(number * 10_000) / 10_000;
}

/** A two-letter code. */
function code(value: unknown): string | undefined {
  return typeof value === 'string' && /^[A-Za-z]{2}$/.test(value) ? value.toUpperCase() : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function member(value: unknown, key: string): unknown {
  return isMap(value) ? value[key] : undefined;
}

function isMap(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
