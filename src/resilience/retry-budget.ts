import { addToSum, createSlidingSum, sumAt } from './sliding-sum.ts';

/**
 * How many retries an upstream may get. When much fails, retries are what keeps it failing; a budget
 * makes them a share of the traffic, whatever the rules would allow each request.
 */
export type RetryBudget = {
  /** A request has come (not a retry). */
  deposit(nowMs: number): void;
  /** Takes one retry out of the budget. @returns false when there is none: the failure goes to the client */
  take(nowMs: number): boolean;
};

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

/** Of the window. */
const SLICES = 10;

/**
 * A leaky token bucket (Finagle `RetryBudget`): a request puts in its share of a retry, a retry takes one
 * out, and both are forgotten after the window: retries are at most share × requests + reserve. It bounds
 * what retries add, however quick they are; a share of what is in flight (Envoy's retry budget) does not
 * where first attempts hang and retries are quick.
 */
export function bucketBudget(rules: BucketBudgetRules): RetryBudget {
  const balance = createSlidingSum(rules.windowMs, SLICES);
  const reserve = (rules.reservePerSecond * rules.windowMs) / 1000;
  return {
    deposit: (nowMs) => addToSum(balance, rules.share, nowMs),
    take(nowMs) {
      if (reserve + sumAt(balance, nowMs) < 1 - ROUNDING) return false;
      addToSum(balance, -1, nowMs);
      return true;
    },
  };
}

/** Five times 0.2 is one. */
const ROUNDING = 1e-9;
