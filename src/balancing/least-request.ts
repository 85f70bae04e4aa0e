import { z } from 'zod';
import type { BalancingAlgorithm, PickState, Server } from './algorithm.ts';

/**
 * The least busy server. By default the less busy of two distinct random ones: almost as good as
 * looking at all, and it does not send every worker's next request to the same idle server. Load is
 * requests in flight per weight, counting the request to be placed. Both servers are drawn by
 * weight, so an idle pool shares in proportion too.
 */
export const leastRequest: BalancingAlgorithm<LeastRequestOptions> = {
  kind: 'least-request',
  summary: 'The less busy of two servers drawn by weight, or the least busy of all.',
  options: z.strictObject({
    scan: z
      .enum(['two', 'all'])
      .default('two')
      .describe('Compare two servers drawn at random, or all of them.'),
  }),
  build: (servers, options) => ({
    pick: (state, _key, draw) =>
      options.scan === 'all' ? pickOfAll(servers, state, draw) : pickOfTwo(servers, state, draw),
    observe: () => {},
  }),
};

export type LeastRequestOptions = { readonly scan: 'two' | 'all' };

function pickOfTwo(servers: readonly Server[], state: PickState, draw: number): number {
  const total = usableWeight(servers, state, -1);
  if (total === 0) return pickUnweighted(servers, state, draw);
  const first = drawByWeight(servers, state, draw * total, -1);
  const rest = usableWeight(servers, state, first.server.index);
  if (rest === 0) return first.server.index;
  // Where the draw fell inside the first server's span is itself a uniform draw.
  const second = drawByWeight(servers, state, first.within * rest, first.server.index);
  return isBusier(state, first.server, second.server) ? second.server.index : first.server.index;
}

/** Ties are broken by weight, with the draw. */
function pickOfAll(servers: readonly Server[], state: PickState, draw: number): number {
  let least: Server | undefined;
  for (const server of servers) {
    if (state.usable[server.index] !== 1 || server.weight <= 0) continue;
    if (least === undefined || isBusier(state, least, server)) least = server;
  }
  if (least === undefined) return pickUnweighted(servers, state, draw);
  const minimum = least;
  const tied = servers.filter(
    (server) =>
      state.usable[server.index] === 1 && server.weight > 0 && !isBusier(state, server, minimum),
  );
  const total = tied.reduce((sum, server) => sum + server.weight, 0);
  return drawByWeight(tied, state, draw * total, -1).server.index;
}

/** Compares (active + 1) / weight, cross-multiplied. */
function isBusier(state: PickState, a: Server, b: Server): boolean {
  return (state.active[a.index]! + 1) * b.weight > (state.active[b.index]! + 1) * a.weight;
}

function usableWeight(servers: readonly Server[], state: PickState, except: number): number {
  let total = 0;
  for (const { index, weight } of servers) {
    if (index !== except && state.usable[index] === 1) total += weight;
  }
  return total;
}

/** The server whose span of the cumulative weight holds `point`, and where within it, in [0, 1). */
function drawByWeight(
  servers: readonly Server[],
  state: PickState,
  point: number,
  except: number,
): { readonly server: Server; readonly within: number } {
  let last: Server | undefined;
  for (const server of servers) {
    if (server.index === except || state.usable[server.index] !== 1 || server.weight <= 0) continue;
    if (point < server.weight) return { server, within: point / server.weight };
    point -= server.weight;
    last = server;
  }
  // Rounding can leave the point a hair beyond the last span. Callers know that there is one.
  return { server: last!, within: 0 };
}

/** Among servers of weight 0, the last resort: any of them. */
function pickUnweighted(servers: readonly Server[], state: PickState, draw: number): number {
  const usable = servers.filter((server) => state.usable[server.index] === 1);
  return usable[Math.floor(draw * usable.length)]?.index ?? -1;
}
