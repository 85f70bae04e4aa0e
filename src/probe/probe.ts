import type { z } from 'zod';

/** The contract of a probe kind: one attempt, one result, no memory, never a throw. */

/** What a probe is aimed at. `sourceAddress` is the vantage point's own address, when it has one. */
export type ProbeTarget = {
  readonly address: string;
  readonly port: number;
  readonly sourceAddress?: string;
};

/** `reason` says in a few words why, also on success ("200 OK"). `rttMs` is the time the attempt took. */
export type ProbeResult = { readonly ok: boolean; readonly rttMs: number; readonly reason: string };

export type ProbeKind<Options = unknown> = {
  readonly kind: string;
  readonly summary: string;
  readonly options: z.ZodType<Options>;
  /** Settles soon after `signal` aborts (the monitor's timeout) with ok false and reason "timeout". */
  run(target: ProbeTarget, options: Options, signal: AbortSignal): Promise<ProbeResult>;
};
