import type { PickState, Server } from './algorithm.ts';
import { hashBytes, hashText, rehash } from './hashing.ts';

/**
 * The look-up table of Maglev (Eisenbud et al., NSDI 2016, section 3.4): each server walks the table in a
 * permutation of its own, and they take places in turn, as often as their weights say (Envoy,
 * `maglev_lb.cc`). A look-up is one load; when a server leaves, its keys go to the others and hardly any
 * other key moves. Servers are taken in the order of their names, so every node builds the same table.
 */
export type MaglevTable = { readonly places: Uint16Array; readonly version: string };

/** A prime, and far more than a hundred times any number of servers: then shares are exact to 1 %. */
export const PLACES_DEFAULT = 65_537;
const NOBODY = 0xffff;
const OFFSET_SEED = 1;
const SKIP_SEED = 2;
/** Tries on other places before all servers are looked at. */
const TRIES_MAX = 64;

export function buildMaglev(servers: readonly Server[], size = PLACES_DEFAULT): MaglevTable {
  const walkers = servers
    .filter(({ weight }) => weight > 0)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ index, name, weight }) => ({
      index,
      weight,
      at: hashText(name, OFFSET_SEED) % size,
      skip: (hashText(name, SKIP_SEED) % (size - 1)) + 1,
      due: 0,
    }));
  const places = new Uint16Array(size).fill(NOBODY);
  const heaviest = Math.max(...walkers.map(({ weight }) => weight));
  let left = walkers.length === 0 ? 0 : size;
  for (let round = 1; left > 0; round++) {
    for (const walker of walkers) {
      // In a round the heaviest takes one place, the others as much of one as their weight is of its.
      if (round * walker.weight < walker.due) continue;
      walker.due += heaviest;
      while (places[walker.at] !== NOBODY) walker.at = (walker.at + walker.skip) % size;
      places[walker.at] = walker.index;
      if (--left === 0) break;
    }
  }
  return { places, version: versionOf(servers, places, size) };
}

/** The server of a key; when it may not be used, that of another place which the key leads to. -1 = nobody. */
export function pickFromTable(
  { places }: MaglevTable,
  servers: readonly Server[],
  { usable }: PickState,
  key: number,
): number {
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const server = places[rehash(key, attempt) % places.length]!;
    if (server !== NOBODY && usable[server] === 1) return server;
  }
  return pickByRendezvous(servers, usable, key);
}

/**
 * Nearly nobody is usable: by rendezvous (Thaler and Ravishankar, 1998), weighted (Schindelhauer and Schomaker,
 * 2005), so that nodes agree whatever the order of their lists; weight 0 comes last.
 */
export function pickByRendezvous(
  servers: readonly Server[],
  usable: Uint8Array,
  key: number,
): number {
  let best = -1;
  let bestScore = 0;
  for (const { index, name, weight } of servers) {
    if (usable[index] !== 1) continue;
    const point = (hashText(name, key) + 0.5) / 2 ** 32;
    const score = (weight || RESERVE_WEIGHT) / -Math.log(point);
    if (score <= bestScore) continue;
    best = index;
    bestScore = score;
  }
  return best;
}

/** So little that its best score is below the worst of weight 1. */
const RESERVE_WEIGHT = 1e-12;

/**
 * The same for the same table, in whatever order its servers are listed.
 * @param owners indexes of servers, by place
 * @param seed where places are
 */
export function versionOf(servers: readonly Server[], owners: Uint16Array, seed: number): string {
  const names = new Map(servers.map(({ index, name }) => [index, hashText(name, 0)]));
  const words = Uint32Array.from(owners, (index) => names.get(index) ?? 0);
  const bytes = new Uint8Array(words.buffer);
  return hashBytes(bytes, 0, bytes.length, seed).toString(16).padStart(8, '0');
}
