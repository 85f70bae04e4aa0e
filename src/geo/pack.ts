/**
 * The geo pack: the whole address space by place, small enough to come with the program. Places are cells of
 * about a degree (grid.ts); DB-IP's city database of 134 MB becomes less than 6.
 *
 *   "MGP1" · length of the head · head, JSON · for each section its length and its bytes (Brotli) · CRC-32
 *
 * Numbers are 32 bits, little-endian. Sections: places (JSON), then of IPv4 and of IPv6 three columns: how long
 * each range is, in a power of two, the odd factors of lengths that have one, and the number of its place. The
 * columns apart pack a third better than the ranges one after the other would. IPv6 is told to /64: no
 * resolver sends more of a client.
 */
import { brotliDecompressSync, crc32 } from 'node:zlib';
import { buildRanges, MAX_RANGE_VALUE, type RangesBuilder } from '../ip/ranges.ts';
import { type Centroids, completeLocation } from './centroids.ts';
import { type GeoDatabase, networksOf, type OpenGeoResult } from './database.ts';
import type { Location } from './location.ts';
import { NO_SYSTEMS } from './systems.ts';

export const PACK_MAGIC = 'MGP1';
export const WORD_OCTETS = 4;
/** A length of 2^n has the code n; one with an odd factor above 1 has this much more, and the factor. */
export const ODD_LENGTHS = 65;

export type PackHead = {
  readonly description: string;
  readonly builtAtMs: number;
  readonly attribution: string;
  /** How many ranges of each family. */
  readonly ranges4: number;
  readonly ranges6: number;
};

/** Country, subdivision, degrees north and east; '' and null are unknown. */
export type PackPlace = readonly [string, string, number | null, number | null];

/** More is no pack of ours: the whole IPv6 internet has fifty thousand times a hundred networks. */
const RANGES_MAX = 64 * 2 ** 20;
const PLACES_OCTETS_MAX = 256 * 2 ** 20;
const VARINT_OCTETS_MAX = 5;

/** Whether a file is to be read by `readPack`. */
export function isPack(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, PACK_MAGIC.length)).toString('latin1') === PACK_MAGIC;
}

/** Reads a pack. Never throws: what is wrong with the file is the reason. */
export function readPack(bytes: Uint8Array, centroids: Centroids): OpenGeoResult {
  try {
    return { ok: true, geo: readSections(Buffer.from(bytes), centroids) };
  } catch (error) {
    // Brotli and JSON throw on what is none, and so does every check below.
    return { ok: false, reason: `not a readable geo pack: ${(error as Error).message}` };
  }
}

function readSections(file: Buffer, centroids: Centroids): GeoDatabase {
  const end = file.length - WORD_OCTETS;
  const headAt = PACK_MAGIC.length + WORD_OCTETS;
  if (end < headAt) throw new Error('the file is cut off');
  if (file.readUInt32LE(end) !== crc32(file.subarray(0, end))) {
    throw new Error('the file is damaged or cut off');
  }
  let at = PACK_MAGIC.length;
  const next = (): Buffer => {
    const from = at + WORD_OCTETS;
    at = from + file.readUInt32LE(at);
    if (at > end) throw new Error('a section is longer than the file');
    return file.subarray(from, at);
  };
  const head = readHead(next());
  const { attribution, builtAtMs, description, ranges4, ranges6 } = head;
  const places = readPlaces(unpack(next(), PLACES_OCTETS_MAX), centroids);
  const builder = buildRanges(ranges4, ranges6);
  readFamily(next, ranges4, places.length, createWriter4(builder));
  readFamily(next, ranges6, places.length, createWriter6(builder));
  if (at !== end) throw new Error('something follows the last section');
  const ranges = builder.finish();
  const networks = networksOf(ranges);
  return {
    ...{ locations: places, ranges, systems: NO_SYSTEMS, networks },
    ...{ attribution, builtAtMs, description },
  };
}

function readHead(section: Buffer): PackHead {
  const head = JSON.parse(section.toString('utf8')) as Partial<PackHead>;
  const { attribution, builtAtMs, description, ranges4, ranges6 } = head;
  const isCount = (count: unknown): count is number =>
    Number.isInteger(count) && (count as number) > 0 && (count as number) <= RANGES_MAX;
  if (!isCount(ranges4) || !isCount(ranges6)) throw new Error('its head tells no ranges');
  if (typeof attribution !== 'string' || typeof description !== 'string') {
    throw new Error('its head does not tell where it comes from');
  }
  if (!Number.isFinite(builtAtMs)) throw new Error('its head does not tell when it was built');
  return { attribution, builtAtMs: builtAtMs!, description, ranges4, ranges6 };
}

function unpack(section: Buffer, maxOutputLength: number): Buffer {
  return brotliDecompressSync(section, { maxOutputLength });
}

function readPlaces(section: Buffer, centroids: Centroids): readonly Location[] {
  const rows = JSON.parse(section.toString('utf8')) as readonly PackPlace[];
  if (!Array.isArray(rows) || rows.length > MAX_RANGE_VALUE) throw new Error('it has no places');
  const places: Location[] = [{}];
  for (const [country, subdivision, latitude, longitude] of rows) {
    const isPlace =
      /^[A-Z]{2}$/.test(country) &&
      /^[A-Z0-9]{0,3}$/.test(subdivision) &&
      Math.abs(latitude ?? 0) <= 90 &&
      Math.abs(longitude ?? 0) <= 180;
    if (!isPlace) throw new Error(`place ${places.length} is none`);
    const location: Location = {
      ...(latitude !== null && longitude !== null && { latitude, longitude }),
      country,
      ...(subdivision !== '' && { subdivision }),
    };
    places.push(completeLocation(location, centroids));
  }
  return places;
}

/** Takes ranges one after the other by their lengths: `factor * 2^power`. */
type RangeWriter = {
  add(factor: number, power: number, place: number): void;
  /** Whether the ranges end where the address space does. */
  isWhole(): boolean;
};

function readFamily(
  next: () => Buffer,
  count: number,
  places: number,
  { add, isWhole }: RangeWriter,
): void {
  const codes = unpack(next(), count);
  const factors = createVarints(unpack(next(), count * VARINT_OCTETS_MAX));
  const numbers = createVarints(unpack(next(), count * VARINT_OCTETS_MAX));
  if (codes.length !== count) throw new Error('ranges are missing');
  for (let index = 0; index < count; index += 1) {
    const code = codes[index]!;
    const isOdd = code >= ODD_LENGTHS;
    const place = numbers.next();
    if (place >= places) throw new Error(`range ${index} is in no place`);
    add(isOdd ? factors.next() * 2 + 3 : 1, isOdd ? code - ODD_LENGTHS : code, place);
  }
  if (!isWhole() || !factors.isEmpty() || !numbers.isEmpty()) {
    throw new Error('its ranges are not the address space');
  }
}

function createWriter4(builder: RangesBuilder): RangeWriter {
  let start = 0;
  return {
    add(factor, power, place) {
      if (start >= 2 ** 32) throw new Error('its ranges go beyond the address space');
      builder.add4(start, place);
      start += factor * 2 ** power;
    },
    isWhole: () => start === 2 ** 32,
  };
}

function createWriter6(builder: RangesBuilder): RangeWriter {
  let [high, low] = [0, 0];
  return {
    add(factor, power, place) {
      if (high >= 2 ** 32) throw new Error('its ranges go beyond the address space');
      builder.add6(high, low, 0, 0, place);
      // Factors have 34 bits at most, so the product is exact.
      const length = factor * 2 ** power;
      const carry = Math.floor(length / 2 ** 32);
      low += length - carry * 2 ** 32;
      high += carry;
      if (low >= 2 ** 32) {
        low -= 2 ** 32;
        high += 1;
      }
    },
    isWhole: () => high === 2 ** 32 && low === 0,
  };
}

/** Numbers of seven bits an octet, the lowest first (LEB128). */
function createVarints(bytes: Buffer) {
  let at = 0;
  return {
    next(): number {
      let octet = bytes[at++] ?? missing();
      let value = octet & 0x7f;
      for (let scale = 128; octet >= 128; scale *= 128) {
        if (scale > 2 ** (7 * VARINT_OCTETS_MAX - 7)) throw new Error('a number has no end');
        octet = bytes[at++] ?? missing();
        value += (octet & 0x7f) * scale;
      }
      return value;
    },
    isEmpty: () => at === bytes.length,
  };
}

function missing(): never {
  throw new Error('a column is cut off');
}
