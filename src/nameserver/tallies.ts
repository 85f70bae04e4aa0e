/**
 * How often clients of each area asked and which region they were answered with, for names that go by a plan: slots
 * behind those of the endpoints (counters.ts), so that it costs an answer one addition.
 *
 *   of each pool and its classes, of each area, of each candidate: one slot
 */
import { COUNT_ANSWERS } from './counters.ts';
import { mapClassesAt, mapCount, mapPoolAt } from './map-table.ts';
import { type ShareTallies, shareTalliesOf } from './share-tallies.ts';
import type { Snapshot } from './snapshot.ts';

export type Tallies = {
  /** By map index: the slot of endpoint e of area a is base + a * width + e; 0 = it is not counted. */
  readonly bases: Int32Array;
  /** Slots in all, with those of `shares`. */
  readonly count: number;
  readonly pools: readonly TalliedPool[];
  /** Behind them. */
  readonly shares: ShareTallies;
};

export type TalliedPool = {
  readonly pool: string;
  /** First of its slots. */
  readonly slot: number;
  /** Regions of its candidates. */
  readonly regions: readonly string[];
  /** Keys of its areas. */
  readonly areas: readonly string[];
};

/** Two megabytes for each worker; pools beyond are not counted, and their clients not planned for. */
const TALLIES_MAX = 250_000;

type Counted = Pick<Snapshot, 'endpoints' | 'maps'>;

export function talliesOf(snapshot: Counted): Tallies {
  const { endpoints, maps } = snapshot;
  const bases = new Int32Array(mapCount(maps));
  const pools: TalliedPool[] = [];
  const known = new Map<string, number>();
  let count = 0;
  for (let map = 0; map < bases.length; map += 1) {
    const { areas, index } = mapClassesAt(maps, map);
    if (areas.length === 0) continue;
    const { candidates, pool } = mapPoolAt(maps, map);
    const key = `${pool} ${index}`;
    const base = known.get(key);
    if (base !== undefined) {
      bases[map] = base;
      continue;
    }
    const first = candidates[0] ?? 0;
    const needed = areas.length * candidates.length;
    if (count + needed > TALLIES_MAX) continue;
    const slot = COUNT_ANSWERS + endpoints.length + count;
    const regions = candidates.map((endpoint) => endpoints[endpoint]!.region);
    pools.push({ pool, slot, regions, areas: areas.map((area) => area.key) });
    bases[map] = slot - first;
    known.set(key, slot - first);
    count += needed;
  }
  const shares = shareTalliesOf(snapshot, COUNT_ANSWERS + endpoints.length + count);
  return { bases, count: count + shares.count, pools, shares };
}

/** Endpoints of pools that go by a plan: what they are answered for changes with it. */
export function plannedEndpoints({ maps }: Counted): ReadonlySet<number> {
  const planned = new Set<number>();
  for (let map = 0; map < mapCount(maps); map += 1) {
    if (mapClassesAt(maps, map).areas.length === 0) continue;
    for (const endpoint of mapPoolAt(maps, map).candidates) planned.add(endpoint);
  }
  return planned;
}

/** Slots that a row of counters has for a snapshot. */
export function rowLength(snapshot: Counted): number {
  return COUNT_ANSWERS + snapshot.endpoints.length + talliesOf(snapshot).count;
}

/** What the slots of a row say: by class (classKey()) and region, queries since the row was made. */
export function readTallies(
  { pools }: Tallies,
  row: Float64Array,
  into: Map<string, Map<string, number>>,
): void {
  for (const { areas, pool, regions, slot } of pools) {
    for (const [area, areaKey] of areas.entries()) {
      for (const [candidate, region] of regions.entries()) {
        const count = row[slot + area * regions.length + candidate] ?? 0;
        if (count === 0) continue;
        const key = classKey(pool, areaKey);
        const byRegion = into.get(key) ?? new Map<string, number>();
        byRegion.set(region, (byRegion.get(region) ?? 0) + count);
        into.set(key, byRegion);
      }
    }
  }
}

/** Clients of a pool in an area, as a plan knows them. */
export const classKey = (pool: string, area: string): string => `${pool} ${area}`;
