/** One probe's datum: what one vantage point saw of one target at one instant. */
export type Observation = {
  readonly atMs: number;
  readonly ok: boolean;
  readonly rttMs: number;
  readonly reason: string;
  /** The target is up and asks for less. */
  readonly degraded?: boolean;
  readonly timings?: ProbeTimings;
  /** When the target's certificate stops being valid, since the epoch. */
  readonly expiresAtMs?: number;
  /** What is well yet and will not stay so: "certificate expires in 5 days". */
  readonly warning?: string;
};

/**
 * Where the time of an attempt went, in milliseconds, each phase by itself; `rttMs` is all of it.
 * A phase that did not happen, or not to its end, is absent.
 */
export type ProbeTimings = {
  /** TCP handshake. */
  readonly connectMs?: number;
  /** TLS handshake, after that. */
  readonly tlsMs?: number;
  /** From the question sent to the first byte of the answer. */
  readonly firstByteMs?: number;
};
