import { z } from 'zod';
import type { BalancingAlgorithm, PickState, Server } from './algorithm.ts';
import { isBelow, shareOf } from './bounded-load.ts';
import { hashKey, keySourceOf } from './hash-key.ts';
import { anyKey, hashBytes, hashText, rehash } from './hashing.ts';
import { pickByRendezvous, versionOf } from './maglev-table.ts';

/**
 * Consistent hashing (Karger et al.): servers have points on a ring, a key belongs to the next one. With a
 * bound on load (Mirrokni et al., arXiv 1608.01350) a server that has more than its share is passed over; the
 * key then jumps to another point of the ring instead of to the neighbour, who would be the next to fall
 * (arXiv 1908.08762).
 */
export const ringHash: BalancingAlgorithm<RingHashOptions> = {
  kind: 'ring-hash',
  summary: 'The same server for the same key, unless it has too much to do.',
  options: z.strictObject({
    key: hashKey,
    points: z
      .int()
      .min(16)
      .max(1024)
      .default(160)
      .describe('Points on the ring for each unit of the smallest weight.'),
    loadFactor: z
      .number()
      .min(1)
      .max(10)
      .optional()
      .describe(
        'A server with more than this many times its share of the requests in flight on the servers that are usable is passed over: 1.25 is usual. Default: keys stay whatever the load.',
      ),
  }),
  keySource: ({ key }) => keySourceOf(key),
  build(servers, { loadFactor = 0, points }) {
    const ring = buildRing(servers, points);
    const pointBytes = new Uint8Array(ring.at.buffer);
    return {
      pick: (state, key, draw) =>
        pickFromRing(ring, servers, state, key || anyKey(draw), loadFactor),
      tableVersion: versionOf(servers, ring.owner, hashBytes(pointBytes, 0, pointBytes.length, 0)),
    };
  },
};

export type RingHashOptions = {
  readonly key: string;
  readonly points: number;
  readonly loadFactor?: number | undefined;
};

type Ring = { readonly at: Uint32Array; readonly owner: Uint16Array };

/** Of all servers: where weights lie far apart the lightest have fewer points than was asked for, but always one. */
const POINTS_MAX = 262_144;
const TRIES_MAX = 64;

function buildRing(servers: readonly Server[], points: number): Ring {
  const weighty = servers.filter(({ weight }) => weight > 0);
  const lightest = Math.min(...weighty.map(({ weight }) => weight));
  const total = weighty.reduce((sum, { weight }) => sum + weight, 0);
  const perWeight = Math.min(points / lightest, POINTS_MAX / total);
  const all = weighty.flatMap(({ index, name, weight }) => {
    const count = Math.max(1, Math.round(perWeight * weight));
    return Array.from({ length: count }, (_, point) => ({
      at: hashText(name, point + 1),
      index,
      name,
    }));
  });
  // Two servers at one point: the name decides, on all nodes alike.
  all.sort((a, b) => a.at - b.at || (a.name < b.name ? -1 : 1));
  return {
    at: Uint32Array.from(all, ({ at }) => at),
    owner: Uint16Array.from(all, ({ index }) => index),
  };
}

function pickFromRing(
  ring: Ring,
  servers: readonly Server[],
  state: PickState,
  key: number,
  loadFactor: number,
): number {
  const { active, usable } = state;
  // Worked out when it matters: who has nothing to do is never over it.
  let sharePerWeight = -1;
  for (let attempt = 0; attempt < TRIES_MAX && ring.at.length > 0; attempt++) {
    const server = ring.owner[placeOf(ring, rehash(key, attempt))]!;
    if (usable[server] !== 1) continue;
    if (loadFactor === 0 || active[server] === 0) return server;
    if (sharePerWeight < 0) sharePerWeight = shareOf(servers, state, loadFactor);
    if (isBelow(state, server, sharePerWeight)) return server;
  }
  const heir = pickByRendezvous(servers, usable, key);
  if (heir < 0 || loadFactor === 0 || active[heir] === 0) return heir;
  if (sharePerWeight < 0) sharePerWeight = shareOf(servers, state, loadFactor);
  return isBelow(state, heir, sharePerWeight) ? heir : leastOver(servers, state, heir);
}

/** The tries met nobody below the share: the one with the least for its weight, who is below if anyone is. */
function leastOver(
  servers: readonly Server[],
  { active, usable, weights }: PickState,
  heir: number,
): number {
  let least = heir;
  for (const { index } of servers) {
    if (usable[index] !== 1 || weights[index]! <= 0) continue;
    if (active[index]! * weights[least]! < active[least]! * weights[index]!) least = index;
  }
  return least;
}

/** The first point at or after the key, around the ring. */
function placeOf({ at }: Ring, key: number): number {
  let low = 0;
  let high = at.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low === at.length ? 0 : low;
}
