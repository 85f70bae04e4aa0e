/**
 * A database of the size of those with cities, made of one with countries: its networks are cut into pieces, and each
 * piece lies in one of many made-up cities of its country.
 */

import type { GeoDatabase } from '../../src/geo/database.ts';
import type { Location } from '../../src/geo/location.ts';
import { readLocation } from '../../src/geo/mmdb-record.ts';
import { addressFromUint32, addressFromWords, addressToUint32 } from '../../src/ip/address.ts';
import type { Prefix } from '../../src/ip/prefix.ts';
import { entriesOfGeo, type MmdbEntry, type MmdbValue, nestedRecord } from '../geo/mmdb-writer.ts';

const NO_NAMES = { subdivisionNames: () => undefined };
const CITIES = 400;
/**
 * How far from the country's centre they may be, in degrees: so far that the borders of three regions part the networks
 * of many countries. Nearer, and what servers make of it would be hardly larger than what they make of countries.
 */
const SPREAD = 40;
const LATITUDE_MAX = 85;
/** Networks that are larger are cut into networks of this length, but of IPv6 into 2^IPV6_BITS at most. */
const IPV4_LENGTH = 21;
const IPV6_LENGTH = 40;
const IPV6_BITS = 2;

/** @param random whole numbers of 32 bits */
export function cityEntries(geo: GeoDatabase, random: () => number): MmdbEntry[] {
  const cities = new Map<MmdbValue, readonly MmdbValue[]>();
  const citiesOf = (record: MmdbValue): readonly MmdbValue[] => {
    const known = cities.get(record);
    if (known !== undefined) return known;
    const made = citiesAround(readLocation(record, NO_NAMES), random);
    cities.set(record, made);
    return made;
  };
  const entries: MmdbEntry[] = [];
  for (const { prefix, record } of entriesOfGeo(geo)) {
    const around = citiesOf(record);
    for (const piece of piecesOf(prefix)) {
      entries.push({ prefix: piece, record: around[random() % around.length]! });
    }
  }
  return entries;
}

/** The one place of a country without coordinates is itself. */
function citiesAround(country: Location, random: () => number): readonly MmdbValue[] {
  const { latitude, longitude } = country;
  if (latitude === undefined || longitude === undefined) return [nestedRecord(country)];
  const offset = (): number => ((random() + random()) / 2 ** 32 - 1) * SPREAD;
  return Array.from({ length: CITIES }, (_, index) => {
    const north = Math.min(LATITUDE_MAX, Math.max(-LATITUDE_MAX, latitude + offset()));
    const east = ((longitude + offset() + 540) % 360) - 180;
    const place = { latitude: round(north), longitude: round(east), city: `City ${index}` };
    return nestedRecord({ ...country, ...place });
  });
}

/** As exact as such databases are. */
const round = (degrees: number): number => Math.round(degrees * 10_000) / 10_000;

function piecesOf(prefix: Prefix): readonly Prefix[] {
  const { address, length } = prefix;
  const wanted = address.family === 4 ? IPV4_LENGTH : Math.min(IPV6_LENGTH, length + IPV6_BITS);
  if (length >= wanted) return [prefix];
  const count = 2 ** (wanted - length);
  if (address.family === 4) {
    const first = addressToUint32(address);
    const size = 2 ** (32 - wanted);
    return Array.from({ length: count }, (_, index) => {
      return { address: addressFromUint32(first + index * size), length: wanted };
    });
  }
  const [high = 0, low = 0] = [0, 4].map((at) =>
    new DataView(address.bytes.buffer, address.bytes.byteOffset).getUint32(at),
  );
  const size = 2 ** (64 - wanted);
  return Array.from({ length: count }, (_, index) => {
    const sum = low + index * size;
    const words = Uint32Array.of(high + Math.floor(sum / 2 ** 32), sum % 2 ** 32, 0, 0);
    return { address: addressFromWords(words), length: wanted };
  });
}
