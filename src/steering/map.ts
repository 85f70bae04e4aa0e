import type { GeoDatabase } from '../geo/database.ts';
import { type SpherePoint, spherePoint, squaredChord } from '../geo/distance.ts';
import type { Location } from '../geo/location.ts';
import { NOWHERE } from '../health/health-words.ts';
import { PRIVATE_NETWORKS } from '../ip/address.ts';
import { parsePrefix } from '../ip/prefix.ts';
import { buildPrefixTable, type PrefixTable } from '../ip/prefix-table.ts';
import { addressCounts, mapRanges, type Ranges } from '../ip/ranges.ts';
import { type ClassEntry, type ClassList, packClasses } from './class-list.ts';
import { mapTiers, type Policy } from './policy.ts';
import type { Candidate, Tiers } from './step.ts';

/**
 * The map of one policy over one pool: client network -> class -> tiers.
 *
 * The mapping steps are evaluated once per distinct location of the geo data, not per network;
 * locations with the same tiers are one class; adjacent networks of one class are one range. What
 * comes out depends on network facts only, so health never rebuilds it, and the scope of an answer
 * (the widest network of the class around the client, private networks apart) is stable over a fail-over.
 *
 * Class 0 is that of clients whose location is unknown. Everything here is plain data: it is built
 * in one thread and served in others.
 */
export type ClassMap = {
  /** Address -> class index * 256 + scope. */
  readonly table: PrefixTable;
  readonly classes: ClassList;
  /** Locations that share class 0 because there was no room for more classes; normally 0. */
  readonly locationsWithoutClass: number;
};

/** The largest number of classes in a map: each is a decision once it is asked for. */
export const CLASSES_MAX = 65_535;

/**
 * Clients in private networks are answered by their resolver's address, so an answer for others must
 * not have a scope that holds them, even where the geo data have the same for both: nothing.
 */
const SCOPE_BORDERS = PRIVATE_NETWORKS.map((text) => parsePrefix(text)!);

/**
 * Builds the map. Takes time in proportion to locations and networks: not for the query path.
 *
 * @param clientRegions where clients are told apart by the region that they are nearest to, since
 *   what its vantage points see is what counts for them; [] = they are not
 * @param tables those of other maps of `geo`
 */
export function buildMap(
  policy: Policy,
  candidates: readonly Candidate[],
  geo: GeoDatabase,
  clientRegions: readonly (Location | undefined)[] = [],
  tables: ClassTables = createClassTables(geo),
): ClassMap {
  const regions = clientRegions.map((location) => location && spherePoint(location));
  const tiersOf: (readonly (readonly number[])[])[] = [];
  const tierLists = new Map<string, readonly number[]>();
  const nearOf: number[] = [];
  const classByTiers = new Map<string, number>();
  let locationsWithoutClass = 0;
  const classOfLocation = Uint32Array.from(geo.locations, (location, index) => {
    const client = { location: index === 0 ? undefined : location };
    const tiers = mapTiers(policy, candidates, client);
    const near = nearestRegion(regions, client.location && spherePoint(client.location));
    const key = tiers.reduce((text, tier) => `${text}|${endpointsText(tier)}`, String(near));
    const known = classByTiers.get(key);
    if (known !== undefined) return known;
    if (tiersOf.length === CLASSES_MAX) {
      locationsWithoutClass += 1;
      return 0;
    }
    classByTiers.set(key, tiersOf.length);
    nearOf.push(near);
    return tiersOf.push(tiers.map((tier) => endpointsOf(tier, tierLists))) - 1;
  });
  const { shares, table } = tables.of(classOfLocation, tiersOf.length);
  const entries = tiersOf.map((tiers, index) => ({
    tiers,
    near: nearOf[index] ?? NOWHERE,
    addressShare: shares[index] ?? 0,
  }));
  const classes = packClasses(entries, candidates[0]?.endpoint ?? 0);
  return { table, classes, locationsWithoutClass };
}

/**
 * The look-up tables of a geo database, one for each way to part its locations into classes: maps that
 * part the world alike share one, whatever the classes are answered.
 */
export type ClassTables = {
  of(classOfLocation: Uint32Array, classCount: number): ClassTable;
};

type ClassTable = {
  readonly table: PrefixTable;
  /** By class. */
  readonly shares: Float64Array;
};

export function createClassTables({ ranges }: Pick<GeoDatabase, 'ranges'>): ClassTables {
  const made: (ClassTable & { readonly classOfLocation: Uint32Array })[] = [];
  return {
    of(classOfLocation, classCount) {
      const isAlike = (each: { readonly classOfLocation: Uint32Array }): boolean =>
        each.classOfLocation.every((classId, location) => classId === classOfLocation[location]);
      const known = made.find(isAlike);
      if (known !== undefined) return known;
      const classes = mapRanges(ranges, (location) => classOfLocation[location] ?? 0);
      const table = buildPrefixTable(classes, SCOPE_BORDERS);
      const shares = addressShares(ranges, classOfLocation, classCount);
      const one = { classOfLocation, table, shares };
      made.push(one);
      return one;
    },
  };
}

function endpointsText(tier: readonly Candidate[]): string {
  let text = '';
  for (const { endpoint } of tier) text += ` ${endpoint}`;
  return text;
}

/** The endpoints of a tier; the same array for equal ones. */
function endpointsOf(
  tier: readonly Candidate[],
  known: Map<string, readonly number[]>,
): readonly number[] {
  const text = endpointsText(tier);
  const endpoints = known.get(text) ?? tier.map(({ endpoint }) => endpoint);
  known.set(text, endpoints);
  return endpoints;
}

/** The index of the nearest region; the first of equals. */
function nearestRegion(
  regions: readonly (SpherePoint | undefined)[],
  from: SpherePoint | undefined,
): number {
  if (from === undefined) return NOWHERE;
  let nearest = NOWHERE;
  let least = Number.POSITIVE_INFINITY;
  for (let index = 0; index < regions.length; index += 1) {
    const at = regions[index];
    const chord = at === undefined ? Number.POSITIVE_INFINITY : squaredChord(from, at);
    if (chord >= least) continue;
    nearest = index;
    least = chord;
  }
  return nearest;
}

/** The tiers of a class as candidates again; `candidates` are those that the map was built from. */
export function classTiers(entry: ClassEntry, candidates: readonly Candidate[]): Tiers {
  const byEndpoint = new Map(candidates.map((candidate) => [candidate.endpoint, candidate]));
  return entry.tiers.map((tier) => tier.flatMap((endpoint) => byEndpoint.get(endpoint) ?? []));
}

/** The share of the located IPv4 addresses in each class; all in class 0 when none is located. */
function addressShares(
  ranges: Ranges,
  classOfLocation: Uint32Array,
  classCount: number,
): Float64Array {
  const addresses = new Float64Array(classCount);
  const counts = addressCounts(ranges);
  counts[0] = 0; // The unknown location.
  for (const [location, count] of counts.entries()) {
    addresses[classOfLocation[location] ?? 0]! += count;
  }
  const located = addresses.reduce((sum, count) => sum + count, 0);
  if (located === 0) return addresses.fill(1, 0, 1);
  return addresses.map((count) => count / located);
}
