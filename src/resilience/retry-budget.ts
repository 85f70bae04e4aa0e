/**
 * How many retries an upstream may get. When much fails, retries are what keeps it failing; a budget
 * makes them a share of the traffic, whatever the rules would allow each request.
 */
export type RetryBudget = {
  /** A request has come (not a retry). */
  deposit(nowMs: number): void;
  /**
   * Takes one retry out of the budget.
   * @param inFlight requests in flight or waiting, each counted once, in whichever attempt it is
   * @returns false when there is none: the failure goes to the client
   */
  take(inFlight: number, nowMs: number): boolean;
  /** A retry that was taken has ended. */
  release(): void;
  /** Retries in flight. */
  readonly retries: number;
};

export type ShareBudgetRules = {
  /** Retries in flight per request in its first attempt. */
  readonly share: number;
  /** So many may be in flight however little is going on. */
  readonly concurrentMin: number;
};

export const DEFAULT_SHARE_BUDGET: ShareBudgetRules = { share: 0.2, concurrentMin: 3 };

/**
 * Retries in flight, as a share of requests in flight (Envoy's retry budget: 20 % of active and pending, at
 * least 3). Envoy counts the retries themselves as active, which makes a quarter of 20 %; here the share is
 * of the rest. It bounds work at one time: where first attempts hang and retries are quick there are more
 * retries per request than the share, so `bucketBudget` is the one that bounds amplification for sure.
 */
export function shareBudget(rules: ShareBudgetRules): RetryBudget {
  let retries = 0;
  return {
    deposit() {},
    take(inFlight) {
      const allowed = Math.max(rules.concurrentMin, rules.share * Math.max(0, inFlight - retries));
      if (retries + 1 > allowed) return false;
      retries += 1;
      return true;
    },
    release() {
      retries = Math.max(0, retries - 1);
    },
    get retries() {
      return retries;
    },
  };
}

export type BucketBudgetRules = {
  /** Retries per request. */
  readonly share: number;
  /** For how long a request's deposit, or a retry's cost, counts. */
  readonly windowMs: number;
  /** Retries per second that are free, so that a quiet upstream has some. */
  readonly reservePerSecond: number;
};

export const DEFAULT_BUCKET_BUDGET: BucketBudgetRules = {
  share: 0.2,
  windowMs: 10_000,
  reservePerSecond: 10,
};

/** The window moves on in steps of a tenth of itself. */
const SLICES = 10;

/**
 * A leaky token bucket (Finagle `RetryBudget`): a request puts in its share of a retry, a retry takes one
 * out, and both are forgotten after the window: retries are at most share × requests + reserve.
 */
export function bucketBudget(rules: BucketBudgetRules): RetryBudget {
  const slices = new Float64Array(SLICES);
  const sliceMs = rules.windowMs / SLICES;
  const reserve = (rules.reservePerSecond * rules.windowMs) / 1000;
  let current = Number.NEGATIVE_INFINITY;
  let retries = 0;

  /** Empties the slices that time has passed since. @returns the one of now */
  function sliceAt(nowMs: number): number {
    const now = Math.floor(nowMs / sliceMs);
    if (now - current >= SLICES) slices.fill(0);
    else for (let slice = current + 1; slice <= now; slice += 1) slices[slice % SLICES] = 0;
    current = Math.max(current, now);
    return current % SLICES;
  }

  return {
    deposit(nowMs) {
      slices[sliceAt(nowMs)]! += rules.share;
    },
    take(_inFlight, nowMs) {
      const slice = sliceAt(nowMs);
      let left = reserve + ROUNDING;
      for (const each of slices) left += each;
      if (left < 1) return false;
      slices[slice]! -= 1;
      retries += 1;
      return true;
    },
    release() {
      retries = Math.max(0, retries - 1);
    },
    get retries() {
      return retries;
    },
  };
}

/** Five times 0.2 is one. */
const ROUNDING = 1e-9;
