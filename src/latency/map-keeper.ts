import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type LatencyLayer, layerOfMap } from '../clients/latency-layer.ts';
import { decodeLatencyMap, type LatencyMap } from '../clients/latency-map.ts';
import type { Events } from '../control/events.ts';
import type { Store } from '../store/store.ts';
import { MAP_KEY } from './store-keys.ts';

/**
 * The latency map that this node steers by: the newest that the store has shown, also kept on disk, so that neither a
 * restart nor a store that is away changes where clients go. A map that is none, or older than what is known, changes
 * nothing.
 */
export type MapKeeper = {
  current(): LatencyLayer | undefined;
  /** Octets of it, and its version in the store; 0 = it is of the disk. */
  held(): { readonly bytes: Uint8Array; readonly version: number } | undefined;
  /** Calls back when another map is in force. */
  onChange(listener: () => void): () => void;
  close(): void;
};

export type MapKeeperParts = {
  readonly store: Pick<Store, 'watch' | 'get'>;
  readonly events: Pick<Events, 'record'>;
  /** Undefined = nothing is kept. */
  readonly directory: string | undefined;
};

const FILE_NAME = 'latency-map.bin';
/** More rows gone at once than this part of them is a mistake of somebody's… */
const SHRINK_MAX = 0.5;
/** …where there are so many that it is no chance. */
const SHRINK_ROWS_MIN = 1_000;

type Held = {
  readonly map: LatencyMap;
  readonly layer: LatencyLayer;
  readonly bytes: Uint8Array;
  readonly version: number;
};

export function createMapKeeper({ directory, events, store }: MapKeeperParts): MapKeeper {
  const listeners = new Set<() => void>();
  const file = directory === undefined ? undefined : join(directory, FILE_NAME);
  let held = file === undefined ? undefined : readFile(file, events);
  const take = (value: string | undefined, version: number): void => {
    if (value === undefined) return;
    const bytes = new Uint8Array(Buffer.from(value, 'base64'));
    const read = decodeLatencyMap(bytes);
    const reason = read.ok ? objection(held?.map, read.map) : read.reason;
    if (!read.ok || reason !== undefined) {
      if (reason !== '') refuse(events, reason ?? '');
      return;
    }
    held = { map: read.map, layer: layerOfMap(read.map), bytes, version };
    if (file !== undefined) writeFile(file, bytes, events);
    for (const listener of listeners) listener();
  };
  const stop = store.watch(MAP_KEY, ({ key, value, version }) => {
    if (key === MAP_KEY) take(value, version);
  });
  // What is there already is not told by a watch that begins while the store is ready.
  store.get(MAP_KEY).then(
    (entry) => take(entry?.value, entry?.version ?? 0),
    () => {},
  );
  return {
    current: () => held?.layer,
    held: () => held,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: stop,
  };
}

/** Why a map does not take the place of another; '' = it is no news; undefined = nothing is against it. */
export function objection(before: LatencyMap | undefined, next: LatencyMap): string | undefined {
  if (before === undefined) return undefined;
  if (next.generation <= before.generation) return '';
  const [had, has] = [before.rows.length, next.rows.length];
  if (had >= SHRINK_ROWS_MIN && has < had * SHRINK_MAX) {
    return `it has ${has} networks, the one in force ${had}`;
  }
  return undefined;
}

function refuse(events: Pick<Events, 'record'>, reason: string): void {
  const text = `A latency map is not used: ${reason}. The one before stays in force.`;
  events.record('latency.refused', 'latency', text, 'warn');
}

function readFile(file: string, events: Pick<Events, 'record'>): Held | undefined {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(readFileSync(file));
  } catch {
    return undefined;
  }
  const read = decodeLatencyMap(bytes);
  if (!read.ok) {
    refuse(events, `${file}: ${read.reason}`);
    return undefined;
  }
  return { map: read.map, layer: layerOfMap(read.map), bytes, version: 0 };
}

function writeFile(file: string, bytes: Uint8Array, events: Pick<Events, 'record'>): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(`${file}.next`, bytes, { flush: true });
    renameSync(`${file}.next`, file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const text = `${file} cannot be written (${code}): a restart begins without it.`;
    events.record('latency.unwritable', 'latency', text, 'warn');
  }
}
