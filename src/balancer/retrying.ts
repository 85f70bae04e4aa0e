import {
  bucketBudget,
  DEFAULT_BUCKET_BUDGET,
  type RetryBudget,
} from '../resilience/retry-budget.ts';
import type { RetryRules } from '../resilience/retry-rules.ts';
import type { RetrySettings } from '../resilience/settings.ts';
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
