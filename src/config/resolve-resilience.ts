import type { ResilienceSettings, RetrySettings } from '../resilience/settings.ts';
import type { ResilienceFields } from './resilience-schema.ts';

/** The settings of an upstream for trouble, with the defaults that depend on others. */
export function resolveResilience(
  { retries, totalTimeout }: ResilienceFields,
  responseTimeoutMs: number,
): ResilienceSettings {
  return {
    // One attempt that hangs leaves time for another.
    totalTimeoutMs: totalTimeout ?? 2 * responseTimeoutMs,
    retries: resolveRetries(retries),
  };
}

function resolveRetries(retries: ResilienceFields['retries']): RetrySettings {
  const { attemptTimeout, attempts, backOff, backOffMax, budget, on, reserve, statuses } = retries;
  return {
    attempts,
    on,
    statuses,
    ...(attemptTimeout === undefined ? {} : { attemptTimeoutMs: attemptTimeout }),
    backOffBaseMs: backOff,
    backOffMaxMs: backOffMax,
    budgetShare: budget,
    reservePerSecond: reserve,
  };
}
