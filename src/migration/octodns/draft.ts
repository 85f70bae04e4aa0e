import { createInterned, createNames, type Interned, type Names } from '../names.ts';
import type { Place } from '../notes.ts';

/** A configuration of ours while it is made: what is written later (write.ts), and where it comes from. */
export type Draft = {
  /** By pool of octoDNS, whichever records have it; BACKUP for the records' own values. */
  readonly regions: Map<string, string>;
  readonly regionNames: Names;
  readonly monitors: Interned<Readonly<Record<string, unknown>>>;
  readonly pools: Map<string, DraftPool>;
  readonly policies: Interned<readonly DraftStep[]>;
  /** Of pools and policies. */
  readonly names: Names;
  readonly zones: Map<string, DraftZone>;
  /** Where the things of a path in the configuration come from. */
  readonly sources: Map<string, Place>;
};

export type DraftPool = {
  readonly endpoints: readonly DraftEndpoint[];
  readonly comment: string | undefined;
};
export type DraftEndpoint = {
  readonly region: string;
  readonly name?: string;
  readonly addresses?: readonly string[];
  readonly cname?: string;
  readonly weight?: number;
  readonly monitor?: string;
  readonly comment?: string;
};
/** As it is written: a name, or a map. */
export type DraftStep = string | Readonly<Record<string, unknown>>;

export type DraftZone = {
  readonly at: Place;
  soa: Readonly<Record<string, unknown>> | undefined;
  nameservers: readonly string[];
  /** By owner, then type. */
  readonly records: Map<string, Map<string, DraftSet>>;
  readonly steered: Map<string, DraftSteered>;
};
export type DraftSet = { readonly ttl: number; readonly data: readonly string[] };
export type DraftSteered = {
  readonly pool: string;
  readonly policy: string;
  readonly ttlMin: number;
  readonly ttlMax: number;
};

/** Stands for the values of the records themselves, which octoDNS' documentation calls the backup. */
export const BACKUP = '';
/** Their region; a pool of octoDNS with this name gets another one. */
export const BACKUP_REGION = 'backup';

export function createDraft(): Draft {
  return {
    regions: new Map(),
    regionNames: createNames([BACKUP_REGION]),
    monitors: createInterned(),
    pools: new Map(),
    policies: createInterned(),
    names: createNames(),
    zones: new Map(),
    sources: new Map(),
  };
}
