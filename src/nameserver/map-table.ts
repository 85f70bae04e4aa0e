/**
 * The maps of a snapshot (SteeringMap) by what they are made of, each part once: two thousand of them are some
 * numbers in memory that threads share and as many objects as there are pools and policies. An object is
 * made of one when somebody asks for a name that has it.
 */
import type { ClassList } from '../steering/class-list.ts';
import type { ClassMap } from '../steering/map.ts';
import { sharedWords } from '../zone/word-memory.ts';
import type { ServiceBinding, SteeringMap } from './snapshot.ts';

export type MapTable = {
  /** MAP_WORDS for each: places in the lists below, and numbers. */
  readonly words: Int32Array;
  readonly pools: readonly MapPool[];
  readonly policies: readonly Pick<SteeringMap, 'policy' | 'chain'>[];
  readonly classes: readonly MapClasses[];
  readonly bindings: readonly ServiceBinding[];
};

type MapPool = Pick<SteeringMap, 'pool' | 'candidates' | 'panicThreshold' | 'sorry4' | 'sorry6'>;
/** Of pools that are alike. */
type MapClasses = Pick<SteeringMap, 'clientRegions'> &
  Omit<ClassMap, 'classes'> &
  Omit<ClassList, 'firstEndpoint'>;

const MAP_WORDS = 7;
const POOL = 0;
const POLICY = 1;
const CLASSES = 2;
const FIRST_ENDPOINT = 3;
/** Place in `bindings` plus 1; 0 = none. */
const BINDING = 4;
const TTL_MIN = 5;
const TTL_MAX = 6;

/** @param maps those of a pool with the same of it, and those of a policy with the same chain */
export function packMaps(maps: readonly SteeringMap[]): MapTable {
  const pools = createList<string, MapPool>();
  const policies = createList<string, MapTable['policies'][number]>();
  const classes = createList<Int32Array, MapClasses>();
  const bindings = createList<string, ServiceBinding>();
  const words = sharedWords(maps.length * MAP_WORDS);
  for (const [index, map] of maps.entries()) {
    const { candidates, chain, clientRegions, https, panicThreshold, policy, pool } = map;
    const { sorry4, sorry6, ttlMaxSeconds, ttlMinSeconds } = map;
    const { areas, latencyGeneration, locationsWithoutClass, table, variants } = map.classes;
    const { firstEndpoint, shares, words: list } = map.classes.classes;
    const row = [
      pools.placeOf(pool, { pool, candidates, panicThreshold, sorry4, sorry6 }),
      policies.placeOf(policy, { policy, chain }),
      classes.placeOf(list, {
        ...{ table, words: list, shares },
        ...{ variants, areas, latencyGeneration, locationsWithoutClass, clientRegions },
      }),
      firstEndpoint,
      https === undefined ? 0 : bindings.placeOf(JSON.stringify(https), https) + 1,
      ttlMinSeconds,
      ttlMaxSeconds,
    ];
    words.set(row, index * MAP_WORDS);
  }
  return {
    words,
    pools: pools.all,
    policies: policies.all,
    classes: classes.all,
    bindings: bindings.all,
  };
}

/** Each thing once. */
function createList<Key, Thing>() {
  const all: Thing[] = [];
  const places = new Map<Key, number>();
  return {
    all,
    placeOf(key: Key, thing: Thing): number {
      const known = places.get(key);
      if (known !== undefined) return known;
      places.set(key, all.length);
      return all.push(thing) - 1;
    },
  };
}

export function mapCount({ words }: MapTable): number {
  return words.length / MAP_WORDS;
}

/** An object made of it; its parts are those of the table. */
export function mapAt(
  { bindings, classes, policies, pools, words }: MapTable,
  map: number,
): SteeringMap {
  const row = map * MAP_WORDS;
  const { clientRegions, ...own } = classes[words[row + CLASSES]!]!;
  const { areas, latencyGeneration, locationsWithoutClass, table, variants, ...list } = own;
  const firstEndpoint = words[row + FIRST_ENDPOINT]!;
  return {
    ...pools[words[row + POOL]!]!,
    ...policies[words[row + POLICY]!]!,
    classes: {
      ...{ table, classes: { ...list, firstEndpoint }, variants, areas },
      ...{ latencyGeneration, locationsWithoutClass },
    },
    clientRegions,
    ttlMinSeconds: words[row + TTL_MIN]!,
    ttlMaxSeconds: words[row + TTL_MAX]!,
    https: bindings[words[row + BINDING]! - 1],
  };
}

/** The pool of a map. */
export function mapPoolAt({ pools, words }: MapTable, map: number): MapPool {
  return pools[words[map * MAP_WORDS + POOL]!]!;
}

/** The policy of a map. */
export function mapPolicyAt(
  { policies, words }: MapTable,
  map: number,
): MapTable['policies'][number] {
  return policies[words[map * MAP_WORDS + POLICY]!]!;
}

/** The classes of a map, with a number that it has in common with the maps that share them. */
export function mapClassesAt(
  { classes, words }: MapTable,
  map: number,
): Pick<MapClasses, 'areas' | 'words'> & { readonly index: number } {
  const index = words[map * MAP_WORDS + CLASSES]!;
  const { areas, words: list } = classes[index]!;
  return { areas, words: list, index };
}

/** One after the other, by index. */
export function* mapsOf(table: MapTable): Generator<SteeringMap> {
  for (let map = 0; map < mapCount(table); map += 1) yield mapAt(table, map);
}
