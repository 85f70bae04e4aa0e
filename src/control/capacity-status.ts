import type { PoolShares } from '../capacity/share-control.ts';

/** The capacity plan that this node steers by; there is none to tell of where no policy goes by it. */
export type CapacityStatus = {
  /** Undefined = there is none yet: everybody goes where their policy sends them. */
  readonly plan?: {
    readonly generation: number;
    readonly madeAtMs: number;
    /** Classes of clients that it knows. */
    readonly classes: number;
    /** Requests a second that it expects in all. */
    readonly demand: number;
    /** What a request loses on average because not everybody is in the region that is nearest, milliseconds. */
    readonly addedMs: number;
    readonly regions: readonly PlannedRegion[];
  };
  /** Of the last window; undefined = another node plans, or none can. */
  readonly planning?: {
    /** Of all demand, what was moved and what is still to be; 0..1. */
    readonly movedShare: number;
    readonly waitingShare: number;
    /** Regions whose balancers tell what they carry. */
    readonly measured: number;
    /** Of pools whose clients are shared out by weight: what is wanted, and what comes. */
    readonly shares: readonly PlannedShares[];
  };
};

/** What the plan expects of a region, and what it would be worth if it could carry more. */
export type PlannedRegion = {
  readonly name: string;
  /** Requests a second, as it is configured; 0 = not stated. */
  readonly capacity: number;
  /** The same as the plan counts: less where more comes than is sent, as of large caches; 0 = no bound. */
  readonly room: number;
  readonly target: number;
  readonly load: number;
  /** Milliseconds that one more request of room would save: 0 = there is room. */
  readonly priceMs: number;
};

export type PlannedShares = PoolShares & { readonly pool: string };
