import type { LatencyLayer } from '../clients/latency-layer.ts';
import type { GeoDatabase } from '../geo/database.ts';
import { type SpherePoint, spherePoint, squaredChord } from '../geo/distance.ts';
import type { Location } from '../geo/location.ts';
import { NOWHERE } from '../health/health-words.ts';
import { PRIVATE_NETWORKS } from '../ip/address.ts';
import { parsePrefix } from '../ip/prefix.ts';
import { buildPrefixTable, type PrefixTable } from '../ip/prefix-table.ts';
import { addressCounts, mapRanges } from '../ip/ranges.ts';
import { type Area, areaKey, waysOf } from './area.ts';
import { type ClassEntry, type ClassList, packClasses } from './class-list.ts';
import { type ClientFacts, clientFacts } from './client-facts.ts';
import { type Policy, type Preference, preferenceOf } from './policy.ts';
import type { Candidate, ClientNetwork, Tiers } from './step.ts';

/**
 * The map of one policy over one pool: client network -> class -> tiers.
 *
 * The mapping steps are evaluated once for all networks of which the same is known (client-facts.ts), not per
 * network; those with the same tiers are one class; adjacent networks of one class are one range. What
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
  /** What tells clients with the same tiers apart, all that occurs. */
  readonly variants: readonly Variant[];
  /** Where clients are, for policies that go by a plan; [] for others. */
  readonly areas: readonly Area[];
  /** Of the latency map that it was made with; 0 = of none, or it does not ask. */
  readonly latencyGeneration: number;
  /** Locations that share class 0 because there was no room for more classes; normally 0. */
  readonly locationsWithoutClass: number;
};

export type Variant = {
  /** Which parts of the policy's matches they belong to; [] where it has none. */
  readonly parts: readonly number[];
  /** Index of `areas`; -1 = areas do not matter. */
  readonly area: number;
};

/** The largest number of classes in a map: each is a decision once it is asked for. */
export const CLASSES_MAX = 65_535;

/**
 * Clients in private networks are answered by their resolver's address, so an answer for others must
 * not have a scope that holds them, even where the geo data have the same for both: nothing.
 */
const SCOPE_BORDERS = PRIVATE_NETWORKS.map((text) => parsePrefix(text)!);

/**
 * Builds the map. Takes time in proportion to what is known and to networks: not for the query path.
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
  const facts = tables.factsOf(policy);
  const sorted = sortClients(policy, candidates, facts, clientRegions);
  const { areas, classOf, entries, locationsWithoutClass, variants } = sorted;
  const { shares, table } = tables.of(facts, classOf, entries.length);
  const classes = packClasses(
    entries.map((entry, index) => ({ ...entry, addressShare: shares[index] ?? 0 })),
    candidates[0]?.endpoint ?? 0,
  );
  const latencyGeneration = tables.latencyGeneration(policy);
  return { table, classes, variants, areas, latencyGeneration, locationsWithoutClass };
}

/** Clients by class, before it is known how many addresses each has. */
export type SortedClients = Pick<ClassMap, 'areas' | 'variants' | 'locationsWithoutClass'> & {
  /** By number of a client (ClientFacts). */
  readonly classOf: Uint32Array;
  readonly entries: readonly Omit<ClassEntry, 'addressShare'>[];
};

/** @param clientRegions as of buildMap */
export function sortClients(
  policy: Policy,
  candidates: readonly Candidate[],
  facts: ClientFacts,
  clientRegions: readonly (Location | undefined)[],
): SortedClients {
  const regions = clientRegions.map((location) => location && spherePoint(location));
  const interned = createInterned();
  const areas = policy.isPlanned ? createAreas(candidates, facts) : undefined;
  const classById = new Map<string, number>();
  const entries: Omit<ClassEntry, 'addressShare'>[] = [];
  let locationsWithoutClass = 0;
  const classOf = new Uint32Array(facts.count);
  for (let number = 0; number < facts.count; number += 1) {
    const client = facts.clientAt(number);
    const preference = preferenceOf(policy, candidates, client);
    const near = nearestRegion(regions, client.location && spherePoint(client.location));
    const area = areas?.of(preference, client, number) ?? NO_AREA;
    const id = idOf(preference, near, area);
    const known = classById.get(id);
    if (known !== undefined) classOf[number] = known;
    else if (entries.length === CLASSES_MAX) locationsWithoutClass += 1;
    else {
      classOf[number] = entries.push({ ...interned.entryOf(preference, area), near }) - 1;
      classById.set(id, classOf[number]!);
    }
  }
  const { variants } = interned;
  return { classOf, entries, variants, areas: areas?.all() ?? [], locationsWithoutClass };
}

const NO_AREA = -1;

/** The areas of a policy's clients, and how far they are from its candidates, by the number of their addresses. */
function createAreas(candidates: readonly Candidate[], { ranges }: ClientFacts) {
  const addresses = addressCounts(ranges);
  const indexes = new Map<string, number>();
  const sums: { readonly key: string; readonly ways: Float64Array; weight: number }[] = [];
  return {
    of(preference: Preference, client: ClientNetwork, number: number): number {
      const key = areaKey(preference, client);
      const index = indexes.get(key) ?? sums.length;
      indexes.set(key, index);
      sums[index] ??= { key, ways: new Float64Array(candidates.length), weight: 0 };
      const sum = sums[index];
      // Those with IPv6 addresses alone count a little.
      const weight = (addresses[number] ?? 0) + 1;
      sum.weight += weight;
      for (const [at, way] of waysOf(candidates, client).entries()) sum.ways[at]! += way * weight;
      return index;
    },
    all: (): readonly Area[] =>
      sums.map(({ key, ways, weight }) => ({ key, waysMs: [...ways].map((way) => way / weight) })),
  };
}

/** Equal preferences have equal texts. */
function idOf({ leaves, parts }: Preference, near: number, area: number): string {
  let text = `${near} ${area}`;
  for (const part of parts) text += ` ${part}`;
  for (const tiers of leaves) {
    text += ';';
    for (const tier of tiers) text += `|${endpointsText(tier)}`;
  }
  return text;
}

/** Tiers and variants, each once. */
function createInterned() {
  const tierLists = new Map<string, readonly number[]>();
  const variantOf = new Map<string, number>();
  const variants: Variant[] = [];
  return {
    variants,
    entryOf({ leaves, parts }: Preference, area: number): Pick<ClassEntry, 'leaves' | 'variant'> {
      const key = `${area};${parts.join(' ')}`;
      const variant = variantOf.get(key) ?? variants.push({ parts, area }) - 1;
      variantOf.set(key, variant);
      return {
        variant,
        leaves: leaves.map((tiers) => tiers.map((tier) => endpointsOf(tier, tierLists))),
      };
    },
  };
}

/**
 * The look-up tables of a geo database, one for each way to part its clients into classes: maps that
 * part the world alike share one, whatever the classes are answered.
 */
export type ClassTables = {
  /** What a policy has to know of clients; the same object for policies that go by places alone. */
  factsOf(policy: Policy): ClientFacts;
  of(facts: ClientFacts, classOf: Uint32Array, classCount: number): ClassTable;
  /** Of the latency map that a policy goes by; 0 = by none. */
  latencyGeneration(policy: Pick<Policy, 'reads'>): number;
};

type ClassTable = {
  readonly table: PrefixTable;
  /** By class. */
  readonly shares: Float64Array;
};

const NOTHING = { networks: [], reads: new Set<never>(), systems: new Set<never>() };

/** @param latency what was measured of clients; undefined = nothing, and geography holds */
export function createClassTables(
  geo: Pick<GeoDatabase, 'locations' | 'ranges' | 'systems'>,
  latency?: LatencyLayer,
): ClassTables {
  const plain = clientFacts(geo, NOTHING, undefined);
  const latencyGeneration = ({ reads }: Pick<Policy, 'reads'>): number =>
    reads.has('latency') ? (latency?.generation ?? 0) : 0;
  const made: (ClassTable & { readonly facts: ClientFacts; readonly classOf: Uint32Array })[] = [];
  return {
    factsOf(policy) {
      const { networks, systems } = policy;
      const isPlain = networks.length + systems.size + latencyGeneration(policy) === 0;
      return isPlain ? plain : clientFacts(geo, policy, latency);
    },
    latencyGeneration,
    of(facts, classOf, classCount) {
      const isAlike = (each: (typeof made)[number]): boolean =>
        each.facts === facts && each.classOf.every((id, number) => id === classOf[number]);
      const known = made.find(isAlike);
      if (known !== undefined) return known;
      const classes = mapRanges(facts.ranges, (number) => classOf[number] ?? 0);
      const table = buildPrefixTable(classes, SCOPE_BORDERS);
      const shares = addressShares(facts, classOf, classCount);
      const one = { facts, classOf, table, shares };
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

/** The preference of a class, with candidates again; `candidates` are those that the map was built from. */
export function classPreference(
  { variants }: Pick<ClassMap, 'variants'>,
  { leaves, variant }: Pick<ClassEntry, 'leaves' | 'variant'>,
  candidates: readonly Candidate[],
): Preference {
  const byEndpoint = new Map(candidates.map((candidate) => [candidate.endpoint, candidate]));
  const tiersOf = (leaf: ClassEntry['leaves'][number]): Tiers =>
    leaf.map((tier) => tier.flatMap((endpoint) => byEndpoint.get(endpoint) ?? []));
  return { parts: variants[variant]!.parts, leaves: leaves.map(tiersOf) };
}

/** The share of the located IPv4 addresses in each class; all in class 0 when none is located. */
function addressShares(
  { isLocated, ranges }: ClientFacts,
  classOf: Uint32Array,
  classCount: number,
): Float64Array {
  const addresses = new Float64Array(classCount);
  for (const [number, count] of addressCounts(ranges).entries()) {
    if (isLocated(number)) addresses[classOf[number] ?? 0]! += count;
  }
  const located = addresses.reduce((sum, count) => sum + count, 0);
  if (located === 0) return addresses.fill(1, 0, 1);
  return addresses.map((count) => count / located);
}
