import { bytesOf } from '../http/ascii.ts';
import { putBytes } from '../http/byte-sink.ts';
import type { ResponseHead } from '../http/head.ts';
import { OUTCOME, type Outcome, outcomeOfStatus } from '../resilience/outlier.ts';
import { parseRetryAfter } from '../resilience/retry-after.ts';
import {
  type FailedAttempt,
  IDEMPOTENT_METHODS,
  judgeRetry,
  type RetryFailure,
  type RetryVerdict,
  retryWaitMs,
} from '../resilience/retry-rules.ts';
import { noteAttempt, noteSent } from './access-log.ts';
import { heldServer, isOverShare } from './cookie-affinity.ts';
import { type FailureKind, SERVER_COUNTER, UPSTREAM_COUNTER } from './counters.ts';
import { copyHasField, isFromBalancer } from './head-copy.ts';
import { promoteHedge } from './hedge.ts';
import { awaitHedge } from './hedge-lane.ts';
import { takeFromInbox } from './inbox.ts';
import { putAgain } from './replay.ts';
import { countAnswer, countFailure, countRetry } from './request-counts.ts';
import { releaseRetry, takeRetry } from './retrying.ts';
import { fieldText } from './rewrite.ts';
import type { Exchange, Session } from './session.ts';
import { dropConnection } from './session.ts';
import { homeOf, settleHome } from './table-affinity.ts';
import type { Upstream, UpstreamServer } from './upstream.ts';
import {
  beginRequest,
  endRequest,
  endTunnel,
  hasUntried,
  NOT_AWAITED,
  pickServer,
  startTunnel,
} from './upstream.ts';
import { learnClose, openConnection, takeIdle } from './upstream-connection.ts';
import { enterWaiting } from './waiting.ts';

/**
 * Attempts to have a request answered by a server, and when another may follow: the rules are those of
 * `resilience/retry-rules.ts`. Another attempt goes to a server that the request has not been to. When
 * there is none, the same server is asked again only if it has said after how long (Retry-After), or if
 * it had closed the idle connection that the request was sent on.
 */

/**
 * @param isHeadPut the head is the last that was put for the server already
 * @returns false when no server is usable; nothing has happened then
 */
export function beginAttempt(
  session: Session,
  exchange: Exchange,
  fresh: boolean,
  nowMs: number,
  isHeadPut = false,
): boolean {
  const { runtime } = session;
  const upstream = exchange.upstream!;
  const server = chooseServer(session, exchange, upstream, nowMs);
  if (server === undefined) return false;
  if (upstream.sessions !== undefined && !exchange.isAway) {
    settleHome(upstream.sessions, exchange, server, nowMs);
  }
  exchange.server = server;
  exchange.sends++;
  noteAttempt(session, exchange, nowMs);
  exchange.attemptMs = exchange.upstreamMs = nowMs;
  exchange.upstreamBlocked = false;
  beginRequest(server, runtime.counters, nowMs, exchange.requestDone);
  if (exchange.lane !== undefined) awaitHedge(session, exchange, nowMs);
  const idle = fresh ? undefined : takeIdle(server, nowMs);
  if (idle !== undefined) {
    idle.owner = session.upstreamHandlers;
    exchange.connection = idle;
    sendHead(session, exchange, isHeadPut);
    return true;
  }
  runtime.counters[server.counterBase + SERVER_COUNTER.connections]!++;
  session.phase = 'connect';
  exchange.connectUntilMs = nowMs + upstream.settings.connectTimeoutMs;
  exchange.connection = openConnection(server, runtime.connect, session.upstreamHandlers);
  return true;
}

/** The server of the request's session, else the one that the algorithm picks. */
function chooseServer(
  { runtime }: Session,
  exchange: Exchange,
  upstream: Upstream,
  nowMs: number,
): UpstreamServer | undefined {
  const { key, sends, tried } = exchange;
  const held = heldServer(upstream, homeOf(upstream, exchange), tried);
  if (sends === 0) exchange.wasHome = held !== undefined;
  if (held !== undefined && !isOverShare(upstream, held)) return held;
  const others = held === undefined ? tried : [...tried, held];
  const picked = pickServer(upstream, others, key, runtime.draw(), nowMs);
  if (held === undefined) return picked;
  if (picked === undefined) return held;
  // The session stays: only this request goes elsewhere.
  exchange.isAway = true;
  runtime.counters[upstream.place.base + UPSTREAM_COUNTER.sessionsSpared]!++;
  return picked;
}

/** The same, or the request waits for room. Nobody overtakes those who wait already. @returns false as above */
export function beginOrWait(
  session: Session,
  exchange: Exchange,
  nowMs: number,
  isHeadPut = false,
): boolean {
  const mayBegin = (exchange.upstream?.room?.queue.length ?? 0) === 0;
  if (mayBegin && beginAttempt(session, exchange, false, nowMs, isHeadPut)) return true;
  return enterWaiting(session, exchange, nowMs);
}

/** The connection is open: the head goes out, and the body may follow. */
export function sendHead(session: Session, exchange: Exchange, isPut = false): void {
  session.phase = 'exchange';
  noteSent(session, exchange.upstreamMs);
  const { head, sends } = exchange;
  const sink = session.runtime.toUpstream;
  if (isPut) {
    // Nothing is left to put.
  } else if (sends === 1) putBytes(sink, head.bytes, 0, head.length);
  else putAgain(sink, exchange);
  if (session.clientBlocked) exchange.connection?.wire.pause();
}

/** Settles the server's accounts of this attempt; `outcome` as in `endRequest`, `failure` of one without a status. */
export function endAttempt(
  session: Session,
  exchange: Exchange,
  outcome: Outcome | undefined,
  nowMs: number,
  failure: FailureKind = 'closed',
): void {
  const { server } = exchange;
  if (exchange.isRetry) {
    exchange.isRetry = false;
    releaseRetry(exchange.upstream);
  }
  if (server === undefined) return;
  exchange.server = undefined;
  if (exchange.isTunnel) {
    endTunnel(server, session.runtime.counters);
    return;
  }
  const { counters } = session.runtime;
  if (outcome !== undefined && outcome !== OUTCOME.ok) {
    countFailure(counters, server, outcome === OUTCOME.local ? failure : 'status');
  }
  const { responseStarted, retryAfterMs } = exchange;
  const awaitedMs = responseStarted ? NOT_AWAITED : awaitedSince(exchange);
  const answerMs = responseStarted ? exchange.answerMs : undefined;
  exchange.retryAfterMs = -1;
  endRequest(server, counters, outcome, awaitedMs, nowMs, answerMs, retryAfterMs);
}

/** From when on it is the server's time that runs. */
export const waitedSince = ({ attemptMs, wholeMs }: Exchange): number =>
  Math.max(attemptMs, wholeMs);

/** Of an attempt that has no answer. While the server waits for the client, no time is the server's. */
const awaitedSince = (exchange: Exchange): number =>
  exchange.requestDone ? waitedSince(exchange) : NOT_AWAITED;

/** The server has answered, and from now on it carries what is no request. */
export function beginTunnel(session: Session, exchange: Exchange, nowMs: number): void {
  const { server } = exchange;
  if (server === undefined) return;
  const { counters } = session.runtime;
  endRequest(server, counters, OUTCOME.ok, awaitedSince(exchange), nowMs);
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
  if (exchange.hedge !== undefined && (failure !== 'status' || !LAST_WORDS.has(verdict))) {
    endFailed(session, exchange, failure, head, isFresh, nowMs);
    exchange.tried = [...exchange.tried, server];
    promoteHedge(session, exchange, exchange.hedge);
    return true;
  }
  const mayRepeat = failed.hasOtherServer || failed.retryAfterMs !== undefined;
  const isRetry = verdict === 'retry' && mayRepeat && takeRetry(runtime.counters, upstream, nowMs);
  if (!isFresh && !isRetry && failure === 'status') return false;
  endFailed(session, exchange, failure, head, isFresh, nowMs);
  if (!isFresh && !isRetry) return false;
  countRetry(session, exchange, server);
  forgetResponse(exchange);
  // Its place in the list is of the upstream before.
  if (upstream !== exchange.upstream) exchange.hold = undefined;
  exchange.upstream = upstream;
  if (isFresh) return beginAttempt(session, exchange, true, nowMs);
  exchange.isRetry = true;
  exchange.isAway = exchange.wasHome && SIGNS_OF_LIFE.has(failure);
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

/** A session that its server has is not moved for these: the next request may find it well. */
const SIGNS_OF_LIFE: ReadonlySet<RetryFailure> = new Set(['status', 'timeout']);

/** Settles the accounts of an attempt that is not the client's answer, and closes its connection. */
function endFailed(
  session: Session,
  exchange: Exchange,
  failure: RetryFailure,
  head: ResponseHead | undefined,
  isFresh: boolean,
  nowMs: number,
): void {
  const { connection } = exchange;
  const isStale = failure === 'closed' && connection?.reused === true && !exchange.responseSeen;
  if (isStale) learnClose(connection, exchange.attemptMs);
  // A server that closes an idle connection has done no wrong.
  const outcome = head === undefined ? OUTCOME.local : outcomeOfStatus(head.status);
  if (head !== undefined) {
    exchange.retryAfterMs = sparedMs(head, nowMs);
    if (exchange.server)
      countAnswer(session, exchange.server, head.status, nowMs - waitedSince(exchange));
  }
  endAttempt(session, exchange, isFresh ? undefined : outcome, nowMs, failure);
  dropConnection(session);
}

/** Answers that are the client's, although another attempt is under way. */
const LAST_WORDS: ReadonlySet<RetryVerdict> = new Set(['status', 'early-data', 'not-asked-for']);

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
  failed.fromBalancer = isFromBalancer(exchange.head);
  failed.hasOtherServer = hasUntried(upstream, tried, server);
  failed.remainingMs = exchange.deadlineMs - nowMs;
}

/** The clock of workers began as the wall's, so a date means something to it. */
function retryAfterOf(head: ResponseHead, nowMs: number): number | undefined {
  const value = fieldText(head.bytes, head.fields, RETRY_AFTER);
  return value === undefined ? undefined : parseRetryAfter(value, nowMs);
}

/** How long the server of this response wants to be spared, milliseconds; -1 = it does not say that it does. */
export function sparedMs(head: ResponseHead, nowMs: number): number {
  if (head.status !== 429 && head.status < 500) return -1;
  return retryAfterOf(head, nowMs) ?? (head.status === 429 ? 0 : -1);
}

/** Of the attempt that failed: the next one has a response of its own. */
function forgetResponse(exchange: Exchange): void {
  const { responseInbox } = exchange;
  takeFromInbox(responseInbox, responseInbox.end - responseInbox.start);
  exchange.responseScanned = 0;
  exchange.responseSeen = false;
}

const RETRY_AFTER = bytesOf('retry-after');
const EARLY_DATA = bytesOf('early-data');
