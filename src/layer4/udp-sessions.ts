import { type FlowEnd, logFlow } from '../balancer/access-log.ts';
import { LISTENER_COUNTER, SERVER_COUNTER } from '../balancer/counters.ts';
import { countEnd, countFailure } from '../balancer/request-counts.ts';
import { findRouteOfName } from '../balancer/route.ts';
import type { UpstreamServer } from '../balancer/upstream.ts';
import { beginRequest, endRequest, endTunnel, startTunnel } from '../balancer/upstream.ts';
import { announcement } from './announce.ts';
import { type Flow, flowKey } from './flow-key.ts';
import type { FlowListener, Layer4Runtime } from './layer4.ts';
import { isDrained, isDraining, NEVER } from './leaving.ts';
import { pickUntried } from './pick.ts';

/**
 * UDP that is passed on unread. A client's address and port are a session: it has a socket of its own to one
 * server, and what comes back on that goes back to the client. It ends when it is idle, when all answers
 * have come that are expected, when its server fails, or when a new one needs its place.
 */
export type UdpSession = {
  readonly listener: FlowListener;
  readonly key: string;
  readonly server: UpstreamServer;
  readonly socket: DatagramSocket;
  /** In front of each datagram of the client: any of them may be lost, or come first. */
  readonly header: Uint8Array | undefined;
  readonly client: string;
  readonly upstream: string;
  readonly startedMs: number;
  bytesIn: number;
  bytesOut: number;
  movedMs: number;
  leaveAtMs: number;
  requests: number;
  responses: number;
};

/** A socket that sends to, and hears of, one server only. */
export type DatagramSocket = {
  send(bytes: Uint8Array): void;
  close(): void;
};
export type DatagramHandlers = {
  onDatagram(bytes: Uint8Array, nowMs: number): void;
  /** The server's machine says that nobody listens, or there is no way to it. */
  onProblem(): void;
};
/** Handlers are called later, never from within the call, and not after `close`. */
export type ConnectDatagrams = (
  server: { readonly address: string; readonly port: number },
  handlers: DatagramHandlers,
) => DatagramSocket;

/** Of one listener; in the order in which they were used, that which was idle longest first. */
export type UdpSessions = Map<string, UdpSession>;

/**
 * Takes one datagram of a client; `reply` sends one back from the listener's address.
 * @param peer who sent it: the client, or a proxy in front, which may speak for it from more than one port
 */
export function takeDatagram(
  runtime: Layer4Runtime,
  listener: FlowListener,
  flow: Flow,
  peer: string,
  bytes: Uint8Array,
  reply: (bytes: Uint8Array) => void,
  nowMs: number,
): void {
  const key = `${flow.remoteAddress} ${flow.remotePort} ${peer}`;
  const { counters } = runtime.accounts();
  counters[listener.counterBase + LISTENER_COUNTER.requests]!++;
  counters[listener.counterBase + LISTENER_COUNTER.bytesIn]! += bytes.length;
  const present = listener.udp.get(key);
  // A server that is down gets nothing more; one that has left the configuration keeps what it has.
  if (present && !present.server.usable) endUdpSession(runtime, present, undefined);
  const known = listener.udp.get(key);
  const session =
    known ?? (runtime.stopping ? undefined : open(runtime, listener, flow, key, reply, nowMs));
  if (session === undefined) {
    counters[listener.counterBase + LISTENER_COUNTER.dropped]!++;
    return;
  }
  session.movedMs = nowMs;
  session.requests += 1;
  session.bytesIn += bytes.length;
  listener.udp.delete(key);
  listener.udp.set(key, session);
  counters[session.server.counterBase + SERVER_COUNTER.bytesOut]! += bytes.length;
  const { header, socket } = session;
  socket.send(header ? Buffer.concat([header, bytes]) : bytes);
}

/** Ends what has been idle, or has drained, for too long. */
export function tickUdpSessions(
  runtime: Layer4Runtime,
  listener: FlowListener,
  nowMs: number,
): void {
  for (const session of listener.udp.values()) {
    if (nowMs - session.movedMs < listener.idleTimeoutMs) break;
    endUdpSession(runtime, session, undefined);
  }
  for (const session of listener.leaving) {
    const drains = isDraining(session.server);
    const isOver = isDrained(session, drains, listener.drainTimeoutMs, nowMs);
    if (isOver) endUdpSession(runtime, session, undefined);
    else if (!drains) listener.leaving.delete(session);
  }
}

/** After the servers have changed: looks once for sessions whose server drains now. */
export function noteDrained({ leaving, udp }: FlowListener): void {
  for (const session of udp.values()) if (isDraining(session.server)) leaving.add(session);
}

export function endUdpSessions(runtime: Layer4Runtime, { udp }: FlowListener): void {
  for (const session of udp.values()) endUdpSession(runtime, session, undefined);
}

/** @param ok false when the server failed; undefined when the end says nothing of it */
function endUdpSession(
  { accounts, draw }: Layer4Runtime,
  session: UdpSession,
  ok: boolean | undefined,
): void {
  const { key, listener, server, socket } = session;
  const { accessLog, counters } = accounts();
  if (!listener.udp.delete(key)) return;
  countEnd(counters, listener, ok === false ? 'server-closed' : 'done');
  if (accessLog) logFlow(accessLog, endOf(session, ok), draw);
  listener.leaving.delete(session);
  socket.close();
  endTunnel(server, counters);
  counters[listener.counterBase + LISTENER_COUNTER.connectionsActive]!--;
  if (ok !== false) return;
  listener.failed = server;
  counters[listener.counterBase + LISTENER_COUNTER.connectFailures]!++;
  counters[server.counterBase + SERVER_COUNTER.failures]!++;
  countFailure(counters, server, 'closed');
}

function open(
  runtime: Layer4Runtime,
  listener: FlowListener,
  flow: Flow,
  key: string,
  reply: (bytes: Uint8Array) => void,
  nowMs: number,
): UdpSession | undefined {
  const { counters, upstreams } = runtime.accounts();
  const route = findRouteOfName(listener.routes, '');
  const upstream = route && upstreams[route.upstream];
  if (upstream === undefined) return undefined;
  const tried = listener.failed ? [listener.failed] : [];
  listener.failed = undefined;
  const hash = flowKey(upstream.keySource, flow, '');
  const pick = (without: readonly UpstreamServer[]) =>
    pickUntried(upstream, without, hash, runtime.draw(), nowMs);
  // The next session goes past the server that failed last; where there is no other, it may be back.
  const server = pick(tried) ?? pick([]);
  if (server === undefined) return undefined;
  const oldest = listener.udp.size < listener.sessionsMax ? undefined : first(listener.udp);
  if (oldest) {
    counters[listener.counterBase + LISTENER_COUNTER.dropped]!++;
    endUdpSession(runtime, oldest, undefined);
  }
  beginRequest(server, counters, nowMs);
  // It has no connection to make, so there is nothing to be learnt of how long that takes.
  endRequest(server, counters, undefined, nowMs, nowMs);
  startTunnel(server, counters);
  counters[server.counterBase + SERVER_COUNTER.connections]!++;
  counters[listener.counterBase + LISTENER_COUNTER.connections]!++;
  counters[listener.counterBase + LISTENER_COUNTER.connectionsActive]!++;
  const session: UdpSession = {
    listener,
    key,
    server,
    socket: runtime.connectDatagrams(server, {
      onDatagram: (bytes, atMs) => takeReply(runtime, session, bytes, reply, atMs),
      onProblem: () => endUdpSession(runtime, session, false),
    }),
    header: announcement(upstream.settings, flow, true, '', runtime.draw),
    client: flow.remoteAddress,
    upstream: upstream.settings.name,
    startedMs: nowMs,
    bytesIn: 0,
    bytesOut: 0,
    movedMs: nowMs,
    leaveAtMs: NEVER,
    requests: 0,
    responses: 0,
  };
  return session;
}

function takeReply(
  runtime: Layer4Runtime,
  session: UdpSession,
  bytes: Uint8Array,
  reply: (bytes: Uint8Array) => void,
  nowMs: number,
): void {
  const { key, listener, server } = session;
  const { counters } = runtime.accounts();
  counters[server.counterBase + SERVER_COUNTER.bytesIn]! += bytes.length;
  counters[listener.counterBase + LISTENER_COUNTER.bytesOut]! += bytes.length;
  session.movedMs = nowMs;
  session.responses += 1;
  session.bytesOut += bytes.length;
  listener.udp.delete(key);
  listener.udp.set(key, session);
  reply(bytes);
  const isComplete =
    listener.responses > 0 && session.responses >= listener.responses * session.requests;
  if (isComplete) endUdpSession(runtime, session, undefined);
}

/** A session of UDP knows no end: what it had, it had until something moved last. */
function endOf(session: UdpSession, ok: boolean | undefined): FlowEnd {
  return {
    protocol: 'udp',
    listener: session.listener.name,
    client: session.client,
    serverName: '',
    upstream: session.upstream,
    server: session.server.name,
    attempts: 1,
    bytesIn: session.bytesIn,
    bytesOut: session.bytesOut,
    startedMs: session.startedMs,
    endedMs: session.movedMs,
    reason: ok === false ? 'server-closed' : 'done',
  };
}

const first = (sessions: UdpSessions): UdpSession | undefined => sessions.values().next().value;
