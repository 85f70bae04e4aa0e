/**
 * Whether a failed attempt may be followed by another, and after how long.
 *
 *   response begun                                → never
 *   came from a balancer that retries already     → never: layers would multiply
 *   nothing written to the server                 → any method
 *   written, idempotent, body still at hand       → yes (RFC 9110 section 9.2.2: a proxy must not repeat
 *                                                   what is not idempotent)
 *   a status, of the list, idempotent, body       → yes; 429 only when the server says until when
 *
 * What is answered with `retry` still needs the budget's consent (`retry-budget.ts`); `retry-fresh` does
 * not: a reused connection that the server had closed says nothing about the server, a fresh connection
 * cannot fail in the same way, so there is one at most (nginx `proxy_next_upstream`: it uses up no try).
 */
export function judgeRetry(attempt: FailedAttempt, rules: RetryRules): RetryVerdict {
  const { failure } = attempt;
  if (attempt.responseForwarded) return 'response-started';
  if (failure !== 'status' && attempt.responseSeen) return 'response-started';
  if (attempt.fromBalancer) return 'another-balancer';
  if (failure === 'status' && !isRetriedStatus(attempt, rules)) return 'status';
  if (failure === 'status' && attempt.status === 425 && attempt.earlyData) return 'early-data';
  const isUnsent = attempt.bytesWritten === 0 && failure !== 'status';
  if (!isUnsent && !attempt.idempotent) return 'not-idempotent';
  if (!isUnsent && !attempt.bodyReplayable) return 'body-gone';
  if (attempt.remainingMs <= minimumWaitMs(attempt)) return 'no-time';
  if (failure === 'closed' && attempt.reused) return 'retry-fresh';
  if (!rules.on.has(failure)) return 'not-asked-for';
  return attempt.attempts >= rules.attemptsMax ? 'attempts-used' : 'retry';
}

export type RetryVerdict = 'retry' | 'retry-fresh' | RetryRefusal;

export type RetryRefusal =
  | 'response-started'
  | 'another-balancer'
  | 'status'
  | 'early-data'
  | 'not-idempotent'
  | 'body-gone'
  | 'no-time'
  | 'not-asked-for'
  | 'attempts-used';

/** `connect`: never open. `closed`: ended before a response. `timeout`: none in time. `status`: answered. */
export type RetryFailure = 'connect' | 'closed' | 'timeout' | 'status';

/** How an attempt went; the caller uses one object for all of them. */
export type FailedAttempt = {
  failure: RetryFailure;
  /** Counted attempts so far, this one included; what followed `retry-fresh` is not counted. */
  attempts: number;
  /** Bytes handed to the connection in this attempt. */
  bytesWritten: number;
  /** The connection had carried a request before. */
  reused: boolean;
  idempotent: boolean;
  /** There is no body, or all of it that was read is still in memory. */
  bodyReplayable: boolean;
  /** A byte of the final response has come from the server. */
  responseSeen: boolean;
  /** A byte of the final response has gone to the client. */
  responseForwarded: boolean;
  /** Of the response; 0 when there is none. */
  status: number;
  /** What Retry-After asks for; undefined when it is absent. */
  retryAfterMs: number | undefined;
  /** The request came with Early-Data: its 425 belongs to the client (RFC 8470 section 5.2). */
  earlyData: boolean;
  /** The request came with the attempt field of another balancer. */
  fromBalancer: boolean;
  /** There is a server that this request has not tried. */
  hasOtherServer: boolean;
  /** Until the deadline of the whole request, retries included. */
  remainingMs: number;
};

export type RetryRules = {
  /** The first attempt included. */
  readonly attemptsMax: number;
  readonly on: ReadonlySet<RetryFailure>;
  /** 429 is retried only with Retry-After, even when it is here. */
  readonly statuses: ReadonlySet<number>;
  /** The n-th wait is drawn from [0, (2^n - 1) × this), Envoy's fully jittered back-off. */
  readonly backOffBaseMs: number;
  readonly backOffMaxMs: number;
};

export const DEFAULT_RETRY_RULES: RetryRules = {
  attemptsMax: 3,
  on: new Set(['connect', 'closed', 'timeout', 'status']),
  statuses: new Set([425, 429, 502, 503, 504]),
  backOffBaseMs: 25,
  backOffMaxMs: 250,
};

/** On a request: the number of its attempt, from the second on. Whoever sees it does not retry. */
export const ATTEMPT_FIELD_NAME = 'X-Meridian-Attempt';

/** Bodies up to this are kept so that they can be sent once more (Pingora's retry buffer). */
export const REPLAYABLE_BODY_MAX_BYTES = 65_536;

/** RFC 9110 section 9.2.2 and, with RFC 10008, QUERY. */
export const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PUT',
  'DELETE',
  'QUERY',
]);

/**
 * How long to wait before the next attempt, in milliseconds. A server that could not even be connected to
 * was not burdened, so the first retry on another one goes at once.
 * @param draw a random number in [0, 1)
 */
export function retryWaitMs(attempt: FailedAttempt, rules: RetryRules, draw: number): number {
  const { attempts, failure, hasOtherServer } = attempt;
  if (failure === 'connect' && attempts === 1 && hasOtherServer) return 0;
  const exponent = Math.min(attempts, EXPONENT_MAX);
  const bound = Math.min((2 ** exponent - 1) * rules.backOffBaseMs, rules.backOffMaxMs);
  const leastMs = minimumWaitMs(attempt);
  return Math.min(leastMs + draw * bound, Math.max(leastMs, attempt.remainingMs));
}

/** Beyond it every back-off is at its maximum, and powers of two stay exact. */
const EXPONENT_MAX = 30;

/** Retry-After speaks for the server that sent it; a 429 is about the client, whichever server says it. */
function minimumWaitMs(attempt: FailedAttempt): number {
  const { failure, status, hasOtherServer, retryAfterMs = 0 } = attempt;
  if (failure !== 'status') return 0;
  return status === 429 || !hasOtherServer ? retryAfterMs : 0;
}

function isRetriedStatus({ status, retryAfterMs }: FailedAttempt, rules: RetryRules): boolean {
  return rules.statuses.has(status) && (status !== 429 || retryAfterMs !== undefined);
}
