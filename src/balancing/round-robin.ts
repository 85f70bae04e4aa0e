import { z } from 'zod';
import type { BalancingAlgorithm, PickState, Server } from './algorithm.ts';

/**
 * Smooth weighted round robin, as nginx does it (`ngx_http_upstream_round_robin.c`): at each pick
 * every usable server gains its weight, the richest wins and pays the total. Weights 5, 1, 1 give
 * a a b a c a a, never a burst. `scratch` holds what each server has gained.
 */
export const roundRobin: BalancingAlgorithm<RoundRobinOptions> = {
  kind: 'round-robin',
  summary: 'Each server in turn, in proportion to its weight and evenly interleaved.',
  options: z.strictObject({}),
  build: (servers) => ({
    pick: (state) => pickSmooth(servers, state),
    observe: () => {},
  }),
};

export type RoundRobinOptions = Record<string, never>;

/** The smooth pick among usable servers; servers of weight 0 only when there is no other. */
export function pickSmooth(servers: readonly Server[], state: PickState): number {
  let best = -1;
  let bestGain = 0;
  let total = 0;
  let reserve = -1;
  for (const { index, weight } of servers) {
    if (state.usable[index] !== 1) continue;
    if (weight <= 0) {
      if (reserve < 0) reserve = index;
      continue;
    }
    total += weight;
    const gain = state.scratch[index]! + weight;
    state.scratch[index] = gain;
    if (best < 0 || gain > bestGain) {
      best = index;
      bestGain = gain;
    }
  }
  if (best < 0) return reserve;
  state.scratch[best] = bestGain - total;
  return best;
}
