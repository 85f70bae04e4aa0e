import type { AddedRecord, ZoneAdditions } from '../nameserver/added-records.ts';

/** What updates and people can do with the records that a zone has besides its configuration. */
export type ZoneRecords = {
  /** By the zone's name in the configuration. */
  additions(zone: string): ZoneAdditions;
  /**
   * Changes the records of the zone for all nodes and serves them here.
   * @param decide called with what is there, perhaps several times: the records to be there instead, or
   *   a refusal, which is then the outcome
   */
  change<Refusal extends object>(
    zone: string,
    decide: (records: readonly AddedRecord[], nowMs: number) => Decision<Refusal>,
  ): Promise<Kept<Refusal>>;
};

export type Decision<Refusal> =
  | { readonly records: readonly AddedRecord[] }
  | { readonly refusal: Refusal };

export type Kept<Refusal> =
  | { readonly ok: true; readonly state: ZoneAdditions; readonly isChanged: boolean }
  | { readonly ok: false; readonly refusal: Refusal }
  /** It may come to be later; nothing was lost. */
  | { readonly ok: false; readonly refusal: undefined; readonly reason: string };

/** Who serves a change by now. Names of nodes. */
export type Visibility = {
  /** Every node that lives serves it. */
  readonly visible: boolean;
  readonly confirmed: readonly string[];
  /** Alive, and has not said so. */
  readonly pending: readonly string[];
  /** Not heard for a while: nobody waits for them. */
  readonly silent: readonly string[];
};
