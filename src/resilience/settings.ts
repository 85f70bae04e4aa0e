import { DEFAULT_BUCKET_BUDGET } from './retry-budget.ts';
import { DEFAULT_RETRY_RULES, type RetryFailure } from './retry-rules.ts';

/** What a configuration says about trouble with an upstream: plain data, with every default filled in. */
export type ResilienceSettings = {
  /**
   * From the end of the request until its response begins, all attempts and waits included,
   * milliseconds.
   */
  readonly totalTimeoutMs: number;
  readonly retries: RetrySettings;
};

/** As `RetryRules` and `BucketBudgetRules` have it, but with lists in place of sets. */
export type RetrySettings = {
  /** The first attempt included; 1 = no retries. */
  readonly attempts: number;
  readonly on: readonly RetryFailure[];
  readonly statuses: readonly number[];
  /** For one attempt to begin its response; absent = the upstream's response timeout alone. */
  readonly attemptTimeoutMs?: number;
  readonly backOffBaseMs: number;
  readonly backOffMaxMs: number;
  /** Retries per request. */
  readonly budgetShare: number;
  readonly reservePerSecond: number;
};

export const DEFAULT_RESILIENCE: ResilienceSettings = {
  totalTimeoutMs: 60_000,
  retries: {
    attempts: DEFAULT_RETRY_RULES.attemptsMax,
    on: [...DEFAULT_RETRY_RULES.on],
    statuses: [...DEFAULT_RETRY_RULES.statuses],
    backOffBaseMs: DEFAULT_RETRY_RULES.backOffBaseMs,
    backOffMaxMs: DEFAULT_RETRY_RULES.backOffMaxMs,
    budgetShare: DEFAULT_BUCKET_BUDGET.share,
    reservePerSecond: DEFAULT_BUCKET_BUDGET.reservePerSecond,
  },
};
