import type { BalancingAlgorithm } from './algorithm.ts';
import { ipHash } from './ip-hash.ts';
import { leastConnections } from './least-connections.ts';
import { leastRequest } from './least-request.ts';
import { leastTime } from './least-time.ts';
import { maglev } from './maglev.ts';
import { peakEwma } from './peak-ewma.ts';
import { random } from './random.ts';
import { ringHash } from './ring-hash.ts';
import { roundRobin } from './round-robin.ts';

/** Every balancing algorithm, in the manual's order; the first is the default. */
export const balancingAlgorithms: readonly BalancingAlgorithm[] = [
  leastRequest,
  roundRobin,
  random,
  leastConnections,
  leastTime,
  peakEwma,
  ipHash,
  ringHash,
  maglev,
];
