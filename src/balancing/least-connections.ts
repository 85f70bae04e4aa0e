import { z } from 'zod';
import type { BalancingAlgorithm, PickState, Server } from './algorithm.ts';
import { pickSmooth } from './smooth.ts';

/**
 * The server with the fewest connections per weight, tunnels included; equals take turns (nginx
 * `least_conn`). For what lasts long: WebSockets, and TCP at layer 4.
 */
export const leastConnections: BalancingAlgorithm<LeastConnectionsOptions> = {
  kind: 'least-connections',
  summary: 'The server with the fewest connections for its weight; equals take turns.',
  options: z.strictObject({}),
  build(servers) {
    const tied = new Uint8Array(servers.length);
    return {
      pick(state) {
        const least = leastOf(servers, state);
        if (least < 0) return pickSmooth(servers, state, state.usable);
        for (const { index } of servers) tied[index] = isTied(state, index, least) ? 1 : 0;
        return pickSmooth(servers, state, tied);
      },
    };
  },
};

export type LeastConnectionsOptions = Record<string, never>;

function leastOf(servers: readonly Server[], state: PickState): number {
  let least = -1;
  for (const { index } of servers) {
    if (state.usable[index] !== 1 || state.weights[index]! <= 0) continue;
    if (least < 0 || compare(state, index, least) < 0) least = index;
  }
  return least;
}

function isTied(state: PickState, index: number, least: number): boolean {
  const isUsable = state.usable[index] === 1 && state.weights[index]! > 0;
  return isUsable && compare(state, index, least) === 0;
}

/** Compares connections / weight, cross-multiplied. */
function compare({ connections, weights }: PickState, a: number, b: number): number {
  return connections[a]! * weights[b]! - connections[b]! * weights[a]!;
}
