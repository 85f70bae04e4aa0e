import type { z } from 'zod';
import type { ProbeTimings } from '../health/observation.ts';

/** The contract of a probe kind: one attempt, one result, no memory, never a throw. */

/** What a probe is aimed at. `sourceAddress` is the vantage point's own address, when it has one. */
export type ProbeTarget = {
  readonly address: string;
  readonly port: number;
  readonly sourceAddress?: string;
  /** The header that each TCP connection there has to begin with. */
  readonly proxyProtocol?: 'v1' | 'v2';
};

/**
 * `reason` says in a few words why, also on success ("200 OK"). `rttMs` is the time the attempt took.
 * `local` marks an attempt that failed inside this host (no descriptors left, source address not
 * there): it says nothing about the target, so it becomes no observation.
 */
export type ProbeResult = {
  readonly ok: boolean;
  readonly rttMs: number;
  readonly reason: string;
  readonly local?: boolean;
  /** A success whose answer says that the target would rather have less to do. */
  readonly degraded?: boolean;
  /** Where the time went, as far as the attempt came. */
  readonly timings?: ProbeTimings;
  /** When the certificate that the target showed stops being valid, since the epoch. */
  readonly expiresAtMs?: number;
  /** What will be a failure if nobody looks after it ("certificate expires in 5 days"). */
  readonly warning?: string;
};

export type ProbeKind<Options = unknown> = {
  readonly kind: string;
  readonly summary: string;
  readonly options: z.ZodType<Options>;
  /** Attempts of this kind at once on one node, when it is dearer than a socket. */
  readonly inFlightMax?: number;
  /**
   * Settles soon after `signal` aborts (the monitor's timeout) with ok false and the signal's reason
   * when that is text ("timeout after 400 ms"), else "timeout".
   */
  run(target: ProbeTarget, options: Options, signal: AbortSignal): Promise<ProbeResult>;
};
