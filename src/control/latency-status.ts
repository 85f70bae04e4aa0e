/** The latency map that this node steers by; there is none to tell of where no policy goes by latency. */
export type LatencyStatus = {
  /** Undefined = there is none yet: geography orders regions. */
  readonly map?: {
    readonly generation: number;
    readonly madeAtMs: number;
    /** Client networks that have another order of regions than geography gives them. */
    readonly networks: number;
  };
  /** Of the last window; undefined = another node makes the map, or none can. */
  readonly planning?: LatencyPlanning;
  /** Undefined = this node probes nobody. */
  readonly probes?: LatencyProbes;
  /** Reports of pages that came to this node: that were taken, and that were not. Undefined = pages measure nothing. */
  readonly pages?: { readonly taken: number; readonly refused: number };
};

/** What vantage points of this node measure. */
export type LatencyProbes = {
  /** Resolvers and beacons, for each vantage point. */
  readonly targets: number;
  /** That answered when they were measured last. */
  readonly answering: number;
  /** Round trips so far that were answered, and that were not. */
  readonly answered: number;
  readonly unanswered: number;
};

export type LatencyPlanning = {
  /** Client networks that something is known of, and octets that they take. */
  readonly networks: number;
  readonly octets: number;
  /** That have got another order of regions, and what part of the demand they are. */
  readonly moved: number;
  readonly movedShare: number;
  /** That would move and must wait, for their dwell time or for others. */
  readonly waiting: number;
  /** That try a region now. */
  readonly exploring: number;
};
