import type { PickState, Server } from './algorithm.ts';

/** A bound on what one server has, against what all have (Mirrokni et al., arXiv 1608.01350). */

/**
 * Requests in flight that a unit of weight may have: of the servers usable now, with the weights of now.
 * Those of others would leave the few that are left hardly a bound.
 * @param loadFactor so many times the average
 */
export function shareOf(
  servers: readonly Pick<Server, 'index'>[],
  { active, usable, weights }: PickState,
  loadFactor: number,
): number {
  let all = 1;
  let total = 0;
  for (const { index } of servers) {
    if (usable[index] !== 1) continue;
    all += active[index]!;
    total += weights[index]!;
  }
  return (all * loadFactor) / total;
}

/** Whether the server may have one more; who has nothing to do may. */
export const isBelow = (
  { active, weights }: PickState,
  server: number,
  sharePerWeight: number,
): boolean => active[server]! < Math.max(1, Math.ceil(sharePerWeight * weights[server]!));
