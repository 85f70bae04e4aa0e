import type { LatencyQuantile } from './latency-quantile.ts';
import type { RetryBudget } from './retry-budget.ts';

/**
 * Hedging ("The Tail at Scale", CACM 2013): a request that takes longer than nearly all others of its
 * route is sent to a second server too, the first answer is used and the other attempt is cancelled.
 * About 5 % of requests pay for the tail of all. Only what is idempotent, once per request, never what is
 * a retry or comes from another balancer, and out of the budget of retries: when all are slow, a second
 * request helps nobody.
 *
 * The caller tells `observeLatency` when the request ends, whichever attempt answered: below the quantile
 * hedging changes nothing, so the estimate does not feed on itself.
 */
export function hedgeAfterMs(
  request: HedgeRequest,
  rules: HedgeRules,
  latency: LatencyQuantile,
): number | undefined {
  if (!rules.enabled || !request.idempotent || !request.bodyReplayable) return undefined;
  if (request.attempts > 1 || request.fromBalancer || !request.hasOtherServer) return undefined;
  if (Number.isNaN(latency.valueMs)) return undefined;
  const afterMs = Math.max(rules.leastMs, latency.valueMs);
  // No answer could come before the deadline.
  return afterMs < request.remainingMs ? afterMs : undefined;
}

/**
 * The time has come and there is no byte of a response: takes the second attempt out of the budget.
 * When it ends, or is cancelled, the caller gives it back with `budget.release()`.
 */
export function beginHedge(
  request: HedgeRequest,
  responseSeen: boolean,
  budget: RetryBudget,
  inFlight: number,
  nowMs: number,
): boolean {
  if (responseSeen || request.attempts > 1 || !request.hasOtherServer) return false;
  return budget.take(inFlight, nowMs);
}

/** What it depends on; the caller uses one object for all requests. */
export type HedgeRequest = {
  idempotent: boolean;
  bodyReplayable: boolean;
  /** So far, the one that is under way included. */
  attempts: number;
  fromBalancer: boolean;
  hasOtherServer: boolean;
  /** Until the deadline of the whole request. */
  remainingMs: number;
};

export type HedgeRules = {
  readonly enabled: boolean;
  /** Below this nobody waits long enough to be worth a second request. */
  readonly leastMs: number;
};

export const DEFAULT_HEDGE_RULES: HedgeRules = { enabled: false, leastMs: 5 };

/** Of the route's times: what is slower is hedged. */
export const HEDGE_QUANTILE = 0.95;
