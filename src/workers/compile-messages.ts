import type { LatencyLayer } from '../clients/latency-layer.ts';
import type { Config, ZoneConfig } from '../config/config.ts';
import type { ZoneOverlay } from '../config/overlay.ts';
import type { GeoDatabase } from '../geo/database.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import type { ZoneTable } from '../zone/compiled-zones.ts';

/** One compilation: the configuration and the geo files in, the tables that workers serve out. */
export type CompileRequest = {
  readonly type: 'compile';
  readonly id: number;
  readonly config: Config;
  readonly generation: number;
  readonly revision: number;
  /** A configuration of the past, compiled to be looked at: what comes next is not made from it. */
  readonly isPast?: boolean;
  /** Nobody asked for it: geo data that are absurd beside those in force are not taken (nameserver/geo-guard.ts). */
  readonly isUnasked?: boolean;
  /** What was measured of clients. Default: nothing. */
  readonly latency?: LatencyLayer | undefined;
  /** Default: none. */
  readonly overlays?: readonly ZoneOverlay[];
};

export type CompileReply = {
  readonly type: 'compiled';
  readonly id: number;
  readonly result: CompileResult;
};

/** Other records of single zones, in what was compiled last. */
export type ReplaceRequest = {
  readonly type: 'replace';
  readonly id: number;
  /** What was compiled last must be this, and is the other one then. */
  readonly base: number;
  readonly generation: number;
  readonly zones: readonly (readonly [name: string, zone: ZoneConfig])[];
};

export type ReplaceReply = {
  readonly type: 'replaced';
  readonly id: number;
  readonly result: ReplaceResult;
};

export type ReplaceResult =
  | { readonly kind: 'replaced'; readonly table: ZoneTable }
  | { readonly kind: 'refused'; readonly reasons: readonly string[] }
  /** Not possible: all has to be compiled. */
  | { readonly kind: 'whole' };

export type CompileResult =
  | {
      readonly ok: true;
      readonly snapshot: Snapshot;
      readonly geo: GeoDatabase;
      /** Of the request. */
      readonly latency?: LatencyLayer | undefined;
      readonly warnings: readonly string[];
      /** Why new geo data are not in it, told once. */
      readonly geoRefused?: string | undefined;
      /** Why what was added to some zones is not in it: it is the configuration that counts. */
      readonly leftOut?: readonly string[];
      readonly elapsedMs: number;
    }
  | { readonly ok: false; readonly reasons: readonly string[] };
