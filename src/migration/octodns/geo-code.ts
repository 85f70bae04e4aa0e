import type { Places } from '../../geo/places.ts';
import type { Notes, Place } from '../notes.ts';

/**
 * A place as octoDNS writes it, `NA-US-CA`: continent, country, and state of the USA or province of Canada. The
 * continents are those of our data, but for South Georgia (here in Antarctica), East Timor (here in Oceania) and
 * Kosovo (not known there).
 */
export type GeoCode = {
  readonly code: string;
  readonly at: Place;
  /** The list of a step of ours that it belongs in, and how it is written there. */
  readonly list: (typeof LISTS)[number];
  readonly place: string;
};

const LISTS = ['subdivisions', 'countries', 'continents'] as const;

const CONTINENTS = ['AF', 'AN', 'AS', 'EU', 'NA', 'OC', 'SA'];
const FORM = /^([A-Z]{2})(?:-([A-Z]{2})(?:-([A-Z0-9]{2,3}))?)?$/;
/** Where octoDNS has countries that are elsewhere in our data. */
const ELSEWHERE: Readonly<Record<string, string>> = { GS: 'SA', TL: 'ID' };
/** States in octoDNS, countries of their own in our data. */
const TERRITORIES = ['AS', 'GU', 'MP', 'PR', 'UM', 'VI'];

const HINT = 'a continent, with a country and a state: EU, EU-DE, NA-US-CA';

/** Undefined, with an error, when it is none. */
export function readGeoCode(
  code: string,
  at: Place,
  places: Places,
  notes: Notes,
): GeoCode | undefined {
  const [, continent, country, part] = FORM.exec(code) ?? [];
  const isKnown = continent !== undefined && (CONTINENTS.includes(continent) || continent === 'ID');
  if (!isKnown || (country === undefined && continent === 'ID')) {
    notes.error(at, `"${code}" is not a place that octoDNS knows`, HINT);
    return undefined;
  }
  if (country === undefined) return { code, at, list: 'continents', place: continent };
  const known = places.countries.get(country);
  if (known === undefined) {
    notes.error(at, `"${code}": there is no country ${country}`, HINT);
    return undefined;
  }
  if (known.continent !== continent && ELSEWHERE[country] !== continent) {
    const hint = `it is in ${known.continent}: ${[known.continent, country, part].filter(Boolean).join('-')}`;
    notes.error(at, `"${code}": ${country} is not in ${continent}`, hint);
    return undefined;
  }
  if (part === undefined) return { code, at, list: 'countries', place: country };
  if (country === 'US' && TERRITORIES.includes(part)) {
    const message = `${code} is carried over as the country ${part}: geo data have it as that`;
    notes.warn(at, message);
    return { code, at, list: 'countries', place: part };
  }
  if (places.subdivisions.has(`${country}-${part}`)) {
    return { code, at, list: 'subdivisions', place: `${country}-${part}` };
  }
  notes.error(at, `"${code}": ${country} has no state or province ${part}`, HINT);
  return undefined;
}

/** The codes of the places that this one is in, the nearest first. */
export function placesAround(code: string): readonly string[] {
  const parts = code.split('-');
  return parts.slice(1).map((_, index) => parts.slice(0, parts.length - 1 - index).join('-'));
}

/** The places as the lists of a step; those that have none are left out. */
export function placeLists(codes: readonly GeoCode[]): Readonly<Record<string, readonly string[]>> {
  const entries = LISTS.map((name): readonly [string, readonly string[]] => {
    const named = codes.filter(({ list }) => list === name);
    return [name, [...new Set(named.map(({ place }) => place))]];
  });
  return Object.fromEntries(entries.filter(([, named]) => named.length > 0));
}
