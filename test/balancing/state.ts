import { type PickState, SCRATCH, type Server } from '../../src/balancing/algorithm.ts';

/** Servers s0, s1, … with these weights. */
export const serversOf = (weights: readonly number[]): readonly Server[] =>
  weights.map((weight, index) => ({ index, name: `s${index}`, weight }));

/** All usable but for those that `usable` says are not, and nothing in flight. */
export function stateOf(
  weights: readonly number[],
  usable: readonly number[] = weights.map(() => 1),
): PickState {
  return {
    usable: Uint8Array.from(usable),
    active: new Uint32Array(weights.length),
    connections: new Uint32Array(weights.length),
    awaited: new Uint32Array(weights.length),
    awaitedSinceMs: new Float64Array(weights.length),
    weights: Float64Array.from(weights),
    scratch: new Float64Array(SCRATCH * weights.length),
  };
}

/** A fixed, evenly spread sequence of draws. */
export const drawAt = (step: number): number => (0.37 + step * 0.7548776662466927) % 1;
export const keyAt = (step: number): number => Math.imul(step + 1, 0x9e3779b1) >>> 0;
