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
  /** The same, and connections that have become tunnels (WebSocket, TCP). */
  readonly connections: Uint32Array;
  /** Of those in flight, the ones that the server has whole and has not begun to answer. */
  readonly awaited: Uint32Array;
  /** The times since when it has them, added up. */
  readonly awaitedSinceMs: Float64Array;
  /** Weight at this moment: the server's, or less while it has just come back. */
  readonly weights: Float64Array;
  /** The algorithm's own, `SCRATCH` numbers per server from `SCRATCH * index` on; zero at start. */
  readonly scratch: Float64Array;
};

export const SCRATCH = 4;

export type Picker = {
  /**
   * The index of the server to use, or -1 when none is usable.
   * @param key hash of the affinity key, 0 when there is none
   * @param draw a random number in [0, 1)
   * @param nowMs time that never goes back
   */
  pick(state: PickState, key: number, draw: number, nowMs: number): number;
  /** How a request went. */
  observe?(state: PickState, server: number, outcome: RequestOutcome, nowMs: number): void;
  /** Of algorithms with a table: two nodes that show the same one send the same key to the same server. */
  readonly tableVersion?: string;
};

/** The caller uses one object for all of them. */
export type RequestOutcome = {
  /** False also of a 429: the server wants less. Undefined when its end says nothing of it: the client left. */
  ok: boolean | undefined;
  /** From when the server had all of the request until its answer began: what comes after is the client's pace, too. */
  elapsedMs: number;
  /** What the server asked for with its failure, five minutes at most; 0 = nothing. */
  retryAfterMs: number;
};

/** What of a request its affinity key is made of. */
export type KeySource =
  | { readonly kind: 'client'; readonly prefix4: number; readonly prefix6: number }
  | { readonly kind: 'host' | 'path' | 'uri' | 'connection' }
  | { readonly kind: 'query' | 'header' | 'cookie'; readonly name: string };

export type BalancingAlgorithm<Options = unknown> = {
  readonly kind: string;
  readonly summary: string;
  readonly options: z.ZodType<Options>;
  /** For algorithms that keep a key on its server. */
  keySource?(options: Options): KeySource;
  build(servers: readonly Server[], options: Options): Picker;
};
