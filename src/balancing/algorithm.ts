import type { z } from 'zod';

/**
 * The contract of a balancing algorithm: build a picker once per server list, pick per request.
 * Algorithms never remember anything outside the state that they are handed.
 */

/** A server as an algorithm sees it. `index` is its slot in every array of `PickState`. */
export type Server = { readonly index: number; readonly name: string; readonly weight: number };

/** Live numbers, owned by the upstream, single-threaded; slot i belongs to the server with index i. */
export type PickState = {
  /** 1 when the server may take new requests (healthy, not draining, not over a limit), else 0. */
  readonly usable: Uint8Array;
  /** Requests in flight. */
  readonly active: Uint32Array;
  /** Scratch of the algorithm, one number per server, zero at start. */
  readonly scratch: Float64Array;
};

export type RequestOutcome = {
  readonly server: number;
  readonly ok: boolean;
  readonly elapsedMs: number;
};

export type Picker = {
  /**
   * The index of the server to use, or -1 when none is usable.
   * @param key hash of the affinity key, 0 when there is none
   * @param draw a random number in [0, 1)
   */
  pick(state: PickState, key: number, draw: number): number;
  observe(state: PickState, outcome: RequestOutcome): void;
};

export type BalancingAlgorithm<Options = unknown> = {
  readonly kind: string;
  readonly summary: string;
  readonly options: z.ZodType<Options>;
  build(servers: readonly Server[], options: Options): Picker;
};
