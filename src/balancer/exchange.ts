import { FILTERS_MS_MAX } from '../filter/filter.ts';
import { OUTCOME } from '../resilience/outlier.ts';
import { noteEnd } from './access-log.ts';
import { beginAttempt, endAttempt, endWait, sendHead } from './attempt.ts';
import { LISTENER_COUNTER } from './counters.ts';
import { endHedging, tickAside, tickHedges } from './hedge.ts';
import { fillInbox, inboxLength, takeFromInbox } from './inbox.ts';
import { flush, passToClient, passToUpstream } from './outgoing.ts';
import { replyWithProblem } from './reply.ts';
import { forwardRequestBody, NEED_MORE, readRequestHead } from './request.ts';
import { countConnect, endExchange } from './request-counts.ts';
import { endResponse, failResponse, readResponse } from './response.ts';
import { enterRoll, leaveRoll } from './roll.ts';
import type { BalancerRuntime, Exchange, Listener, Session } from './session.ts';
import { createSession, cutClient, dropConnection, dropExchange, startLinger } from './session.ts';
import { isStuck } from './slow-reader.ts';
import { learnRtt } from './upstream-connection.ts';
import { expiredWaiting, leaveWaiting, nextWaiting } from './waiting.ts';
import type { Wire, WireHandlers } from './wire.ts';

/**
 * The HTTP state machine of a client connection (states: `session.ts`). It hears events from two
 * wires and the clock, and acts through the wires; what moves the bytes, it does not know. Each
 * event ends in one `settle`: what was put is written, and the client is read from exactly when
 * something can be done with what it sends.
 */

/** Who has connected sends a request within this time, or does not mean to. */
const FRESH_MS = 1000;

/** Takes a new client. The handlers are for its wire; the session lives in `runtime.sessions`. */
export function openSession(
  runtime: BalancerRuntime,
  listener: Listener,
  client: Wire,
  nowMs: number,
): WireHandlers {
  const session = createSession(runtime, listener, client, nowMs);
  session.upstreamHandlers = new UpstreamSide(session);
  enterRoll(runtime.sessions, session);
  const { counters } = runtime;
  counters[listener.counterBase + LISTENER_COUNTER.connections]!++;
  counters[listener.counterBase + LISTENER_COUNTER.connectionsActive]!++;
  return new ClientSide(session);
}

/** What a session hears of its client. A class, as functions of its own would cost an idle client half its memory. */
class ClientSide implements WireHandlers {
  private readonly session: Session;
  constructor(session: Session) {
    this.session = session;
  }
  onOpen(): void {}
  onData(bytes: Uint8Array, nowMs: number): void {
    takeFromClient(this.session, bytes, nowMs);
  }
  onEnd(nowMs: number): void {
    endOfClient(this.session, nowMs);
  }
  onDrain(nowMs: number): void {
    clientDrained(this.session, nowMs);
  }
  onClose(_problem: string, nowMs: number): void {
    closeSession(this.session, nowMs);
    serveQueues(this.session.runtime, nowMs);
  }
}

/** What it hears of the server that answers. */
class UpstreamSide implements WireHandlers {
  private readonly session: Session;
  constructor(session: Session) {
    this.session = session;
  }
  onOpen(nowMs: number): void {
    const { session } = this;
    const { exchange } = session;
    if (exchange === undefined || session.phase !== 'connect') return;
    if (exchange.server) {
      learnRtt(exchange.server, nowMs - exchange.attemptMs);
      countConnect(session.runtime.counters, exchange.server, nowMs - exchange.attemptMs);
    }
    exchange.upstreamMs = nowMs;
    sendHead(session, exchange);
    wake(session, nowMs);
  }
  onData(bytes: Uint8Array, nowMs: number): void {
    const { session } = this;
    const { exchange, phase } = session;
    if (exchange === undefined) return;
    if (phase === 'tunnel') {
      exchange.upstreamMs = nowMs;
      passToClient(session, bytes, 0, bytes.length, nowMs);
    } else if (phase === 'exchange') readResponse(session, exchange, bytes, nowMs);
    wake(session, nowMs);
  }
  onEnd(nowMs: number): void {
    upstreamEnded(this.session, '', nowMs);
  }
  onDrain(nowMs: number): void {
    const { exchange } = this.session;
    if (exchange) exchange.upstreamBlocked = false;
    wake(this.session, nowMs);
  }
  onClose(problem: string, nowMs: number): void {
    upstreamEnded(this.session, problem, nowMs);
  }
}

/** Ends the session at once, whatever is under way. */
export function closeSession(session: Session, nowMs: number): void {
  const { runtime, exchange } = session;
  const isCut = session.cut || isHalfSaid(session, exchange);
  session.phase = 'closed';
  if (!leaveRoll(runtime.sessions, session)) return;
  runtime.waiting.delete(session);
  runtime.counters[session.listener.counterBase + LISTENER_COUNTER.connectionsActive]!--;
  if (exchange) {
    if (exchange.ticket >= 0) leaveWaiting(session, exchange);
    if (exchange.lane !== undefined) endHedging(session, exchange, nowMs);
    endExchange(session, exchange, exchange.isTunnel ? 'done' : 'client-gone', nowMs);
    endAttempt(session, exchange, undefined, nowMs);
  }
  dropConnection(session);
  dropExchange(session);
  if (isCut) session.client.reset();
  else session.client.destroy();
}

/** An orderly end would pass for the end of what was said (RFC 9112 section 8: incomplete messages). */
const isHalfSaid = (session: Session, exchange: Exchange | undefined): boolean =>
  session.clientBlocked || (exchange?.responseStarted === true && !exchange.responseDone);

/** Applies the clock; every limit in time is as coarse as the caller's ticks. */
export function tickSession(session: Session, nowMs: number): void {
  const { limits } = session.runtime;
  const { exchange } = session;
  switch (session.phase) {
    case 'head':
      tickHead(session, nowMs);
      break;
    case 'connect':
      if (exchange && !isOverdue(session, exchange, nowMs) && nowMs >= exchange.connectUntilMs) {
        const reason = 'no connection to the server in time';
        failResponse(session, exchange, 'connect', 504, reason, nowMs);
      }
      break;
    case 'queue':
      if (exchange && nowMs >= exchange.deadlineMs) {
        leaveWaiting(session, exchange);
        replyWithProblem(session, 504, 'no server had room in the time for all attempts', nowMs);
      }
      break;
    case 'wait':
      if (exchange && nowMs >= exchange.waitUntilMs && !endWait(session, exchange, nowMs)) {
        replyWithProblem(session, 502, 'no other server is available', nowMs);
      }
      break;
    case 'exchange':
      if (exchange) tickExchange(session, exchange, nowMs);
      break;
    case 'tunnel': {
      const last = Math.max(session.clientReadMs, exchange?.upstreamMs ?? 0);
      if (nowMs - last >= limits.tunnelIdleTimeoutMs) {
        noteEnd(session, 'idle-timeout');
        session.phase = 'closed';
      }
      break;
    }
    case 'linger':
      if (nowMs >= session.lingerUntilMs && isTaken(session, nowMs)) session.phase = 'closed';
      break;
    case 'filter':
      if (exchange?.wake && nowMs >= exchange.wake.atMs) wakeFilter(exchange, nowMs);
      else if (exchange && nowMs - exchange.startedMs >= FILTERS_MS_MAX) {
        replyWithProblem(session, 504, 'a filter did not decide in time', nowMs);
      }
      break;
    case 'seek':
    case 'closed':
      break;
  }
  if (session.exchange?.hedge) tickAside(session, session.exchange, session.exchange.hedge, nowMs);
  // Another attempt may have begun, and the rest of the body is its.
  if (session.phase === 'exchange') consumeInbox(session, nowMs);
  settle(session, nowMs);
}

/** Whether the time for the response to begin is over: then that is the answer. */
function isOverdue(session: Session, exchange: Exchange, nowMs: number): boolean {
  if (exchange.responseStarted || nowMs < exchange.deadlineMs) return false;
  endAttempt(session, exchange, OUTCOME.local, nowMs, 'timeout');
  replyWithProblem(session, 504, 'no answer in the time for all attempts', nowMs);
  return true;
}

function wakeFilter(exchange: Exchange, nowMs: number): void {
  const { wake } = exchange;
  exchange.wake = undefined;
  exchange.wokenMs = nowMs;
  wake?.then();
}

/**
 * For a worker that stops: an idle client is let go in order, one with a request in flight stays, and one
 * that has just come: its request is on its way, and nothing would say that it may be sent again.
 */
export function releaseIdleSession(session: Session, nowMs: number): void {
  if (session.phase !== 'head' || session.headSinceMs > 0) return;
  if (session.requests === 0 && nowMs - session.idleSinceMs < FRESH_MS) return;
  startLinger(session, nowMs);
  settle(session, nowMs);
}

function tickHead(session: Session, nowMs: number): void {
  const { limits } = session.runtime;
  if (session.clientBlocked) {
    if (isStuck(session, nowMs)) session.phase = 'closed';
  } else if (session.headSinceMs > 0) {
    if (nowMs - session.headSinceMs >= limits.headTimeoutMs) {
      const late = session.bodyAwaited > 0 ? 'body' : 'head';
      replyWithProblem(session, 408, `the ${late} did not come in time`, nowMs);
    }
  } else if (session.runtime.stopping) {
    releaseIdleSession(session, nowMs);
  } else {
    const limitMs = session.requests === 0 ? limits.headTimeoutMs : limits.keepAliveTimeoutMs;
    if (nowMs - session.idleSinceMs >= limitMs) session.phase = 'closed';
  }
}

function tickExchange(session: Session, exchange: Exchange, nowMs: number): void {
  const { limits } = session.runtime;
  if (isOverdue(session, exchange, nowMs)) return;
  if (session.clientBlocked) {
    if (isStuck(session, nowMs)) {
      noteEnd(session, 'write-timeout');
      session.phase = 'closed';
    }
    return;
  }
  const awaitsBody = !exchange.requestDone && !exchange.upstreamBlocked;
  if (awaitsBody && nowMs - session.clientReadMs >= limits.bodyIdleTimeoutMs) {
    // While the response flows the body may wait for it.
    if (!exchange.responseStarted) {
      replyWithProblem(session, 408, 'the body did not come in time', nowMs);
      return;
    }
  }
  // A client that is slow to send its body is no fault of the server.
  const lastMs = Math.max(exchange.upstreamMs, awaitsBody ? session.clientReadMs : 0);
  const serverMs = silenceMs(exchange);
  const limitMs = awaitsBody ? Math.max(serverMs, limits.bodyIdleTimeoutMs) : serverMs;
  if (exchange.isEvents) {
    // Nothing has happened, and nobody is to blame for it.
    if (nowMs - lastMs >= Math.max(limitMs, limits.tunnelIdleTimeoutMs)) {
      noteEnd(session, 'idle-timeout');
      cutClient(session);
    }
  } else if (nowMs - lastMs >= limitMs || isAttemptOverdue(exchange, nowMs)) {
    const reason = 'the server did not answer in time';
    failResponse(session, exchange, 'timeout', 504, reason, nowMs);
  }
}

/** How long its server may say nothing. */
function silenceMs({ responseStarted, upstream }: Exchange): number {
  if (upstream === undefined) return 0;
  const { bodyIdleTimeoutMs, responseTimeoutMs } = upstream.settings;
  return responseStarted ? (bodyIdleTimeoutMs ?? responseTimeoutMs) : responseTimeoutMs;
}

/** Whether the present attempt has used up its own time: from when the server had all of the request. */
function isAttemptOverdue(exchange: Exchange, nowMs: number): boolean {
  const { attemptMs, requestDone, responseStarted, upstream, wholeMs } = exchange;
  const limitMs = upstream?.settings.retries.attemptTimeoutMs;
  if (limitMs === undefined || responseStarted || !requestDone) return false;
  return nowMs - Math.max(attemptMs, wholeMs) >= limitMs;
}

/** A slow reader of a last response gets the time that any reader gets. */
function isTaken(session: Session, nowMs: number): boolean {
  return !session.clientBlocked || isStuck(session, nowMs);
}

function takeFromClient(session: Session, bytes: Uint8Array, nowMs: number): void {
  const { runtime } = session;
  session.clientReadMs = nowMs;
  runtime.counters[session.listener.counterBase + LISTENER_COUNTER.bytesIn]! += bytes.length;
  if (inboxLength(session.inbox) > 0) {
    fillInbox(session.inbox, bytes, 0, bytes.length);
    consumeInbox(session, nowMs);
  } else {
    const used = consume(session, bytes, 0, bytes.length, nowMs);
    if (used < bytes.length) fillInbox(session.inbox, bytes, used, bytes.length);
  }
  settle(session, nowMs);
}

function consumeInbox(session: Session, nowMs: number): void {
  const { inbox } = session;
  const { start, end } = inbox;
  if (start === end) return;
  const used = consume(session, inbox.bytes, start, end, nowMs);
  // Going to linger empties the inbox by itself.
  if (inbox.end > inbox.start) takeFromInbox(inbox, used - start);
}

/** Uses as much as the phase allows. @returns where the rest begins */
function consume(
  session: Session,
  bytes: Uint8Array,
  from: number,
  to: number,
  nowMs: number,
): number {
  let at = from;
  while (at < to) {
    switch (session.phase) {
      case 'head': {
        // Who does not take the answers gets no further questions.
        if (session.clientBlocked) return at;
        const next = readRequestHead(session, bytes, at, to, wake, nowMs);
        if (next === NEED_MORE) return at;
        at = next;
        break;
      }
      case 'exchange': {
        const { exchange } = session;
        if (exchange === undefined || exchange.requestDone || exchange.upstreamBlocked) return at;
        const next = forwardRequestBody(session, exchange, bytes, at, to, nowMs);
        if (session.exchange === exchange) exchange.bytesIn += next - at;
        at = next;
        break;
      }
      case 'tunnel':
        if (session.exchange) session.exchange.bytesIn += to - at;
        passToUpstream(session, bytes, at, to, nowMs);
        return to;
      case 'linger':
        session.lingerBytes += to - at;
        if (session.lingerBytes > session.runtime.limits.lingerBytesMax) session.phase = 'closed';
        return to;
      case 'closed':
        return to;
      case 'filter':
      case 'seek':
      case 'connect':
      case 'queue':
      case 'wait':
        return at;
    }
  }
  return at;
}

function endOfClient(session: Session, nowMs: number): void {
  session.clientEnded = true;
  settle(session, nowMs);
}

/**
 * The client has finished its side: mostly it has closed the connection, which nothing tells from a client that still
 * reads. Then what it asked is given up, unless the listener waits for such; a head or a body that is not complete never
 * will be, either way. A tunnel hears of it, also one that became a tunnel later.
 */
function concludeEnded(session: Session, nowMs: number): void {
  const { exchange, phase } = session;
  const waits = inboxLength(session.inbox) > 0;
  if (phase === 'tunnel') {
    flush(session, nowMs);
    exchange?.connection?.wire.end();
  } else if (phase === 'head' && !session.clientBlocked) startLinger(session, nowMs);
  else if (exchange !== undefined && phase !== 'linger') {
    const isCut = phase === 'exchange' && !exchange.requestDone && !waits;
    if (isCut || session.listener.abortOnClose) session.phase = 'closed';
  }
}

function clientDrained(session: Session, nowMs: number): void {
  session.clientBlocked = false;
  session.clientWriteMs = nowMs;
  session.exchange?.connection?.wire.resume();
  wake(session, nowMs);
}

/** Something that held the client's bytes back is gone. */
function wake(session: Session, nowMs: number): void {
  consumeInbox(session, nowMs);
  settle(session, nowMs);
}

function upstreamEnded(session: Session, problem: string, nowMs: number): void {
  const { exchange } = session;
  if (exchange === undefined) return;
  if (session.phase === 'tunnel') {
    if (problem === '') session.endAfterFlush = true;
    else {
      noteEnd(session, 'server-closed');
      session.phase = 'closed';
    }
  } else if (session.phase === 'connect') {
    failResponse(session, exchange, 'connect', 502, 'no connection to the server', nowMs);
  } else if (session.phase === 'exchange') endResponse(session, exchange, problem, nowMs);
  wake(session, nowMs);
}

/** The end of every event. */
function settle(session: Session, nowMs: number): void {
  if (session.clientEnded) concludeEnded(session, nowMs);
  if (session.phase === 'closed') {
    session.runtime.toClient.length = 0;
    session.runtime.toUpstream.length = 0;
    closeSession(session, nowMs);
    serveQueues(session.runtime, nowMs);
    return;
  }
  flush(session, nowMs);
  adjustReading(session);
  serveQueues(session.runtime, nowMs);
}

/** Lets those go on who have waited for room that there is now. After an event: sinks are empty. */
function serveQueues(runtime: BalancerRuntime, nowMs: number): void {
  // Each of them is an event of its own, which ends here again.
  if (runtime.queued === 0 || runtime.isServingQueues) return;
  runtime.isServingQueues = true;
  for (;;) {
    const session = nextWaiting(runtime, nowMs);
    if (session?.exchange === undefined) break;
    const begun = beginAttempt(session, session.exchange, false, nowMs);
    if (!begun) replyWithProblem(session, 503, 'no server is available', nowMs);
    wake(session, nowMs);
  }
  runtime.isServingQueues = false;
}

/** Sends requests to a second server that are slow. */
export const tickHedging = (runtime: BalancerRuntime, nowMs: number): void =>
  tickHedges(runtime, wake, nowMs);

/** Applies the clock to those who wait for room. */
export function tickQueues(runtime: BalancerRuntime, nowMs: number): void {
  while (runtime.queued > 0) {
    const session = expiredWaiting(runtime, nowMs);
    if (session === undefined) break;
    replyWithProblem(session, 503, 'no server had room in time', nowMs);
    wake(session, nowMs);
  }
  serveQueues(runtime, nowMs);
}

/** Reads from the client only while its bytes can be used, so that the rest waits in its own kernel. */
function adjustReading(session: Session): void {
  const { exchange, phase } = session;
  const waiting = inboxLength(session.inbox) > 0;
  const blocked = exchange?.upstreamBlocked === true;
  const isWaiting = phase === 'queue' || phase === 'wait' || phase === 'seek';
  const busy = isWaiting || phase === 'filter' || phase === 'connect' || phase === 'exchange';
  const pause =
    (busy && (waiting || blocked)) ||
    (phase === 'tunnel' && blocked) ||
    (phase === 'head' && session.clientBlocked && waiting);
  if (pause === session.clientPaused) return;
  session.clientPaused = pause;
  if (pause) session.client.pause();
  else session.client.resume();
}
