import { type LatencyLayer, layerOfMap } from '../clients/latency-layer.ts';
import { decodeLatencyMap, type LatencyMap } from '../clients/latency-map.ts';
import type { Events } from '../control/events.ts';
import { createPublished, type Published } from '../planning/published.ts';
import type { Store } from '../store/store.ts';
import { MAP_KEY } from './store-keys.ts';

/** The latency map that this node steers by: the newest that may be used (planning/published.ts). */
export type MapKeeper = Omit<Published<KeptMap>, 'current'> & {
  current(): LatencyLayer | undefined;
};

type KeptMap = { readonly map: LatencyMap; readonly layer: LatencyLayer };

export type MapKeeperParts = {
  readonly store: Pick<Store, 'watch' | 'get'>;
  readonly events: Pick<Events, 'record'>;
  /** Undefined = nothing is kept. */
  readonly directory: string | undefined;
};

/** More rows gone at once than this part of them is a mistake of somebody's… */
const SHRINK_MAX = 0.5;
/** …where there are so many that it is no chance. */
const ROWS_MIN = 1_000;
/** Of the networks that both maps know, so many may have another first region: who plans moves far fewer in a window. */
const CHANGE_MAX = 0.3;

export function createMapKeeper({ directory, events, store }: MapKeeperParts): MapKeeper {
  const published = createPublished<KeptMap>({
    ...{ store, key: MAP_KEY, directory, fileName: 'latency-map.bin' },
    read(bytes) {
      const read = decodeLatencyMap(bytes);
      if (!read.ok) return read;
      return { ok: true, value: { map: read.map, layer: layerOfMap(read.map) } };
    },
    objection: (before, next) => objection(before?.map, next.map),
    refused(reason) {
      const text = `A latency map is not used: ${reason}. The one before stays in force.`;
      events.record('latency.refused', 'latency', text, 'warn');
    },
    unwritable(file, code) {
      const text = `${file} cannot be written (${code}): a restart begins without it.`;
      events.record('latency.unwritable', 'latency', text, 'warn');
    },
  });
  return { ...published, current: () => published.current()?.layer };
}

/** Why a map does not take the place of another; '' = it is no news; undefined = nothing is against it. */
export function objection(before: LatencyMap | undefined, next: LatencyMap): string | undefined {
  if (before === undefined) return undefined;
  if (next.generation <= before.generation) return '';
  const [had, has] = [before.rows.length, next.rows.length];
  if (had >= ROWS_MIN && has < had * SHRINK_MAX) {
    return `it has ${has} networks, the one in force ${had}`;
  }
  // Maps that were missed may have changed as much each.
  const most = CHANGE_MAX * (next.generation - before.generation);
  const { changed, known } = changedNetworks(before, next);
  if (known >= ROWS_MIN && changed > known * most) {
    return `it sends ${changed} of ${known} networks elsewhere at once`;
  }
  return undefined;
}

/** Of the networks that both know, those whose first region is another one. */
function changedNetworks(before: LatencyMap, next: LatencyMap) {
  const firstOf = ({ orders, regions }: LatencyMap, order: number): string | undefined =>
    regions[orders[order]?.[0] ?? -1];
  const old = new Map(before.rows.map(({ network, order }) => [network, order]));
  let [changed, known] = [0, 0];
  for (const { network, order } of next.rows) {
    const had = old.get(network);
    if (had === undefined) continue;
    known += 1;
    if (firstOf(before, had) !== firstOf(next, order)) changed += 1;
  }
  return { changed, known };
}
