import {
  idleLimitMs,
  observeAnnouncement,
  observeClose,
  observeRtt,
} from '../resilience/keepalive-learning.ts';
import type { UpstreamServer } from './upstream.ts';
import type { Wire, WireHandlers } from './wire.ts';

/**
 * The connections to a server that wait for a request. A connection belongs to at most one exchange;
 * while it is idle it belongs to nobody, and a byte that comes then is an answer to no question: the
 * connection is poisoned and closed (responses of HTTP/1.1 carry no number, so it would answer the
 * next request).
 *
 *     connecting --open--> in use --release--> idle --take--> in use …
 *          \                  \                  \
 *           '---- close -------'--- discard ------'--- byte, end, close, too old ---> gone
 *
 * A class, for the same reason as in exchange.ts: a pool may hold thousands.
 */
export class UpstreamConnection implements WireHandlers {
  readonly server: UpstreamServer;
  wire: Wire = NO_WIRE;
  state: 'connecting' | 'open' | 'gone' = 'connecting';
  /** It has carried a request before. */
  reused = false;
  owner: WireHandlers | undefined;
  /** Of the last time that it was idle. */
  idleSinceMs = 0;
  idleUntilMs = 0;

  constructor(server: UpstreamServer, owner: WireHandlers) {
    this.server = server;
    this.owner = owner;
  }
  onOpen(nowMs: number): void {
    this.state = 'open';
    this.owner?.onOpen(nowMs);
  }
  onData(bytes: Uint8Array, nowMs: number): void {
    if (this.owner) this.owner.onData(bytes, nowMs);
    else discardConnection(this);
  }
  onEnd(nowMs: number): void {
    if (this.owner) this.owner.onEnd(nowMs);
    else {
      learnClose(this, nowMs);
      discardConnection(this);
    }
  }
  onDrain(nowMs: number): void {
    this.owner?.onDrain(nowMs);
  }
  onClose(problem: string, nowMs: number): void {
    if (this.owner === undefined && this.state === 'open') learnClose(this, nowMs);
    this.state = 'gone';
    removeIdle(this);
    this.owner?.onClose(problem, nowMs);
  }
}

export type Connect = (
  target: { readonly address: string; readonly port: number },
  handlers: WireHandlers,
) => Wire;

/** An idle connection to the server, or undefined. */
export function takeIdle(server: UpstreamServer, nowMs: number): UpstreamConnection | undefined {
  for (;;) {
    const connection = server.idle.pop();
    if (connection === undefined) return undefined;
    if (connection.idleUntilMs > nowMs) {
      connection.reused = true;
      return connection;
    }
    discardConnection(connection);
  }
}

/** Begins a connection; its owner hears `onOpen` or `onClose`. */
export function openConnection(
  server: UpstreamServer,
  connect: Connect,
  owner: WireHandlers,
): UpstreamConnection {
  const connection = new UpstreamConnection(server, owner);
  connection.wire = connect(server, connection);
  return connection;
}

/** Puts a connection whose exchange is complete back, or closes it when enough are idle. */
export function releaseConnection(connection: UpstreamConnection, nowMs: number): void {
  const { server } = connection;
  connection.owner = undefined;
  if (server.upstream === undefined || connection.state !== 'open') {
    discardConnection(connection);
    return;
  }
  const { keepAlive, settings } = server.upstream;
  const { idleMax, idleTimeoutMs } = settings;
  // The server's own clock began to run earlier: leave before it does, or lose a request to it.
  const keptMs = Math.min(idleTimeoutMs, idleLimitMs(keepAlive, server.index));
  if (idleMax <= server.idle.length || keptMs <= 0) {
    discardConnection(connection);
    return;
  }
  connection.idleSinceMs = nowMs;
  connection.idleUntilMs = nowMs + keptMs;
  // It may have been paused for a slow client; a paused connection would never speak again.
  connection.wire.resume();
  server.idle.push(connection);
}

export function discardConnection(connection: UpstreamConnection): void {
  removeIdle(connection);
  connection.owner = undefined;
  if (connection.state === 'gone') return;
  connection.state = 'gone';
  connection.wire.destroy();
}

/** Closes connections that have been idle for too long. */
export function expireIdle(server: UpstreamServer, nowMs: number): void {
  const { idle } = server;
  // From the end, for who goes leaves the list.
  for (let at = idle.length - 1; at >= 0; at--) {
    const connection = idle[at]!;
    if (connection.idleUntilMs <= nowMs) discardConnection(connection);
  }
}

function removeIdle(connection: UpstreamConnection): void {
  const at = connection.server.idle.indexOf(connection);
  if (at >= 0) connection.server.idle.splice(at, 1);
}

/**
 * The server closed an idle connection, or one died under what was sent on it: so old idle connections
 * to this server are not to become.
 */
export function learnClose({ idleSinceMs, server }: UpstreamConnection, nowMs: number): void {
  const { index, upstream } = server;
  if (upstream === undefined) return;
  observeClose(upstream.keepAlive, upstream.keepAliveRules, index, nowMs - idleSinceMs);
}

/** @param timeoutMs what the server says in Keep-Alive */
export function learnAnnouncement({ index, upstream }: UpstreamServer, timeoutMs: number): void {
  if (upstream === undefined) return;
  observeAnnouncement(upstream.keepAlive, upstream.keepAliveRules, index, timeoutMs);
}

/** @param rttMs how long connecting took */
export function learnRtt({ index, upstream }: UpstreamServer, rttMs: number): void {
  if (upstream) observeRtt(upstream.keepAlive, upstream.keepAliveRules, index, rttMs);
}

const NO_WIRE: Wire = {
  remoteAddress: '',
  remotePort: 0,
  write: () => true,
  end() {},
  destroy() {},
  reset() {},
  pause() {},
  resume() {},
  taken: () => 0,
};
