/**
 * What the geo data of a node are, whatever files they come from: whole-space ranges of interned locations, from
 * which steering maps are compiled, and beside them the networks' autonomous systems where a file names them.
 */
import type { Address } from '../ip/address.ts';
import { type Prefix, parsePrefix } from '../ip/prefix.ts';
import { valueAt } from '../ip/range-search.ts';
import {
  combineRanges,
  mapRanges,
  overlayPrefixes,
  type Ranges,
  uniformRanges,
} from '../ip/ranges.ts';
import type { Location } from './location.ts';
import { createLocationNumbers } from './location-numbers.ts';
import { composeSystems, type SystemTable } from './systems.ts';

/** Structured-cloneable; the ranges lie on shared memory. */
export type GeoDatabase = {
  /** Index 0 is the unknown location `{}`; the others, but for `nowhere`, are distinct. */
  readonly locations: readonly Location[];
  /** The values are indexes into `locations`. */
  readonly ranges: Ranges;
  readonly systems: SystemTable;
  readonly description: string;
  /** When its makers built it; of several databases, the oldest; 0 = it does not age. */
  readonly builtAtMs: number;
  /** How many ranges of both families have a known location; of a file of systems only, a known system. */
  readonly networks: number;
  /** What the licences ask us to show. */
  readonly attribution: string;
  /**
   * Index of a second `{}`: networks whose holder says that nobody shall give them a location. No database behind
   * this one does. Never in what composeGeo makes, where they are unknown.
   */
  readonly nowhere?: number;
  /** Networks that resolvers of others' clients ask from: the values are numbers of sites, 0 = none of them. */
  readonly sites?: Ranges | undefined;
  /**
   * Tells threads apart what they were sent: data with one number are the same data, which copies of an object do
   * not show. Undefined = nobody has numbered them.
   */
  readonly edition?: number;
};

export type OpenGeoResult =
  /** The warning says what of the file was left out. */
  | { readonly ok: true; readonly geo: GeoDatabase; readonly warning?: string }
  | { readonly ok: false; readonly reason: string };

export type GeoOverride = { readonly networks: readonly string[]; readonly location: Location };

/**
 * One database out of several: for each network the first that knows its location answers, and the
 * operator's overrides lie on top, the longest prefix first. Override locations are taken as they are:
 * complete them first (completeLocation). Networks that do not parse are skipped; the configuration's
 * validation has refused them.
 */
export function composeGeo(
  databases: readonly GeoDatabase[],
  overrides: readonly GeoOverride[],
): GeoDatabase {
  const [only, ...others] = databases;
  const isAlone = others.length === 0 && overrides.length === 0 && only?.nowhere === undefined;
  const sites = composeSites(databases);
  if (only !== undefined && isAlone) return only;
  const numbers = createLocationNumbers();
  let ranges = uniformRanges(0);
  /** Above all indexes. */
  const nowhere = databases.reduce((sum, { locations }) => sum + locations.length, 1);
  for (const database of databases) {
    const indexes = database.locations.map((location) => numbers.numberOf(location));
    if (database.nowhere !== undefined) indexes[database.nowhere] = nowhere;
    const renumbered = mapRanges(database.ranges, (value) => indexes[value]!);
    ranges = combineRanges(ranges, renumbered, (first, second) => (first !== 0 ? first : second));
  }
  if (databases.some((database) => database.nowhere !== undefined)) {
    ranges = mapRanges(ranges, (value) => (value === nowhere ? 0 : value));
  }
  const overlays: { prefix: Prefix; value: number }[] = [];
  for (const { networks, location } of overrides) {
    const value = numbers.numberOf(location);
    for (const network of networks) {
      const prefix = parsePrefix(network);
      if (prefix) overlays.push({ prefix, value });
    }
  }
  ranges = overlayPrefixes(ranges, overlays);
  const descriptions = databases.map((database) => database.description);
  if (overlays.length > 0) descriptions.push(`${overlays.length} overrides`);
  return {
    locations: numbers.locations,
    ranges,
    systems: composeSystems(databases.map(({ systems }) => systems)),
    ...(sites && { sites }),
    description: descriptions.join(', '),
    builtAtMs: oldest(databases.map((one) => one.builtAtMs)),
    networks: networksOf(ranges),
    attribution: [
      ...new Set(databases.flatMap(({ attribution }) => attribution.split(ATTRIBUTION_SEPARATOR))),
    ]
      .filter((part) => part !== '')
      .join(ATTRIBUTION_SEPARATOR),
  };
}

/** Sites of different files are different ones; of networks in several files the first is right. */
function composeSites(databases: readonly GeoDatabase[]): Ranges | undefined {
  let all: Ranges | undefined;
  let count = 0;
  for (const { sites } of databases) {
    if (sites === undefined) continue;
    const before = count;
    const own = mapRanges(sites, (value) => {
      if (value === 0) return 0;
      count = Math.max(count, before + value);
      return before + value;
    });
    all = all ? combineRanges(all, own, (first, second) => first || second) : own;
  }
  return all;
}

const oldest = (builtAtMs: readonly number[]): number => {
  const dated = builtAtMs.filter((atMs) => atMs > 0);
  return dated.length > 0 ? Math.min(...dated) : 0;
};

/** Where an address is; undefined when the database does not know. */
export function locate({ locations, ranges }: GeoDatabase, address: Address): Location | undefined {
  const index = valueAt(ranges, address);
  return index === 0 ? undefined : locations[index];
}

/** How many ranges have a value. */
export function networksOf(ranges: Ranges): number {
  let known = 0;
  for (const values of [ranges.values4, ranges.values6]) {
    for (let i = 0; i < values.length; i++) if (values[i] !== 0) known++;
  }
  return known;
}

/** Between the lines of several vendors. */
export const ATTRIBUTION_SEPARATOR = '; ';
