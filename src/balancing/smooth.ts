import { type PickState, SCRATCH, type Server } from './algorithm.ts';

/** Place in the scratch of a server: what it has gained. */
const GAIN = 0;

/**
 * Smooth weighted round robin (`ngx_http_upstream_round_robin.c`): at each pick every server that is
 * eligible gains its weight, the richest wins and pays the total. Weights 5, 1, 1 give a a b a c a a,
 * never a burst. Servers of weight 0 only when there is no other.
 * @param eligible 1 for those to choose from
 */
export function pickSmooth(
  servers: readonly Server[],
  { scratch, weights }: PickState,
  eligible: Uint8Array,
): number {
  let best = -1;
  let bestGain = 0;
  let total = 0;
  let reserve = -1;
  for (const { index } of servers) {
    if (eligible[index] !== 1) continue;
    const weight = weights[index]!;
    if (weight <= 0) {
      if (reserve < 0) reserve = index;
      continue;
    }
    total += weight;
    const gain = scratch[SCRATCH * index + GAIN]! + weight;
    scratch[SCRATCH * index + GAIN] = gain;
    if (best < 0 || gain > bestGain) {
      best = index;
      bestGain = gain;
    }
  }
  if (best < 0) return reserve;
  scratch[SCRATCH * best + GAIN] = bestGain - total;
  return best;
}
