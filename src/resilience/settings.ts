import type { AdmissionRules } from './admission.ts';
import type { HedgeRules } from './hedging.ts';
import { DEFAULT_OUTLIER_RULES, type OutlierRules } from './outlier.ts';
import { DEFAULT_PANIC_RULES, type PanicRules } from './panic.ts';
import { DEFAULT_BUCKET_BUDGET } from './retry-budget.ts';
import { DEFAULT_RETRY_RULES, type RetryFailure } from './retry-rules.ts';
import { DEFAULT_SLOW_START, type SlowStartRules } from './slow-start.ts';
import { DEFAULT_WAIT_QUEUE } from './wait-queue.ts';

/** What a configuration says about trouble with an upstream: plain data, with every default filled in. */
export type ResilienceSettings = {
  /**
   * From the end of the request until its response begins, all attempts and waits included,
   * milliseconds.
   */
  readonly totalTimeoutMs: number;
  readonly retries: RetrySettings;
  /** Absent = a slow request is waited for. */
  readonly hedging?: HedgeRules;
  readonly outliers: OutlierRules;
  readonly slowStart: SlowStartRules;
  /** The share of its weight that a degraded server keeps. */
  readonly degradedWeight: number;
  readonly panic: PanicRules;
  readonly limits: LimitSettings;
  /** Absent = nothing is refused for what fails. */
  readonly shedding?: AdmissionRules;
};

/** Per worker; absent = no limit. */
export type LimitSettings = {
  readonly requests?: number;
  readonly connections?: number;
  /** Retries under way. */
  readonly retries?: number;
  readonly serverRequests?: number;
  readonly serverConnections?: number;
  /** Requests per server are limited to what it is found to take. */
  readonly adaptive: boolean;
  readonly queueMax: number;
  readonly queueTimeoutMs: number;
  readonly queueOrder: 'fifo' | 'adaptive-lifo';
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
  outliers: DEFAULT_OUTLIER_RULES,
  slowStart: DEFAULT_SLOW_START,
  degradedWeight: 0.1,
  // No panic: where all servers are down the answer is 503, probes see it, and DNS moves the clients.
  panic: { ...DEFAULT_PANIC_RULES, panicThreshold: 0 },
  limits: {
    adaptive: false,
    queueMax: DEFAULT_WAIT_QUEUE.waitingMax,
    queueTimeoutMs: DEFAULT_WAIT_QUEUE.timeoutMs,
    queueOrder: DEFAULT_WAIT_QUEUE.order,
  },
};
