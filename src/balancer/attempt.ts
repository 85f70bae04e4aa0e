import { bytesOf } from '../http/ascii.ts';
import { putBytes, putText } from '../http/byte-sink.ts';
import type { ResponseHead } from '../http/head.ts';
import { OUTCOME, type Outcome, outcomeOfStatus } from '../resilience/outlier.ts';
import { parseRetryAfter } from '../resilience/retry-after.ts';
import {
  ATTEMPT_FIELD,
  type FailedAttempt,
  IDEMPOTENT_METHODS,
  judgeRetry,
  type RetryFailure,
  retryWaitMs,
} from '../resilience/retry-rules.ts';
import { noteAttempt, noteSent } from './access-log.ts';
import { heldServer } from './cookie-affinity.ts';
import { SERVER_COUNTER } from './counters.ts';
import { copyHasField } from './head-copy.ts';
import { takeFromInbox } from './inbox.ts';
import { fieldText } from './rewrite.ts';
import { releaseRetry, takeRetry } from './room.ts';
import type { Exchange, Session } from './session.ts';
import { dropConnection } from './session.ts';
import type { Upstream } from './upstream.ts';
import {
  beginRequest,
  endRequest,
  endTunnel,
  hasUntried,
  learnClose,
  openConnection,
  pickServer,
  startTunnel,
  takeIdle,
} from './upstream.ts';
import { enterWaiting } from './waiting.ts';

/**
 * Attempts to have a request answered by a server, and when another may follow: the rules are those of
 * `resilience/retry-rules.ts`. Another attempt goes to a server that the request has not been to. When
 * there is none, the same server is asked again only if it has said after how long (Retry-After), or if
 * it had closed the idle connection that the request was sent on.
 */

/** @returns false when no server is usable; nothing has happened then */
export function beginAttempt(
  session: Session,
  exchange: Exchange,
  fresh: boolean,
  nowMs: number,
): boolean {
  const { runtime } = session;
  const upstream = exchange.upstream!;
  const server =
    heldServer(upstream, exchange.hold, exchange.tried) ??
    pickServer(upstream, exchange.tried, exchange.key, runtime.draw(), nowMs);
  if (server === undefined) return false;
  exchange.server = server;
  exchange.sends++;
  noteAttempt(session, exchange, nowMs);
  exchange.attemptMs = exchange.upstreamMs = nowMs;
  exchange.upstreamBlocked = false;
  beginRequest(server, runtime.counters, nowMs);
  const idle = fresh ? undefined : takeIdle(server, nowMs);
  if (idle !== undefined) {
    idle.owner = session.upstreamHandlers;
    exchange.connection = idle;
    sendHead(session, exchange);
    return true;
  }
  runtime.counters[server.counterBase + SERVER_COUNTER.connections]!++;
  session.phase = 'connect';
  exchange.connectUntilMs = nowMs + upstream.settings.connectTimeoutMs;
  exchange.connection = openConnection(server, runtime.connect, session.upstreamHandlers);
  return true;
}

/** The connection is open: the head goes out, and the body may follow. */
export function sendHead(session: Session, exchange: Exchange): void {
  session.phase = 'exchange';
  noteSent(session, exchange.upstreamMs);
  const { head, replay, sends } = exchange;
  const sink = session.runtime.toUpstream;
  if (sends === 1) putBytes(sink, head.bytes, 0, head.length);
  else {
    // Before the empty line that ends it.
    putBytes(sink, head.bytes, 0, head.length - 2);
    putText(sink, `${ATTEMPT_FIELD_NAME}: ${sends}\r\n\r\n`);
    if (replay) putBytes(sink, replay.bytes, 0, replay.length);
  }
  if (session.clientBlocked) exchange.connection?.wire.pause();
}

/** Settles the server's accounts of this attempt; `outcome` as in `endRequest`. */
export function endAttempt(
  session: Session,
  exchange: Exchange,
  outcome: Outcome | undefined,
  nowMs: number,
): void {
  const { server } = exchange;
  if (exchange.isRetry) {
    exchange.isRetry = false;
    exchange.upstream?.retryBudget.release();
    releaseRetry(exchange.upstream?.room);
  }
  if (server === undefined) return;
  exchange.server = undefined;
  if (exchange.isTunnel) {
    endTunnel(server, session.runtime.counters);
    return;
  }
  const answerMs = exchange.responseStarted ? exchange.answerMs : nowMs - exchange.attemptMs;
  endRequest(server, session.runtime.counters, outcome, exchange.attemptMs, nowMs, answerMs);
}

/** The server has answered, and from now on it carries what is no request. */
export function beginTunnel(session: Session, exchange: Exchange, nowMs: number): void {
  const { server } = exchange;
  if (server === undefined) return;
  const { counters } = session.runtime;
  endRequest(server, counters, OUTCOME.ok, exchange.attemptMs, nowMs);
  startTunnel(server, counters);
  exchange.isTunnel = true;
}

/**
 * The attempt failed, or was answered with a status of the list (`head`).
 * @returns whether another one is under way or waited for; if not, nothing has happened to an attempt
 *   that was answered, and any other is over
 */
export function retry(
  session: Session,
  exchange: Exchange,
  failure: RetryFailure,
  head: ResponseHead | undefined,
  nowMs: number,
): boolean {
  const { runtime } = session;
  const { server } = exchange;
  // Since the attempt began there may be another snapshot; the server knows the upstream of now.
  const upstream = server?.upstream ?? exchange.upstream;
  if (server === undefined || upstream === undefined) return false;
  describe(session, exchange, upstream, failure, head, nowMs);
  const rules = upstream.retryRules;
  const verdict = judgeRetry(failed, rules);
  const isFresh = verdict === 'retry-fresh';
  const mayRepeat = failed.hasOtherServer || failed.retryAfterMs !== undefined;
  const isRetry = verdict === 'retry' && mayRepeat && takeBoth(upstream, nowMs);
  if (!isFresh && !isRetry && failure === 'status') return false;
  const { connection } = exchange;
  const isStale = failure === 'closed' && connection?.reused === true && !exchange.responseSeen;
  if (isStale) learnClose(connection, exchange.attemptMs);
  // A server that closes an idle connection has done no wrong.
  const outcome = head === undefined ? OUTCOME.local : outcomeOfStatus(head.status);
  endAttempt(session, exchange, isFresh ? undefined : outcome, nowMs);
  dropConnection(session);
  if (!isFresh && !isRetry) return false;
  runtime.counters[server.counterBase + SERVER_COUNTER.retries]!++;
  forgetResponse(exchange);
  // Its place in the list is of the upstream before.
  if (upstream !== exchange.upstream) exchange.hold = undefined;
  exchange.upstream = upstream;
  if (isFresh) return beginAttempt(session, exchange, true, nowMs);
  exchange.isRetry = true;
  exchange.attempts++;
  exchange.tried = failed.hasOtherServer ? [...exchange.tried, server] : [];
  const waitMs = retryWaitMs(failed, rules, runtime.draw());
  if (waitMs <= 0) return beginAttempt(session, exchange, false, nowMs);
  session.phase = 'wait';
  exchange.waitUntilMs = nowMs + waitMs;
  runtime.waiting.add(session);
  runtime.wakeAfter(waitMs);
  return true;
}

/** The wait before an attempt is over. @returns false when no server is usable */
export function endWait(session: Session, exchange: Exchange, nowMs: number): boolean {
  session.runtime.waiting.delete(session);
  if (beginAttempt(session, exchange, false, nowMs)) return true;
  if (enterWaiting(session, exchange, nowMs)) return true;
  endAttempt(session, exchange, undefined, nowMs);
  return false;
}

/** One for all: it is used within one call only. */
const failed: FailedAttempt = {
  failure: 'connect',
  attempts: 0,
  bytesWritten: 0,
  reused: false,
  idempotent: false,
  bodyReplayable: false,
  responseSeen: false,
  responseForwarded: false,
  status: 0,
  retryAfterMs: undefined,
  earlyData: false,
  fromBalancer: false,
  hasOtherServer: false,
  remainingMs: 0,
};

function describe(
  session: Session,
  exchange: Exchange,
  upstream: Upstream,
  failure: RetryFailure,
  head: ResponseHead | undefined,
  nowMs: number,
): void {
  const { connection, server, tried } = exchange;
  failed.failure = failure;
  failed.attempts = exchange.attempts;
  failed.bytesWritten = session.phase === 'connect' ? 0 : exchange.head.length;
  failed.reused = connection?.reused === true;
  failed.idempotent = IDEMPOTENT_METHODS.has(exchange.method);
  failed.bodyReplayable = exchange.bodyReplayable;
  failed.responseSeen = exchange.responseSeen;
  failed.responseForwarded = exchange.responseStarted;
  failed.status = head?.status ?? 0;
  failed.retryAfterMs = head && retryAfterOf(head, nowMs);
  failed.earlyData = copyHasField(exchange.head, EARLY_DATA);
  failed.fromBalancer = copyHasField(exchange.head, ATTEMPT);
  failed.hasOtherServer = hasUntried(upstream, tried, server);
  failed.remainingMs = exchange.deadlineMs - nowMs;
}

/** The clock of workers began as the wall's, so a date means something to it. */
function retryAfterOf(head: ResponseHead, nowMs: number): number | undefined {
  const value = fieldText(head.bytes, head.fields, RETRY_AFTER);
  return value === undefined ? undefined : parseRetryAfter(value, nowMs);
}

/** Of the attempt that failed: the next one has a response of its own. */
function forgetResponse(exchange: Exchange): void {
  const { responseInbox } = exchange;
  takeFromInbox(responseInbox, responseInbox.end - responseInbox.start);
  exchange.responseScanned = 0;
  exchange.responseSeen = false;
}

/** Out of the budget, and of the limit of those under way. */
function takeBoth(upstream: Upstream, nowMs: number): boolean {
  if (!takeRetry(upstream.room)) return false;
  if (upstream.retryBudget.take(inFlightOf(upstream), nowMs)) return true;
  releaseRetry(upstream.room);
  return false;
}

function inFlightOf({ active }: Upstream): number {
  let total = 0;
  for (const each of active) total += each;
  return total;
}

const RETRY_AFTER = bytesOf('retry-after');
const EARLY_DATA = bytesOf('early-data');
const ATTEMPT = bytesOf(ATTEMPT_FIELD);
const ATTEMPT_FIELD_NAME = 'X-Meridian-Attempt';
