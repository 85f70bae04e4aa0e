import { z } from 'zod';
import type { BalancingAlgorithm } from './algorithm.ts';
import { drawByWeight, pickUnweighted, usableWeight } from './weighted-draw.ts';

/** Any server, as often as its weight says. Needs no state at all, so many small balancers agree by themselves. */
export const random: BalancingAlgorithm<RandomOptions> = {
  kind: 'random',
  summary: 'A server drawn by weight.',
  options: z.strictObject({}),
  build: (servers) => ({
    pick(state, _key, draw) {
      const total = usableWeight(servers, state, -1);
      if (total === 0) return pickUnweighted(servers, state, draw);
      return drawByWeight(servers, state, draw * total, -1);
    },
  }),
};

export type RandomOptions = Record<string, never>;
