import { z } from 'zod';
import type { BalancingAlgorithm, PickState, Server } from './algorithm.ts';
import { drawByWeight, pickUnweighted, secondDraw, usableWeight } from './weighted-draw.ts';

/**
 * The least busy server. By default the less busy of two distinct random ones: almost as good as
 * looking at all, and it does not send every worker's next request to the same idle server. Load is
 * requests in flight per weight, as they are (nginx `random two`): idle servers are all alike, and as
 * both are drawn by weight, an idle pool shares in proportion too. With the request to be placed
 * counted in, a small weight would lose each comparison with an idle server, and in a quiet pool a
 * server in its slow start would get nothing until the end of it. Ties are not broken by the rate of the
 * last second, as HAProxy does: the draw is by weight already, so that would only take out chance, for a
 * clock and two more numbers per server at each pick.
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
  }),
};

export type LeastRequestOptions = { readonly scan: 'two' | 'all' };

function pickOfTwo(servers: readonly Server[], state: PickState, draw: number): number {
  const total = usableWeight(servers, state, -1);
  if (total === 0) return pickUnweighted(servers, state, draw);
  const first = drawByWeight(servers, state, draw * total, -1);
  const rest = usableWeight(servers, state, first);
  if (rest === 0) return first;
  const second = drawByWeight(servers, state, secondDraw(draw) * rest, first);
  return isBusier(state, first, second) ? second : first;
}

/** Ties are broken by weight, with the draw. */
function pickOfAll(servers: readonly Server[], state: PickState, draw: number): number {
  let least = -1;
  for (const { index } of servers) {
    if (state.usable[index] !== 1 || state.weights[index]! <= 0) continue;
    if (least < 0 || isBusier(state, least, index)) least = index;
  }
  if (least < 0) return pickUnweighted(servers, state, draw);
  let total = 0;
  for (const { index } of servers) if (isTied(state, index, least)) total += state.weights[index]!;
  let point = draw * total;
  for (const { index } of servers) {
    if (!isTied(state, index, least)) continue;
    point -= state.weights[index]!;
    if (point < 0) return index;
  }
  return least;
}

function isTied(state: PickState, index: number, least: number): boolean {
  if (state.usable[index] !== 1 || state.weights[index]! <= 0) return false;
  return !isBusier(state, index, least);
}

/** Compares active / weight, cross-multiplied. */
function isBusier({ active, weights }: PickState, a: number, b: number): boolean {
  return active[a]! * weights[b]! > active[b]! * weights[a]!;
}
