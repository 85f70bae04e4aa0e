import type { LatencyQuantile } from './latency-quantile.ts';

/**
 * Hedging ("The Tail at Scale", CACM 2013): a request that takes longer than nearly all others of its
 * route is sent to a second server too, the first good answer is used and the other attempt is cancelled.
 * About 5 % of requests pay for the tail of all. Only what may be sent twice, once per request, never what
 * is a retry or comes from another balancer, and out of the budget of retries: when all are slow, a second
 * request helps nobody.
 *
 * `latency` is of requests, from their first attempt until an answer began, whichever attempt gave it:
 * below the quantile hedging changes nothing, so the estimate does not feed on itself.
 */
export type HedgeRules = {
  /** Of the route's times, 0..1: what takes longer is hedged. */
  readonly quantile: number;
  /** Below this nobody waits long enough to be worth a second request. */
  readonly leastMs: number;
};

export const DEFAULT_HEDGE_RULES: HedgeRules = { quantile: 0.95, leastMs: 5 };

/** How long a request waits for its answer before it is hedged; undefined while its route is unknown. */
export function hedgeDelayMs(rules: HedgeRules, latency: LatencyQuantile): number | undefined {
  const { valueMs } = latency;
  return Number.isNaN(valueMs) ? undefined : Math.max(rules.leastMs, valueMs);
}

/** The time has come. What is answered with `hedge` still needs a server, and the budget's consent. */
export function judgeHedge(attempt: HedgedAttempt, attemptsMax: number): HedgeVerdict {
  if (attempt.responseSeen) return 'response-started';
  if (attempt.attempts > 1) return 'a-retry';
  if (attempt.fromBalancer) return 'another-balancer';
  if (!attempt.bodyReplayable) return 'body-gone';
  if (attempt.isHeld) return 'held';
  return attempt.attempts >= attemptsMax ? 'attempts-used' : 'hedge';
}

export type HedgeVerdict =
  | 'hedge'
  | 'response-started'
  | 'a-retry'
  | 'another-balancer'
  | 'body-gone'
  | 'held'
  | 'attempts-used';

/** The attempt that is slow; the caller uses one object for all of them. */
export type HedgedAttempt = {
  /** A byte of a response has come. */
  responseSeen: boolean;
  /** So far, this one included. */
  attempts: number;
  fromBalancer: boolean;
  bodyReplayable: boolean;
  /** A session keeps the client on this server, which alone may know it. */
  isHeld: boolean;
};
