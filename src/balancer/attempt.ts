import { putBytes } from '../http/byte-sink.ts';
import { noteAttempt, noteSent } from './access-log.ts';
import { heldServer } from './cookie-affinity.ts';
import { SERVER_COUNTER } from './counters.ts';
import type { Exchange, Session } from './session.ts';
import { dropConnection } from './session.ts';
import type { UpstreamServer } from './upstream.ts';
import {
  beginRequest,
  endRequest,
  endTunnel,
  openConnection,
  pickServer,
  startTunnel,
  takeIdle,
} from './upstream.ts';

/**
 * Attempts to have a request answered by a server, and when another may follow (RFC 9110 section
 * 9.2.2: a proxy must not repeat what is not idempotent):
 *   - the connection was never made, so nothing was sent: once more, on another server, any method;
 *   - a reused connection died before a byte of the response: the server closed it while it was
 *     idle. Once more on a fresh connection, if the method is idempotent and there is no body.
 * A response that has begun is never retried.
 */

/** @returns false when no server is usable; nothing has happened then */
export function beginAttempt(
  session: Session,
  exchange: Exchange,
  excluded: UpstreamServer | undefined,
  fresh: boolean,
  nowMs: number,
): boolean {
  const { runtime } = session;
  const upstream = exchange.upstream!;
  const server =
    heldServer(upstream, exchange.hold, excluded) ??
    pickServer(upstream, excluded, exchange.key, runtime.draw(), nowMs);
  if (server === undefined) return false;
  exchange.server = server;
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
  putBytes(session.runtime.toUpstream, exchange.head.bytes, 0, exchange.head.length);
  if (session.clientBlocked) exchange.connection?.wire.pause();
}

/** Settles the server's accounts of this attempt; `ok` as in `endRequest`. */
export function endAttempt(
  session: Session,
  exchange: Exchange,
  ok: boolean | undefined,
  nowMs: number,
): void {
  const { server } = exchange;
  if (server === undefined) return;
  exchange.server = undefined;
  if (exchange.isTunnel) {
    endTunnel(server, session.runtime.counters);
    return;
  }
  endRequest(server, session.runtime.counters, ok, exchange.attemptMs, nowMs);
}

/** The server has answered, and from now on it carries what is no request. */
export function beginTunnel(session: Session, exchange: Exchange, nowMs: number): void {
  const { server } = exchange;
  if (server === undefined) return;
  const { counters } = session.runtime;
  endRequest(server, counters, true, exchange.attemptMs, nowMs);
  startTunnel(server, counters);
  exchange.isTunnel = true;
}

/** The attempt failed. @returns whether another one is under way */
export function retry(session: Session, exchange: Exchange, nowMs: number): boolean {
  const { server, connection } = exchange;
  const connecting = session.phase === 'connect';
  const stale =
    !connecting &&
    connection?.reused === true &&
    !exchange.responseSeen &&
    exchange.requestMode === 'none' &&
    IDEMPOTENT.has(exchange.method);
  endAttempt(session, exchange, false, nowMs);
  dropConnection(session);
  if (server === undefined) return false;
  let begun = false;
  if (connecting && !exchange.retriedConnect) {
    exchange.retriedConnect = true;
    begun = beginAttempt(session, exchange, server, false, nowMs);
  } else if (stale && !exchange.retriedStale) {
    exchange.retriedStale = true;
    begun = beginAttempt(session, exchange, undefined, true, nowMs);
  }
  if (begun) session.runtime.counters[server.counterBase + SERVER_COUNTER.retries]!++;
  return begun;
}

/** RFC 9110 section 9.2.2, and QUERY of RFC 10008. */
const IDEMPOTENT: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'PUT',
  'DELETE',
  'QUERY',
]);
