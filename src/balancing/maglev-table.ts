import type { PickState, Server } from './algorithm.ts';
import { hashText, rehash } from './hashing.ts';

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
/** Tries on other places before the servers are asked in order. */
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
  return { places, version: versionOf(servers, size) };
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
  return pickInOrder(servers, usable, key);
}

/** Nearly nobody is usable: the first in the list from where the key says; weight 0 comes last. */
export function pickInOrder(servers: readonly Server[], usable: Uint8Array, key: number): number {
  let reserve = -1;
  for (let step = 0; step < servers.length; step++) {
    const { index, weight } = servers[(key + step) % servers.length]!;
    if (usable[index] !== 1) continue;
    if (weight > 0) return index;
    if (reserve < 0) reserve = index;
  }
  return reserve;
}

/** The same for the same servers and weights, in whatever order they are listed. */
export function versionOf(servers: readonly Server[], size: number): string {
  const words = servers
    .map(({ name, weight }) => `${name}=${weight}`)
    .toSorted()
    .concat(String(size));
  return hashText(words.join('\n'), 0).toString(16).padStart(8, '0');
}
