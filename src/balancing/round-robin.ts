import { z } from 'zod';
import type { BalancingAlgorithm } from './algorithm.ts';
import { pickSmooth } from './smooth.ts';

/** Smooth weighted round robin, as nginx does it. */
export const roundRobin: BalancingAlgorithm<RoundRobinOptions> = {
  kind: 'round-robin',
  summary: 'Each server in turn, in proportion to its weight and evenly interleaved.',
  options: z.strictObject({}),
  build: (servers) => ({ pick: (state) => pickSmooth(servers, state, state.usable) }),
};

export type RoundRobinOptions = Record<string, never>;
