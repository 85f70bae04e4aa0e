import type { PickState, Server } from './algorithm.ts';

/** Weights of the usable servers together, without the one with index `except` (-1 = all). */
export function usableWeight(servers: readonly Server[], state: PickState, except: number): number {
  let total = 0;
  for (const { index } of servers) {
    if (index !== except && state.usable[index] === 1) total += state.weights[index]!;
  }
  return total;
}

/** The usable server whose span of the cumulative weight holds `point`; -1 when there is none. */
export function drawByWeight(
  servers: readonly Server[],
  state: PickState,
  point: number,
  except: number,
): number {
  let last = -1;
  let rest = point;
  for (const { index } of servers) {
    const weight = state.weights[index]!;
    if (index === except || state.usable[index] !== 1 || weight <= 0) continue;
    if (rest < weight) return index;
    rest -= weight;
    last = index;
  }
  // Rounding can leave the point a hair beyond the last span.
  return last;
}

/** Another draw out of the same one: its lower bits know nothing of the upper ones. */
export const secondDraw = (draw: number): number => (draw * 65_536) % 1;

/** Among servers of weight 0, the last resort: any of them; -1 when none is usable. */
export function pickUnweighted(servers: readonly Server[], state: PickState, draw: number): number {
  let count = 0;
  for (const { index } of servers) count += state.usable[index]!;
  let left = Math.floor(draw * count);
  for (const { index } of servers) {
    if (state.usable[index] === 1 && left-- === 0) return index;
  }
  return -1;
}
