import type { BalancingAlgorithm } from './algorithm.ts';
import { leastRequest } from './least-request.ts';
import { roundRobin } from './round-robin.ts';

/** Every balancing algorithm, in the manual's order; the first is the default. */
export const balancingAlgorithms: readonly BalancingAlgorithm[] = [leastRequest, roundRobin];
