import type { EndReason } from '../balancer/access-line.ts';
import { type FlowEnd, logFlow } from '../balancer/access-log.ts';
import { LISTENER_COUNTER, SERVER_COUNTER } from '../balancer/counters.ts';
import type { Inbox } from '../balancer/inbox.ts';
import { createInbox, fillInbox, inboxLength, takeFromInbox } from '../balancer/inbox.ts';
import { countConnect, countEnd, countFailure } from '../balancer/request-counts.ts';
import { findRouteOfName } from '../balancer/route.ts';
import type { UpstreamServer } from '../balancer/upstream.ts';
import { beginRequest, endRequest, endTunnel, startTunnel } from '../balancer/upstream.ts';
import type { Wire, WireHandlers } from '../balancer/wire.ts';
import { OUTCOME } from '../resilience/outlier.ts';
import { announcement } from './announce.ts';
import { CLIENT_HELLO_BYTES_MAX, readServerName } from './client-hello.ts';
import { type Flow, flowKey } from './flow-key.ts';
import type { FlowListener, Layer4Runtime } from './layer4.ts';
import { isDrained, isDraining, NEVER } from './leaving.ts';
import { pickUntried } from './pick.ts';

/**
 * One TCP connection that is passed on to a server, byte by byte, without a look at what it says.
 *
 *   hello    the server's name is read from the TLS ClientHello, to know where it goes
 *   connect  waiting for a server; what the client has said already waits in the inbox
 *   open     bytes both ways. Each direction ends by itself (half-close), and a side that cannot take
 *            more stops the reading of the other
 *   ending   server or listener have drained long enough: both sides are told the end, and may tell theirs
 *   closed   nothing any more
 *
 * A server that cannot be connected to is followed by another one; once a byte may have reached it, never.
 */
export type TcpSession = {
  readonly runtime: Layer4Runtime;
  readonly listener: FlowListener;
  readonly client: FlowWire;
  phase: 'hello' | 'connect' | 'open' | 'ending' | 'closed';
  readonly inbox: Inbox;
  /** With fewer octets the ClientHello cannot be whole. */
  helloNeeded: number;
  serverName: string;
  /** Index of the upstream, once it is known. */
  upstream: number;
  server: UpstreamServer | undefined;
  wire: Wire | undefined;
  readonly tried: UpstreamServer[];
  attemptMs: number;
  /** End of the present phase, but for `open`. */
  untilMs: number;
  /** Last byte that moved, either way. */
  movedMs: number;
  leaveAtMs: number;
  clientEnded: boolean;
  clientClosed: boolean;
  serverEnded: boolean;
  serverClosed: boolean;
  readonly startedMs: number;
  /** Wires forget it when they close. */
  readonly clientAddress: string;
  /** From the client, and to it. */
  bytesIn: number;
  bytesOut: number;
  /** Why it ended; undefined until something says so. */
  reason: EndReason | undefined;
};

/** A wire that knows both of its ends. */
export type FlowWire = Wire & Flow;

/** Servers that one connection is tried on. */
export const CONNECT_TRIES_MAX = 8;

export function openTcpSession(
  runtime: Layer4Runtime,
  listener: FlowListener,
  client: FlowWire,
  nowMs: number,
): WireHandlers {
  const session: TcpSession = {
    runtime,
    listener,
    client,
    phase: 'hello',
    inbox: createInbox(),
    helloNeeded: 0,
    serverName: '',
    upstream: -1,
    server: undefined,
    wire: undefined,
    tried: [],
    attemptMs: nowMs,
    untilMs: nowMs + runtime.limits.headTimeoutMs,
    movedMs: nowMs,
    leaveAtMs: NEVER,
    clientEnded: false,
    clientClosed: false,
    serverEnded: false,
    serverClosed: false,
    startedMs: nowMs,
    clientAddress: client.remoteAddress,
    bytesIn: 0,
    bytesOut: 0,
    reason: undefined,
  };
  const { counters } = runtime.accounts();
  counters[listener.counterBase + LISTENER_COUNTER.connections]!++;
  counters[listener.counterBase + LISTENER_COUNTER.connectionsActive]!++;
  runtime.tcp.add(session);
  if (!listener.byServerName) route(session, nowMs);
  return {
    onOpen() {},
    onData: (bytes, atMs) => takeFromClient(session, bytes, atMs),
    onEnd: (atMs) => endOfClient(session, atMs),
    onDrain(atMs) {
      session.movedMs = atMs;
      session.wire?.resume();
    },
    onClose: (problem, atMs) => closeOfClient(session, problem, atMs),
  };
}

/** Applies the clock: phases that take too long, connections on which nothing moves, and what drains. */
export function tickTcpSession(session: TcpSession, nowMs: number): void {
  switch (session.phase) {
    case 'hello':
    case 'ending':
      if (nowMs >= session.untilMs) cutTcpSession(session, nowMs, 'head-timeout');
      break;
    case 'connect':
      if (nowMs >= session.untilMs) failAttempt(session, 'connect-timeout', nowMs);
      break;
    case 'open':
      if (nowMs - session.movedMs >= session.listener.idleTimeoutMs) {
        cutTcpSession(session, nowMs, 'idle-timeout');
      } else if (hasDrained(session, nowMs)) finish(session, nowMs);
  }
}

function hasDrained(session: TcpSession, nowMs: number): boolean {
  const { listener, server } = session;
  const drains = listener.draining || (server !== undefined && isDraining(server));
  return isDrained(session, drains, listener.drainTimeoutMs, nowMs);
}

/** Ends both directions after what has been written. A reset would take from both what they have not read yet. */
function finish(session: TcpSession, nowMs: number): void {
  const { client, clientEnded, runtime, serverEnded, wire } = session;
  session.phase = 'ending';
  session.reason ??= 'stopped';
  session.untilMs = nowMs + runtime.limits.lingerTimeoutMs;
  if (!serverEnded) client.end();
  if (!clientEnded) wire?.end();
  client.resume();
  wire?.resume();
}

/** Ends it at once; either side sees that it broke off. */
export function cutTcpSession(session: TcpSession, nowMs: number, reason: EndReason): void {
  if (session.phase === 'closed') return;
  session.reason ??= reason;
  if (!session.clientClosed) session.client.reset();
  // What is not connected yet has nobody to see a reset, and would be waited for.
  if (session.phase === 'connect') session.wire?.destroy();
  else if (!session.serverClosed) session.wire?.reset();
  leave(session, nowMs);
}

function takeFromClient(session: TcpSession, bytes: Uint8Array, nowMs: number): void {
  const { counters } = session.runtime.accounts();
  counters[session.listener.counterBase + LISTENER_COUNTER.bytesIn]! += bytes.length;
  session.movedMs = nowMs;
  session.bytesIn += bytes.length;
  if (session.phase === 'open') {
    passToServer(session, bytes);
    return;
  }
  if (session.phase === 'ending') return;
  fillInbox(session.inbox, bytes, 0, bytes.length);
  if (session.phase === 'hello') readHello(session, nowMs);
  else session.client.pause();
}

function readHello(session: TcpSession, nowMs: number): void {
  const { bytes, end, start } = session.inbox;
  const length = end - start;
  if (length < Math.min(session.helloNeeded, CLIENT_HELLO_BYTES_MAX)) return;
  const hello = readServerName(bytes.subarray(start, end));
  if (hello.kind === 'incomplete' && length < CLIENT_HELLO_BYTES_MAX) {
    session.helloNeeded = hello.needed;
    return;
  }
  session.serverName = hello.kind === 'hello' ? hello.serverName : '';
  session.client.pause();
  route(session, nowMs);
}

/** Finds the upstream; a name that nobody knows goes to the default one, or nowhere. */
function route(session: TcpSession, nowMs: number): void {
  const found = findRouteOfName(session.listener.routes, session.serverName);
  if (found === undefined) {
    drop(session, nowMs, 'refused');
    return;
  }
  session.upstream = found.upstream;
  beginAttempt(session, nowMs);
}

/** There is nobody to serve it. */
function drop(session: TcpSession, nowMs: number, reason: EndReason): void {
  const { listener, runtime } = session;
  runtime.accounts().counters[listener.counterBase + LISTENER_COUNTER.dropped]!++;
  cutTcpSession(session, nowMs, reason);
}

function beginAttempt(session: TcpSession, nowMs: number): void {
  const { client, runtime, tried } = session;
  const { counters, upstreams } = runtime.accounts();
  const upstream = upstreams[session.upstream];
  const key = upstream ? flowKey(upstream.keySource, client, session.serverName) : 0;
  const mayTry = upstream !== undefined && tried.length < CONNECT_TRIES_MAX;
  const server = mayTry ? pickUntried(upstream, tried, key, runtime.draw(), nowMs) : undefined;
  // A name without a server is worth nothing to the client: it is not kept waiting.
  if (upstream === undefined || server === undefined) {
    drop(session, nowMs, 'no-server');
    return;
  }
  const last = tried.at(-1);
  if (last) counters[last.counterBase + SERVER_COUNTER.retries]!++;
  tried.push(server);
  session.phase = 'connect';
  session.server = server;
  session.reason = undefined;
  session.attemptMs = nowMs;
  session.untilMs = nowMs + upstream.settings.connectTimeoutMs;
  counters[server.counterBase + SERVER_COUNTER.connections]!++;
  beginRequest(server, counters, nowMs);
  session.wire = runtime.connect(server, {
    onOpen(atMs) {
      const { serverName } = session;
      const header = announcement(upstream.settings, client, false, serverName, runtime.draw);
      beginRelay(session, header, atMs);
    },
    onData: (bytes, atMs) => passToClient(session, bytes, atMs),
    onEnd: (atMs) => endOfServer(session, atMs),
    onDrain(atMs) {
      session.movedMs = atMs;
      client.resume();
    },
    onClose: (problem, atMs) => closeOfServer(session, problem, atMs),
  });
}

/** The server cannot be connected to: on to the next. */
function failAttempt(session: TcpSession, reason: EndReason, nowMs: number): void {
  const { listener, runtime, server, wire } = session;
  const { counters } = runtime.accounts();
  counters[listener.counterBase + LISTENER_COUNTER.connectFailures]!++;
  session.reason = reason;
  wire?.destroy();
  session.wire = undefined;
  session.server = undefined;
  if (server) {
    endRequest(server, counters, OUTCOME.local, session.attemptMs, nowMs);
    countFailure(counters, server, 'connect');
  }
  beginAttempt(session, nowMs);
}

/** The way is open. That it took so long to connect is what the algorithm learns of this server. */
function beginRelay(session: TcpSession, header: Uint8Array | undefined, nowMs: number): void {
  const { client, inbox, server, wire } = session;
  if (server === undefined || wire === undefined) return;
  const { counters } = session.runtime.accounts();
  endRequest(server, counters, OUTCOME.ok, session.attemptMs, nowMs);
  countConnect(counters, server, nowMs - session.attemptMs);
  startTunnel(server, counters);
  session.phase = 'open';
  session.movedMs = nowMs;
  if (header) wire.write(header);
  if (inboxLength(inbox) > 0) {
    const goesOn = passToServer(session, inbox.bytes.subarray(inbox.start, inbox.end));
    takeFromInbox(inbox, inboxLength(inbox));
    if (goesOn) client.resume();
  }
  if (session.clientEnded) wire.end();
}

/** @returns false when the server takes no more for now */
function passToServer({ client, runtime, server, wire }: TcpSession, bytes: Uint8Array): boolean {
  if (server === undefined || wire === undefined) return true;
  const goesOn = wire.write(bytes);
  if (!goesOn) client.pause();
  runtime.accounts().counters[server.counterBase + SERVER_COUNTER.bytesOut]! += bytes.length;
  return goesOn;
}

function passToClient(session: TcpSession, bytes: Uint8Array, nowMs: number): void {
  const { client, listener, runtime, server, wire } = session;
  if (session.phase !== 'open' || server === undefined) return;
  session.movedMs = nowMs;
  session.bytesOut += bytes.length;
  if (!session.clientClosed && !client.write(bytes)) wire?.pause();
  const { counters } = runtime.accounts();
  counters[server.counterBase + SERVER_COUNTER.bytesIn]! += bytes.length;
  counters[listener.counterBase + LISTENER_COUNTER.bytesOut]! += bytes.length;
}

function endOfClient(session: TcpSession, nowMs: number): void {
  session.clientEnded = true;
  session.movedMs = nowMs;
  // It has left before it said where to.
  if (session.phase === 'hello') cutTcpSession(session, nowMs, 'client-gone');
  else if (session.phase === 'open') session.wire?.end();
}

function endOfServer(session: TcpSession, nowMs: number): void {
  session.serverEnded = true;
  session.movedMs = nowMs;
  if (session.phase === 'open') session.client.end();
}

function closeOfClient(session: TcpSession, problem: string, nowMs: number): void {
  session.clientClosed = true;
  if (session.phase === 'ending' && !session.serverClosed) return;
  const isOrderly = problem === '' && session.clientEnded && session.serverEnded;
  if (!isOrderly || session.serverClosed) {
    cutTcpSession(session, nowMs, session.serverEnded ? 'done' : 'client-gone');
  }
}

function closeOfServer(session: TcpSession, problem: string, nowMs: number): void {
  if (session.phase === 'connect') {
    failAttempt(session, 'connect-failed', nowMs);
    return;
  }
  session.serverClosed = true;
  // Once it has said all, the client still gets it; what the client says now has no reader any more.
  const isOrderly = session.phase === 'ending' || session.serverEnded || problem === '';
  if (!isOrderly || session.clientClosed) {
    cutTcpSession(session, nowMs, isOrderly ? 'done' : 'server-closed');
  } else {
    session.wire = undefined;
    session.client.resume();
  }
}

/** Settles all accounts. */
function leave(session: TcpSession, nowMs: number): void {
  const { listener, phase, runtime, server } = session;
  const { accessLog, counters } = runtime.accounts();
  countEnd(counters, listener, session.reason ?? 'done');
  if (accessLog) logFlow(accessLog, endOf(session, nowMs), runtime.draw);
  session.phase = 'closed';
  session.wire = undefined;
  session.server = undefined;
  takeFromInbox(session.inbox, inboxLength(session.inbox));
  runtime.tcp.delete(session);
  counters[listener.counterBase + LISTENER_COUNTER.connectionsActive]!--;
  if (server === undefined) return;
  if (phase === 'open' || phase === 'ending') endTunnel(server, counters);
  else endRequest(server, counters, undefined, session.attemptMs, nowMs);
}

function endOf(session: TcpSession, nowMs: number): FlowEnd {
  const { listener, runtime, tried, upstream } = session;
  return {
    protocol: 'tcp',
    listener: listener.name,
    client: session.clientAddress,
    serverName: session.serverName,
    upstream: runtime.accounts().upstreams[upstream]?.settings.name ?? '',
    server: tried.at(-1)?.name ?? '',
    attempts: tried.length,
    bytesIn: session.bytesIn,
    bytesOut: session.bytesOut,
    startedMs: session.startedMs,
    endedMs: nowMs,
    reason: session.reason ?? 'done',
  };
}
