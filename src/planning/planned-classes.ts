/** The classes of clients that names which go by a plan have, as a plan knows them. */
import { mapClassesAt, mapCount, mapPoolAt } from '../nameserver/map-table.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import { classKey } from '../nameserver/tallies.ts';

export type PlannedClass = {
  readonly key: string;
  readonly pool: string;
  /** By region of the pool, milliseconds. */
  readonly waysMs: ReadonlyMap<string, number>;
};

export function plannedClasses({
  endpoints,
  maps,
}: Pick<Snapshot, 'endpoints' | 'maps'>): ReadonlyMap<string, PlannedClass> {
  const classes = new Map<string, PlannedClass>();
  const seen = new Set<string>();
  for (let map = 0; map < mapCount(maps); map += 1) {
    const { areas, index } = mapClassesAt(maps, map);
    if (areas.length === 0) continue;
    const { candidates, pool } = mapPoolAt(maps, map);
    if (seen.has(`${pool} ${index}`)) continue;
    seen.add(`${pool} ${index}`);
    for (const area of areas) {
      const waysMs = new Map<string, number>();
      for (const [at, endpoint] of candidates.entries()) {
        const { region, weight } = endpoints[endpoint]!;
        // Weight 0 is only for when nothing else is left.
        if (weight === 0) continue;
        waysMs.set(region, Math.min(area.waysMs[at]!, waysMs.get(region) ?? Number.MAX_VALUE));
      }
      const key = classKey(pool, area.key);
      classes.set(key, { key, pool, waysMs });
    }
  }
  return classes;
}
