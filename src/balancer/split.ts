import { hashText } from '../balancing/hashing.ts';
import type { SplitArm } from './snapshot.ts';

/**
 * Which arm of a weighted split a request takes. With a key the arm is that of weighted rendezvous
 * hashing (Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", 2005): every node picks
 * alike without memory, a client keeps its arm, and raising the weight of an arm moves clients only
 * to it, lowering it only away from it.
 * @param key 0 when the request has none: it is drawn
 * @param draw in [0, 1)
 * @returns the arm's upstream
 */
export function armOf(arms: readonly SplitArm[], key: number, draw: number): number {
  return key === 0 ? drawnArm(arms, draw) : keyedArm(arms, key);
}

function drawnArm(arms: readonly SplitArm[], draw: number): number {
  let rest = draw * arms.reduce((sum, { weight }) => sum + weight, 0);
  let last = -1;
  for (const { upstream, weight } of arms) {
    if (weight === 0) continue;
    if (rest < weight) return upstream;
    rest -= weight;
    last = upstream;
  }
  return last;
}

function keyedArm(arms: readonly SplitArm[], key: number): number {
  let best = -1;
  let bestScore = -1;
  for (const { name, upstream, weight } of arms) {
    if (weight === 0) continue;
    // Uniform in (0, 1): of its logarithm a share comes that is exact for any weights.
    const uniform = (hashText(name, key) + 0.5) / 2 ** 32;
    const score = weight / -Math.log(uniform);
    if (score <= bestScore) continue;
    [best, bestScore] = [upstream, score];
  }
  return best;
}
