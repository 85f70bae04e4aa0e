/**
 * How often clients of each class asked for names whose pool shares clients out by weight, and how often those of each
 * slot: what is sent where, and how many caches it hangs on. Slots behind those of tallies.ts.
 *
 *   of each pool with its policy and classes: one slot for each class, then SLOTS for the slots of clients
 */
import { classCount, hasEquals } from '../steering/class-list.ts';
import { compilePolicy, hasSplit, leafChains } from '../steering/policy.ts';
import { SLOTS } from '../steering/slots.ts';
import { mapClassesAt, mapCount, mapPolicyAt, mapPoolAt } from './map-table.ts';
import type { Snapshot, SteeringMap } from './snapshot.ts';

export type ShareTallies = {
  /** By map index: the slot of class 0; 0 = it is not counted. */
  readonly bases: Int32Array;
  /** Slots in all. */
  readonly count: number;
  readonly groups: readonly SharedGroup[];
};

/** Maps that answer alike. */
export type SharedGroup = {
  readonly pool: string;
  /** One of the maps. */
  readonly map: number;
  /** First of its slots, and of those behind them that are of slots of clients. */
  readonly slot: number;
  readonly classes: number;
};

/** Half a megabyte for each worker; pools beyond are not counted. */
const TALLIES_MAX = 65_536;

/** @param from the first slot that is free */
export function shareTalliesOf({ maps }: Pick<Snapshot, 'maps'>, from: number): ShareTallies {
  const bases = new Int32Array(mapCount(maps));
  const shared = sharedPools({ maps });
  const groups: SharedGroup[] = [];
  const known = new Map<string, number>();
  let count = 0;
  for (let map = 0; map < bases.length; map += 1) {
    const { pool } = mapPoolAt(maps, map);
    if (!shared.has(pool)) continue;
    const { index, words } = mapClassesAt(maps, map);
    const classes = classCount({ words });
    const key = `${pool} ${index} ${mapPolicyAt(maps, map).policy}`;
    const base = known.get(key);
    if (base !== undefined) {
      bases[map] = base;
      continue;
    }
    const needed = classes + SLOTS;
    if (count + needed > TALLIES_MAX) continue;
    const slot = from + count;
    groups.push({ pool, map, slot, classes });
    bases[map] = slot;
    known.set(key, slot);
    count += needed;
  }
  return { bases, count, groups };
}

/** Pools that some policy shares out: all that is asked of them comes to the same endpoints. */
export function sharedPools({ maps }: Pick<Snapshot, 'maps'>): ReadonlySet<string> {
  const kinds = new Map<SteeringMap['chain'], 'equals' | 'lot' | 'none'>();
  const pools = new Set<string>();
  for (let map = 0; map < mapCount(maps); map += 1) {
    const { chain } = mapPolicyAt(maps, map);
    const kind = kinds.get(chain) ?? sharingOf(chain);
    kinds.set(chain, kind);
    // Weights matter where there is more than one to choose from.
    const isShared = kind === 'lot' || (kind === 'equals' && hasEquals(mapClassesAt(maps, map)));
    if (isShared) pools.add(mapPoolAt(maps, map).pool);
  }
  return pools;
}

function sharingOf(chain: SteeringMap['chain']): 'equals' | 'lot' | 'none' {
  const { root } = compilePolicy(chain);
  if (hasSplit(root)) return 'lot';
  return leafChains(root).some(({ isShared }) => isShared) ? 'equals' : 'none';
}
