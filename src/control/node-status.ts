import type { CapacityStatus } from './capacity-status.ts';
import type { ReloadResult } from './control-plane.ts';
import type { LatencyStatus } from './latency-status.ts';

/** The node itself, for people. */
export type NodeStatus = {
  readonly name: string;
  readonly version: string;
  readonly roles: readonly string[];
  readonly startedAtMs: number;
  readonly generation: number;
  /** Of the shared configuration; 0 = of its file. */
  readonly revision: number;
  /** True once sockets are bound and the first snapshot is served by every worker. */
  readonly ready: boolean;
  readonly geo: {
    readonly description: string;
    readonly builtAtMs: number;
    readonly networks: number;
    readonly attribution: string;
  };
  readonly latency?: LatencyStatus;
  readonly capacity?: CapacityStatus;
  readonly store: { readonly kind: string; readonly ok: boolean };
  readonly workers: readonly {
    readonly name: string;
    readonly state: 'starting' | 'running' | 'dead';
    readonly restarts: number;
    readonly engine: string;
  }[];
  readonly lastReload: ReloadResult | undefined;
  readonly queriesTotal: number;
};
