import type { HedgedAttempt } from '../resilience/hedging.ts';
import { judgeHedge } from '../resilience/hedging.ts';
import { observeLatency } from '../resilience/latency-quantile.ts';
import { OUTCOME, type Outcome, outcomeOfStatus } from '../resilience/outlier.ts';
import { noteFront } from './access-log.ts';
import { type FailureKind, SERVER_COUNTER } from './counters.ts';
import { isFromBalancer } from './head-copy.ts';
import { leaveLane, tickLanes } from './hedge-lane.ts';
import { createInbox, type Inbox } from './inbox.ts';
import { putAgain } from './replay.ts';
import { countConnect, countFailure, countRetry } from './request-counts.ts';
import { releaseRetry, takeRetry } from './retrying.ts';
import type { BalancerRuntime, Exchange, Session } from './session.ts';
import { homeOf } from './table-affinity.ts';
import type { UpstreamServer } from './upstream.ts';
import { beginRequest, endRequest, LATE, NOT_AWAITED, pickServer } from './upstream.ts';
import type { UpstreamConnection } from './upstream-connection.ts';
import {
  discardConnection,
  learnClose,
  learnRtt,
  openConnection,
  takeIdle,
} from './upstream-connection.ts';
import type { WireHandlers } from './wire.ts';

/**
 * A second attempt beside the first (rules: `resilience/hedging.ts`). The exchange knows the attempt in
 * front; the other stands aside here, and they change places whenever the one aside speaks. So whatever
 * comes is read by the code that reads the response of any attempt, until one is good:
 *
 *   begin → two under way → a good head from either     → the other is cancelled
 *                         → the one in front fails      → the other takes its place
 *                         → the one aside fails         → it is gone
 *                         → the client leaves, no time  → both are cancelled
 *
 * As Envoy has it with `hedge_on_per_try_timeout`: an answer that would be retried is dropped while
 * another attempt is under way.
 */
export type Hedge = {
  server: UpstreamServer;
  connection: UpstreamConnection;
  isConnecting: boolean;
  connectUntilMs: number;
  attemptMs: number;
  /** Both of the access log; 0 = not yet, or nobody wants to know. */
  sentMs: number;
  firstByteMs: number;
  /** Last sign of life of the server, or of us towards it. */
  upstreamMs: number;
  /** The head of its response, as far as it has come. */
  inbox: Inbox;
  scanned: number;
  responseSeen: boolean;
  /** For whichever connection stands aside. */
  readonly handlers: WireHandlers;
};

type Resume = (session: Session, nowMs: number) => void;

/** Applies the clock: sends those requests once more whose time has come. */
export function tickHedges(runtime: BalancerRuntime, resume: Resume, nowMs: number): void {
  if (runtime.hedgeLanes.length === 0) return;
  const begin = (session: Session, exchange: Exchange): void =>
    beginHedge(session, exchange, resume, nowMs);
  tickLanes(runtime, begin, nowMs);
}

/** One for all: it is used within one call only. */
const slowAttempt: HedgedAttempt = {
  responseSeen: false,
  attempts: 0,
  fromBalancer: false,
  bodyReplayable: false,
  isHeld: false,
};

function beginHedge(session: Session, exchange: Exchange, resume: Resume, nowMs: number): void {
  const { runtime } = session;
  const slow = exchange.server;
  // Since the attempt began there may be another snapshot; the server knows the upstream of now.
  const upstream = slow?.upstream;
  if (slow === undefined || upstream?.hedging === undefined || nowMs >= exchange.deadlineMs) return;
  slowAttempt.responseSeen = exchange.responseSeen;
  slowAttempt.attempts = exchange.attempts;
  slowAttempt.fromBalancer = isFromBalancer(exchange.head);
  slowAttempt.bodyReplayable = exchange.bodyReplayable;
  slowAttempt.isHeld = isHome(exchange, slow);
  if (judgeHedge(slowAttempt, upstream.retryRules.attemptsMax) !== 'hedge') return;
  const server = pickServer(upstream, [slow], exchange.key, runtime.draw(), nowMs);
  if (server === undefined || !takeRetry(runtime.counters, upstream, nowMs)) return;
  countRetry(session, exchange, slow);
  runtime.counters[slow.counterBase + SERVER_COUNTER.hedges]!++;
  if (upstream !== exchange.upstream) exchange.hold = undefined;
  exchange.upstream = upstream;
  exchange.attempts++;
  exchange.sends++;
  if (session.entry) session.entry.attempts++;
  beginRequest(server, runtime.counters, nowMs, exchange.requestDone);
  const handlers = asideHandlers(session, resume);
  const idle = takeIdle(server, nowMs);
  if (idle === undefined) runtime.counters[server.counterBase + SERVER_COUNTER.connections]!++;
  else idle.owner = handlers;
  const hedge: Hedge = {
    server,
    connection: idle ?? openConnection(server, runtime.connect, handlers),
    isConnecting: idle === undefined,
    connectUntilMs: nowMs + upstream.settings.connectTimeoutMs,
    attemptMs: nowMs,
    sentMs: 0,
    firstByteMs: 0,
    upstreamMs: nowMs,
    inbox: createInbox(),
    scanned: 0,
    responseSeen: false,
    handlers,
  };
  exchange.hedge = hedge;
  if (idle !== undefined) sendAside(session, exchange, hedge, nowMs);
}

/** Whether a session keeps the request on this server. Its index is that of the upstream it was chosen from. */
function isHome(exchange: Exchange, server: UpstreamServer): boolean {
  const { upstream } = exchange;
  const home = upstream === undefined ? -1 : homeOf(upstream, exchange);
  return home >= 0 && upstream?.servers[home] === server;
}

/** What is heard of the attempt that stands aside. */
function asideHandlers(session: Session, resume: Resume): WireHandlers {
  const end = (nowMs: number): void => {
    const { exchange } = session;
    if (exchange?.hedge === undefined) return;
    const kind = exchange.hedge.isConnecting ? 'connect' : 'closed';
    failAside(session, exchange, exchange.hedge, kind, nowMs);
    resume(session, nowMs);
  };
  return {
    onOpen(nowMs) {
      const { exchange } = session;
      if (exchange?.hedge === undefined) return;
      const { attemptMs, server } = exchange.hedge;
      learnRtt(server, nowMs - attemptMs);
      countConnect(session.runtime.counters, server, nowMs - attemptMs);
      sendAside(session, exchange, exchange.hedge, nowMs);
    },
    onData(bytes, nowMs) {
      const { exchange } = session;
      if (exchange?.hedge === undefined) return;
      changePlaces(session, exchange, exchange.hedge);
      session.upstreamHandlers.onData(bytes, nowMs);
    },
    onEnd: end,
    onDrain() {},
    onClose: (_, nowMs) => end(nowMs),
  };
}

/** The whole request, which is at hand. Between events: the sink is empty. */
function sendAside(session: Session, exchange: Exchange, hedge: Hedge, nowMs: number): void {
  const { counters, toUpstream } = session.runtime;
  hedge.isConnecting = false;
  hedge.upstreamMs = hedge.sentMs = nowMs;
  putAgain(toUpstream, exchange);
  hedge.connection.wire.write(toUpstream.bytes, toUpstream.length);
  counters[hedge.server.counterBase + SERVER_COUNTER.bytesOut]! += toUpstream.length;
  toUpstream.length = 0;
}

function changePlaces(session: Session, exchange: Exchange, hedge: Hedge): void {
  const { attemptMs, connectUntilMs, connection, responseInbox, server, upstreamMs } = exchange;
  const { responseScanned, responseSeen } = exchange;
  const isConnecting = session.phase === 'connect';
  const { sentMs, firstByteMs } = session.entry ?? UNLOGGED;
  if (server === undefined || connection === undefined) return;
  putInFront(session, exchange, hedge);
  connection.owner = hedge.handlers;
  Object.assign(hedge, { server, connection, isConnecting, connectUntilMs, attemptMs });
  Object.assign(hedge, { sentMs, firstByteMs });
  hedge.upstreamMs = upstreamMs;
  hedge.inbox = responseInbox;
  hedge.scanned = responseScanned;
  hedge.responseSeen = responseSeen;
}

const UNLOGGED = { sentMs: 0, firstByteMs: 0 };

function putInFront(session: Session, exchange: Exchange, hedge: Hedge): void {
  const { connection, inbox } = hedge;
  exchange.server = hedge.server;
  exchange.connection = connection;
  exchange.connectUntilMs = hedge.connectUntilMs;
  exchange.attemptMs = hedge.attemptMs;
  exchange.upstreamMs = hedge.upstreamMs;
  exchange.upstreamBlocked = false;
  exchange.responseInbox = inbox;
  exchange.responseScanned = hedge.scanned;
  exchange.responseSeen = hedge.responseSeen;
  session.phase = hedge.isConnecting ? 'connect' : 'exchange';
  connection.owner = session.upstreamHandlers;
  // It may have been in front before, and waited for a slow client.
  if (session.clientBlocked) connection.wire.pause();
  else if (!hedge.isConnecting) connection.wire.resume();
  noteFront(session, exchange, hedge);
}

/** The attempt in front is over and settled: the other one takes its place. */
export function promoteHedge(session: Session, exchange: Exchange, hedge: Hedge): void {
  putInFront(session, exchange, hedge);
  exchange.hedge = undefined;
  exchange.isRetry = true;
}

/** Applies the clock to the attempt that stands aside. */
export function tickAside(session: Session, exchange: Exchange, hedge: Hedge, nowMs: number): void {
  const { retries, responseTimeoutMs } = exchange.upstream!.settings;
  const { attemptTimeoutMs = Number.POSITIVE_INFINITY } = retries;
  const isOver = hedge.isConnecting
    ? nowMs >= hedge.connectUntilMs
    : nowMs - hedge.upstreamMs >= responseTimeoutMs ||
      nowMs - Math.max(hedge.attemptMs, exchange.wholeMs) >= attemptTimeoutMs;
  const kind = hedge.isConnecting ? 'connect' : 'timeout';
  if (isOver) failAside(session, exchange, hedge, kind, nowMs);
}

/** It had no answer; the one in front goes on. */
function failAside(
  session: Session,
  exchange: Exchange,
  hedge: Hedge,
  kind: FailureKind,
  nowMs: number,
): void {
  const { connection, responseSeen, server } = hedge;
  // A server that closes an idle connection has done no wrong; one that says nothing has.
  const isStale = kind === 'closed' && connection.reused && !responseSeen;
  if (isStale) learnClose(connection, hedge.attemptMs);
  else {
    countFailure(session.runtime.counters, server, kind);
    exchange.tried = [...exchange.tried, server];
  }
  settleAside(session, exchange, hedge, isStale ? undefined : OUTCOME.local, nowMs);
}

/** A response begins, and it is the client's. */
export function concludeHedging(
  session: Session,
  exchange: Exchange,
  status: number,
  nowMs: number,
): void {
  const { attemptMs, hedge, lane, wholeMs } = exchange;
  const isFirst = exchange.attempts === 1 || hedge !== undefined;
  if (lane && isFirst && outcomeOfStatus(status) === OUTCOME.ok) {
    const beganMs = Math.min(attemptMs, hedge?.attemptMs ?? attemptMs);
    observeLatency(lane.latency, nowMs - Math.max(beganMs, wholeMs));
  }
  if (hedge !== undefined && hedge.attemptMs < attemptMs) {
    session.runtime.counters[hedge.server.counterBase + SERVER_COUNTER.hedgesWon]!++;
  }
  endHedging(session, exchange, nowMs);
}

/** Nobody waits for a second attempt any more: one that is under way is cancelled. */
export function endHedging(session: Session, exchange: Exchange, nowMs: number): void {
  const { hedge } = exchange;
  leaveLane(session, exchange);
  if (hedge === undefined) return;
  // The first was not waited for because it is slow; of the second its end says nothing.
  const isSlow = exchange.responseStarted && hedge.attemptMs < exchange.attemptMs;
  settleAside(session, exchange, hedge, isSlow ? LATE : undefined, nowMs);
}

function settleAside(
  session: Session,
  exchange: Exchange,
  hedge: Hedge,
  outcome: Outcome | typeof LATE | undefined,
  nowMs: number,
): void {
  exchange.hedge = undefined;
  releaseRetry(exchange.upstream);
  const { attemptMs, connection, server } = hedge;
  const awaitedMs = exchange.requestDone ? Math.max(attemptMs, exchange.wholeMs) : NOT_AWAITED;
  endRequest(server, session.runtime.counters, outcome, awaitedMs, nowMs);
  discardConnection(connection);
}
