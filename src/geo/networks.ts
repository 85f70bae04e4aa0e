/**
 * A file of networks as a geo database: what an operator knows of a million of them, one on a line.
 *
 *   # network, where its clients are
 *   192.0.2.0/24,DE
 *   198.51.100.0/22,US-VA
 *   203.0.113.0/24,aws/eu-west-1
 *   2001:db8::/32,50.11,8.68
 *
 * Or what the holders of networks publish of theirs, a geofeed (RFC 8805):
 *
 *   192.0.2.5,US,US-AL,Alabaster,
 *   2001:db8:1::/48,,,,
 *
 * A network inside another one has its say within. Wrong lines of ours make the whole file unreadable, with the first
 * of them named: half of what an operator knows would steer clients where nobody wants them. Wrong entries of geofeeds
 * are passed over, as RFC 8805 (2.1.3) has it: they are other people's, there are always some, and each entry speaks
 * for itself.
 */
import { type Prefix, parsePrefix } from '../ip/prefix.ts';
import { createPrefixList } from '../ip/prefix-list.ts';
import { MAX_RANGE_VALUE } from '../ip/ranges.ts';
import type { GeoDatabase, OpenGeoResult } from './database.ts';
import type { Location } from './location.ts';
import { createLocationNumbers } from './location-numbers.ts';
import { type PlaceReading, readPlace, shown, splitFields } from './network-place.ts';
import type { Places } from './places.ts';
import { NO_SYSTEMS } from './systems.ts';

const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');
/** What octets become that are not UTF-8. */
const REPLACEMENT = '\ufffd';

/** @param writtenAtMs when the file was */
export function openNetworks(
  bytes: Uint8Array,
  places: Places,
  writtenAtMs: number,
): OpenGeoResult {
  const list = createPrefixList();
  const values = createPlaceValues();
  const readings = new Map<string, PlaceReading>();
  /** By place in the list; negative = of a geofeed. */
  const lines: number[] = [];
  const passedOver = createPassedOver();
  for (const { entry, line } of entriesOf(bytes)) {
    const read = readEntry(entry, places, readings);
    if ('wrong' in read) {
      if (!read.isOfFeed) return refuse(`line ${line}: ${read.wrong}`);
      passedOver.add(line, read.wrong);
      continue;
    }
    list.add(read.prefix, values.valueOf(read.location));
    lines.push(read.isOfFeed ? -line : line);
  }
  const made = list.finish((repeated) => {
    const line = lines[repeated]!;
    if (line < 0) passedOver.add(-line, REPEATED);
    return line < 0;
  });
  if ('twice' in made) return refuse(`line ${lines[made.twice]}: ${REPEATED}`);
  const { locations } = values;
  if (lines.length === 0) return refuse(passedOver.first() ?? 'there is no network in the file');
  if (locations.length > MAX_RANGE_VALUE) return refuse('too many distinct places');
  const networks = lines.length - made.leftOut;
  const nowhere = values.nowhere();
  const geo: GeoDatabase = {
    locations,
    ranges: made.ranges,
    systems: NO_SYSTEMS,
    description: `${networks} networks (${new Date(writtenAtMs).toISOString().slice(0, 16)})`,
    // What an operator says does not age.
    builtAtMs: 0,
    networks,
    attribution: places.attribution,
    ...(nowhere !== undefined && { nowhere }),
  };
  const warning = passedOver.warning();
  return { ok: true, geo, ...(warning !== undefined && { warning }) };
}

export const REPEATED = 'this network is there twice';

const refuse = (reason: string): OpenGeoResult => ({ ok: false, reason });

/** Lines that say something: without comments, which begin anywhere in a line, and the space around. */
export function* entriesOf(
  bytes: Uint8Array,
): Generator<{ readonly entry: string; readonly line: number }> {
  const octets = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const isMarked = octets.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
  let line = 0;
  for (let at = isMarked ? BYTE_ORDER_MARK.length : 0; at < octets.length; ) {
    const newline = octets.indexOf(NEWLINE, at);
    const end = newline < 0 ? octets.length : newline;
    const text = octets.toString('utf8', at, end);
    at = end + 1;
    line += 1;
    const comment = text.indexOf('#');
    const entry = (comment < 0 ? text : text.slice(0, comment)).trim();
    if (entry !== '') yield { entry, line };
  }
}

type Entry =
  | { readonly isOfFeed: boolean; readonly prefix: Prefix; readonly location: Location | undefined }
  | { readonly isOfFeed: boolean; readonly wrong: string };

/** @param readings of the places so far: a million networks have few */
function readEntry(entry: string, places: Places, readings: Map<string, PlaceReading>): Entry {
  const comma = entry.indexOf(',');
  if (comma < 0) return { isOfFeed: false, wrong: `${shown(entry)} is no network with a place` };
  const place = entry.slice(comma + 1);
  let reading = readings.get(place);
  if (reading === undefined) {
    reading = readPlace(place, places);
    readings.set(place, reading);
  }
  const { isOfFeed } = reading;
  const prefix = parsePrefix(splitFields(entry.slice(0, comma))?.[0] ?? '');
  if (prefix === undefined)
    return { isOfFeed, wrong: `${shown(entry)} is no network with a place` };
  if (entry.includes(REPLACEMENT)) return { isOfFeed, wrong: `${shown(entry)} is not UTF-8` };
  if (reading.kind === 'wrong') return { isOfFeed, wrong: reading.reason };
  return { isOfFeed, prefix, location: reading.kind === 'place' ? reading.location : undefined };
}

type PlaceValues = {
  readonly locations: readonly Location[];
  /** @param location undefined = there is to be none */
  valueOf(location: Location | undefined): number;
  /** What stands for no location; undefined when no network is to have none. */
  nowhere(): number | undefined;
};

/** Numbers of the locations, each one once, and of having none. */
function createPlaceValues(): PlaceValues {
  const numbers = createLocationNumbers();
  const valuesOfNumbers: number[] = [];
  const locations: Location[] = [{}];
  let nowhere: number | undefined;
  return {
    locations,
    valueOf(location) {
      if (location === undefined) {
        nowhere ??= locations.push({}) - 1;
        return nowhere;
      }
      const number = numbers.numberOf(location);
      valuesOfNumbers[number] ??= locations.push(location) - 1;
      return valuesOfNumbers[number]!;
    },
    nowhere: () => nowhere,
  };
}

type PassedOver = {
  add(line: number, reason: string): void;
  /** In the order of lines. */
  first(): string | undefined;
  warning(): string | undefined;
};

/** Entries of files of others that are wrong. */
export function createPassedOver(): PassedOver {
  let count = 0;
  let firstLine = Number.POSITIVE_INFINITY;
  let firstReason = '';
  const first = (): string | undefined => {
    return count === 0 ? undefined : `line ${firstLine}: ${firstReason}`;
  };
  return {
    add(line, reason) {
      count += 1;
      if (line >= firstLine) return;
      firstLine = line;
      firstReason = reason;
    },
    first,
    warning() {
      if (count === 0) return undefined;
      const entries = count === 1 ? 'a wrong entry is' : `${count} wrong entries are`;
      return `${entries} passed over${count === 1 ? '' : ', the first of them'}: ${first()}`;
    },
  };
}
