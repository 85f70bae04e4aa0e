import {
  bucketBudget,
  DEFAULT_BUCKET_BUDGET,
  type RetryBudget,
} from '../resilience/retry-budget.ts';
import type { RetryRules } from '../resilience/retry-rules.ts';
import type { RetrySettings } from '../resilience/settings.ts';
import { UPSTREAM_COUNTER } from './counters.ts';
import { beginRetryInRoom, endRetryInRoom } from './room.ts';
import type { Upstream } from './upstream.ts';

/** An upstream's rules and budget for retries, out of its settings. */
export function retryRulesOf(settings: RetrySettings): RetryRules {
  return {
    attemptsMax: settings.attempts,
    on: new Set(settings.on),
    statuses: new Set(settings.statuses),
    backOffBaseMs: settings.backOffBaseMs,
    backOffMaxMs: settings.backOffMaxMs,
  };
}

/** What is left in the budget stays while its rules do: a change elsewhere is no new allowance. */
export function retryBudgetOf(settings: RetrySettings, former: Upstream | undefined): RetryBudget {
  const { budgetShare: share, reservePerSecond } = settings;
  const before = former?.settings.retries;
  const isSame = before?.budgetShare === share && before.reservePerSecond === reservePerSecond;
  if (former && isSame) return former.retryBudget;
  return bucketBudget({ ...DEFAULT_BUCKET_BUDGET, share, reservePerSecond });
}

/** Takes a retry out of the budget, and of the limit of those under way. @returns false when there is none */
export function takeRetry(counters: Float64Array, upstream: Upstream, nowMs: number): boolean {
  const { base } = upstream.place;
  if (!beginRetryInRoom(upstream.room)) {
    counters[base + UPSTREAM_COUNTER.retriesOverLimit]!++;
    return false;
  }
  if (upstream.retryBudget.take(nowMs)) return true;
  endRetryInRoom(upstream.room);
  counters[base + UPSTREAM_COUNTER.retriesOverBudget]!++;
  return false;
}

/** A retry that was taken has ended. */
export const releaseRetry = (upstream: Upstream | undefined): void =>
  endRetryInRoom(upstream?.room);
