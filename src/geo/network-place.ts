/**
 * What a line of a file of networks says of where its network is, in one of two forms. Ours is a place by name or by
 * its coordinates (`DE`, `US-VA`, `aws/eu-west-1`, `50.11,8.68`); that of geofeeds (RFC 8805) is a country, a region,
 * a city and a postal code, each of which may be empty (`US,US-AL,Alabaster,`).
 */
import { completeLocation } from './centroids.ts';
import { REGION_SEPARATOR } from './cloud-regions.ts';
import type { Location } from './location.ts';
import { locationOfName, type Places } from './places.ts';

export type PlaceReading = Finding & {
  /** Whether only a geofeed can have it: who wrote it is not who reads it. */
  readonly isOfFeed: boolean;
};

type Finding =
  | { readonly kind: 'place'; readonly location: Location }
  /** It is to have no location, whatever else is known of it (RFC 8805, 2.1.2). */
  | { readonly kind: 'nowhere' }
  | { readonly kind: 'wrong'; readonly reason: string };

/** A place of ours has at most two fields; one of a geofeed four, of which people leave out the last. */
const FEED_FIELDS_MIN = 3;
/** Others may come to be behind the postal code; they are not looked at (RFC 8805, 2.1.3). */
const FEED_FIELDS_MAX = 4;
/** Of a city; a name that is longer is none. */
const CITY_LENGTH_MAX = 200;
/** Of what is wrong, so that a message stays a line. */
const SHOWN_MAX = 60;

const COORDINATE = /^-?[0-9]{1,3}(\.[0-9]{1,9})?$/;
/** ISO 3166-2. */
const REGION = /^[A-Z]{2}-[A-Z0-9]{1,3}$/;
const CONTROLS = /\p{Cc}/gu;
/** The code that older geofeeds have instead of nothing (RFC 8805, 2.1.2). */
const NO_COUNTRY = 'ZZ';

/** @param text all behind the comma that ends the network */
export function readPlace(text: string, places: Places): PlaceReading {
  const fields = splitFields(text);
  if (fields === undefined) {
    const isOfFeed = text.split(',').length >= FEED_FIELDS_MIN;
    return { isOfFeed, ...wrong(`${shown(text)} has a quotation mark out of place`) };
  }
  const [first = ''] = fields;
  const isOurs = COORDINATE.test(first) || first.includes(REGION_SEPARATOR);
  const isOfFeed = fields.length >= FEED_FIELDS_MIN && !isOurs;
  const isNamed = fields.length === 1;
  const finding =
    isOurs || isNamed ? readOurs(text.trim(), fields, places) : readFeed(fields, places);
  return { isOfFeed, ...finding };
}

function readOurs(text: string, fields: readonly string[], places: Places): Finding {
  const [first = '', second = ''] = fields;
  if (fields.length === 1 && first.toUpperCase() === NO_COUNTRY) return { kind: 'nowhere' };
  const location =
    fields.length === 1 ? locationOfName(first, places) : locationAt(first, second, fields.length);
  if (location !== undefined) return { kind: 'place', location };
  return wrong(`${shown(text)} is no place: DE, US-VA, aws/eu-west-1 or 50.11,8.68`);
}

function locationAt(north: string, east: string, fields: number): Location | undefined {
  if (fields !== 2 || !COORDINATE.test(north) || !COORDINATE.test(east)) return undefined;
  const [latitude, longitude] = [Number(north), Number(east)];
  if (Math.abs(latitude) > 90 || Math.abs(longitude) > 180) return undefined;
  return { latitude, longitude };
}

/** RFC 8805, 2.1.1: codes in any case, and a postal code that nobody needs. */
function readFeed(fields: readonly string[], places: Places): Finding {
  const [alpha2 = '', region = '', city = '', postal = ''] = fields;
  const isBlank = fields.slice(0, FEED_FIELDS_MAX).every((field) => field === '');
  if (isBlank) return { kind: 'nowhere' };
  const code = region.toUpperCase();
  if (code !== '' && !REGION.test(code))
    return wrong(`${shown(region)} is no code of a region, like US-AL`);
  const [ofRegion = '', subdivision] = code.split('-');
  const country = alpha2.toUpperCase() || ofRegion;
  if (country === '') return wrong(`${shown(city || postal)} has no country`);
  if (code !== '' && ofRegion !== country) return wrong(`${shown(region)} is not in ${country}`);
  if (country === NO_COUNTRY) return { kind: 'nowhere' };
  if (!places.countries.has(country))
    return wrong(`${shown(alpha2)} is no code of a country, like US`);
  if (city.length > CITY_LENGTH_MAX || city.search(CONTROLS) >= 0) {
    return wrong(`${shown(city)} is no name of a city`);
  }
  const location = {
    country,
    ...(subdivision !== undefined && { subdivision }),
    ...(city !== '' && { city }),
  };
  return { kind: 'place', location: completeLocation(location, places) };
}

const wrong = (reason: string): Finding => ({ kind: 'wrong', reason });

/** Part of a file, in a message: from outside, it may be long and steer a terminal. */
export function shown(text: string): string {
  return `"${text.slice(0, SHOWN_MAX).replace(CONTROLS, '?')}"`;
}

/** The fields of a line (RFC 4180) without the space around them; undefined when quotes are not in pairs. */
export function splitFields(text: string): readonly string[] | undefined {
  if (!text.includes('"')) return text.split(',').map((field) => field.trim());
  const fields: string[] = [];
  for (let at = 0; ; ) {
    const field = fieldAt(text, at);
    if (field === undefined) return undefined;
    fields.push(field.value);
    if (field.end === text.length) return fields;
    at = field.end + 1;
  }
}

/** The field from there up to its comma, or the end. */
function fieldAt(text: string, from: number): { value: string; end: number } | undefined {
  const start = text.slice(from).search(/\S|$/) + from;
  if (text[start] !== '"') {
    const end = endOf(text, from);
    const value = text.slice(from, end).trim();
    return value.includes('"') ? undefined : { value, end };
  }
  let quote = text.indexOf('"', start + 1);
  while (quote >= 0 && text[quote + 1] === '"') quote = text.indexOf('"', quote + 2);
  if (quote < 0) return undefined;
  const end = endOf(text, quote);
  if (text.slice(quote + 1, end).trim() !== '') return undefined;
  return {
    value: text
      .slice(start + 1, quote)
      .replaceAll('""', '"')
      .trim(),
    end,
  };
}

function endOf(text: string, from: number): number {
  const comma = text.indexOf(',', from);
  return comma < 0 ? text.length : comma;
}
