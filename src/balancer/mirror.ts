import { bytesOf, textOf } from '../http/ascii.ts';
import type { ByteSink } from '../http/byte-sink.ts';
import { createByteSink, putBytes, putChunkSize, putLineEnd, putText } from '../http/byte-sink.ts';
import { OUTCOME } from '../resilience/outlier.ts';
import { LISTENER_COUNTER, SERVER_COUNTER } from './counters.ts';
import { countFailure } from './request-counts.ts';
import { putLastChunk } from './rewrite.ts';
import type { BalancerRuntime, Exchange, Listener, Session } from './session.ts';
import type { MirrorSnapshot } from './snapshot.ts';
import type { Upstream, UpstreamServer } from './upstream.ts';
import { beginRequest, endRequest, pickServer } from './upstream.ts';
import type { UpstreamConnection } from './upstream-connection.ts';
import { discardConnection, openConnection } from './upstream-connection.ts';
import type { WireHandlers } from './wire.ts';

/**
 * Copies of requests for an upstream whose answers nobody waits for. A copy is gathered while the
 * request goes by and sent once it is whole, on a connection of its own that no exchange knows: whatever
 * becomes of it, the client's request is not held up and does not fail.
 *
 *     gathering --whole--> connecting --open--> sent --answered, closed--> over
 *          '--- too long, client left ---'--------- too late ------------> over
 */
export type Mirror = {
  state: 'gathering' | 'connecting' | 'sent' | 'over';
  readonly listener: Listener;
  readonly upstream: Upstream;
  /** The whole request. */
  readonly copy: ByteSink;
  bodyBytes: number;
  untilMs: number;
  startedMs: number;
  responseBytes: number;
  server: UpstreamServer | undefined;
  connection: UpstreamConnection | undefined;
};

/** Under way in one worker; a request beyond them has no copy. */
export const MIRRORS_MAX = 256;
/** A request with a longer body has no copy: half a body would be another request. */
export const MIRROR_BODY_BYTES_MAX = 64 * 1024;
/** A body that takes longer to come has no copy. */
export const MIRROR_GATHER_MS = 10_000;
/** Of an answer so much is read and dropped; then the connection is closed. */
const MIRROR_RESPONSE_BYTES_MAX = 1024 * 1024;

/** Begins the copy of a request whose head `exchange` keeps, if its route wants one. */
export function beginMirror(
  session: Session,
  exchange: Exchange,
  wanted: MirrorSnapshot,
  nowMs: number,
): void {
  const { listener, runtime } = session;
  if (runtime.draw() * 100 >= wanted.percent) return;
  const upstream = runtime.upstreams[wanted.upstream];
  const isTunnel = exchange.upgrade.length > 0;
  const isTooLong = exchange.requestRemaining > MIRROR_BODY_BYTES_MAX;
  if (upstream === undefined || isTunnel || isTooLong || runtime.mirrors.size >= MIRRORS_MAX) {
    countDropped(runtime, listener);
    return;
  }
  const copy = createByteSink(exchange.head.length + COPY_SLACK_BYTES);
  putText(copy, headText(exchange));
  const mirror: Mirror = {
    ...{ state: 'gathering', listener, upstream, copy, bodyBytes: 0 },
    ...{ untilMs: nowMs + MIRROR_GATHER_MS, startedMs: nowMs, responseBytes: 0 },
    ...{ server: undefined, connection: undefined },
  };
  runtime.mirrors.add(mirror);
  if (exchange.requestDone) sendMirror(runtime, mirror, nowMs);
  else exchange.mirror = mirror;
}

/** Part of the request's body, without its framing. */
export function mirrorBody(
  session: Session,
  exchange: Exchange,
  bytes: Uint8Array,
  from: number,
  to: number,
): void {
  const { mirror } = exchange;
  if (mirror?.state !== 'gathering' || from === to) return;
  mirror.bodyBytes += to - from;
  if (mirror.bodyBytes > MIRROR_BODY_BYTES_MAX) {
    exchange.mirror = undefined;
    endMirror(session.runtime, mirror, mirror.startedMs);
    return;
  }
  const isChunked = exchange.requestMode === 'chunked';
  if (isChunked) putChunkSize(mirror.copy, to - from);
  putBytes(mirror.copy, bytes, from, to);
  if (isChunked) putLineEnd(mirror.copy);
}

/** The request is whole. */
export function mirrorEnd(session: Session, exchange: Exchange, nowMs: number): void {
  const { mirror } = exchange;
  exchange.mirror = undefined;
  if (mirror?.state !== 'gathering') return;
  // Trailers stay behind: nothing that servers are asked depends on them.
  if (exchange.requestMode === 'chunked') putLastChunk(mirror.copy, NO_BYTES, 0, []);
  sendMirror(session.runtime, mirror, nowMs);
}

/** Applies the clock. */
export function tickMirrors(runtime: BalancerRuntime, nowMs: number): void {
  for (const mirror of runtime.mirrors)
    if (nowMs >= mirror.untilMs) endMirror(runtime, mirror, nowMs);
}

function sendMirror(runtime: BalancerRuntime, mirror: Mirror, nowMs: number): void {
  const { listener, upstream } = mirror;
  const server = pickServer(upstream, [], 0, runtime.draw(), nowMs);
  if (server === undefined) {
    endMirror(runtime, mirror, nowMs);
    return;
  }
  runtime.counters[listener.counterBase + LISTENER_COUNTER.mirrored]!++;
  mirror.server = server;
  mirror.state = 'connecting';
  mirror.startedMs = nowMs;
  mirror.untilMs = nowMs + upstream.settings.connectTimeoutMs;
  beginRequest(server, runtime.counters, nowMs);
  runtime.counters[server.counterBase + SERVER_COUNTER.connections]!++;
  mirror.connection = openConnection(server, runtime.connect, mirrorSide(runtime, mirror));
}

/** What a copy hears of its server. */
function mirrorSide(runtime: BalancerRuntime, mirror: Mirror): WireHandlers {
  const end = (nowMs: number): void => endMirror(runtime, mirror, nowMs);
  return {
    onOpen(nowMs) {
      mirror.state = 'sent';
      mirror.untilMs = nowMs + mirror.upstream.settings.responseTimeoutMs;
      const { bytes, length } = mirror.copy;
      mirror.connection?.wire.write(bytes, length);
      const base = mirror.server?.counterBase ?? 0;
      runtime.counters[base + SERVER_COUNTER.bytesOut]! += length;
    },
    onData(bytes, nowMs) {
      mirror.responseBytes += bytes.length;
      const base = mirror.server?.counterBase ?? 0;
      runtime.counters[base + SERVER_COUNTER.bytesIn]! += bytes.length;
      if (mirror.responseBytes > MIRROR_RESPONSE_BYTES_MAX) end(nowMs);
    },
    onEnd: end,
    onDrain() {},
    onClose: (_, nowMs) => end(nowMs),
  };
}

/** Whatever the reason. A server that has said nothing at all has failed. */
function endMirror(runtime: BalancerRuntime, mirror: Mirror, nowMs: number): void {
  const { connection, server, startedMs } = mirror;
  if (!runtime.mirrors.delete(mirror)) return;
  mirror.state = 'over';
  const outcome = mirror.responseBytes > 0 ? OUTCOME.ok : OUTCOME.local;
  if (server) {
    endRequest(server, runtime.counters, outcome, startedMs, nowMs);
    if (outcome !== OUTCOME.ok) countFailure(runtime.counters, server, 'closed');
  } else countDropped(runtime, mirror.listener);
  if (connection) discardConnection(connection);
}

function countDropped(runtime: BalancerRuntime, listener: Listener): void {
  runtime.counters[listener.counterBase + LISTENER_COUNTER.mirrorsDropped]!++;
}

/** The head as the server of the request gets it, but that the body comes unasked and the connection ends. */
function headText({ head }: Exchange): string {
  const text = textOf(head.bytes, 0, head.length - LINE_END.length);
  return `${text.replace(NOT_COPIED, '')}Connection: close\r\n\r\n`;
}

/** Lines that the balancer itself wrote, so in exactly this form. */
const NOT_COPIED = /(?<=\r\n)(?:Expect: 100-continue|TE: trailers|Connection: TE)\r\n/g;
const LINE_END = bytesOf('\r\n');
const COPY_SLACK_BYTES = 64;
const NO_BYTES = new Uint8Array(0);
