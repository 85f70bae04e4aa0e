import { type ByteSink, putBytes } from '../http/byte-sink.ts';
import { LISTENER_COUNTER, SERVER_COUNTER } from './counters.ts';
import type { Session } from './session.ts';

/** What an event puts for either side is gathered, and written once; long runs go on as they are. */

/** Writes what the event has put, once per direction, and finishes our side when that was asked. */
export function flush(session: Session, nowMs: number): void {
  const { toUpstream, toClient } = session.runtime;
  if (toUpstream.length > 0) flushSink(session, toUpstream, writeUpstream, nowMs);
  if (toClient.length > 0) flushSink(session, toClient, writeClient, nowMs);
  if (!session.endAfterFlush) return;
  session.endAfterFlush = false;
  if (session.phase !== 'closed') session.client.end();
}

/** Part of a body for the server. */
export function passToUpstream(
  session: Session,
  bytes: Uint8Array,
  from: number,
  to: number,
  nowMs: number,
): void {
  pass(session, session.runtime.toUpstream, writeUpstream, bytes, from, to, nowMs);
}

/** Part of a body for the client. */
export function passToClient(
  session: Session,
  bytes: Uint8Array,
  from: number,
  to: number,
  nowMs: number,
): void {
  pass(session, session.runtime.toClient, writeClient, bytes, from, to, nowMs);
}

type Write = (session: Session, bytes: Uint8Array, length: number, nowMs: number) => void;

function pass(
  session: Session,
  sink: ByteSink,
  write: Write,
  bytes: Uint8Array,
  from: number,
  to: number,
  nowMs: number,
): void {
  if (to - from < PASSED_MIN) {
    if (sink.length + to - from > sink.bytes.length) flushSink(session, sink, write, nowMs);
    putBytes(sink, bytes, from, to);
    return;
  }
  flushSink(session, sink, write, nowMs);
  write(session, bytes.subarray(from, to), to - from, nowMs);
}

function flushSink(session: Session, sink: ByteSink, write: Write, nowMs: number): void {
  write(session, sink.bytes, sink.length, nowMs);
  sink.length = 0;
}

function writeUpstream(session: Session, bytes: Uint8Array, length: number, nowMs: number): void {
  const { exchange, runtime } = session;
  const connection = exchange?.connection;
  if (length === 0 || exchange === undefined || connection === undefined) return;
  exchange.upstreamBlocked = !connection.wire.write(bytes, length);
  exchange.upstreamMs = nowMs;
  runtime.counters[connection.server.counterBase + SERVER_COUNTER.bytesOut]! += length;
}

function writeClient(session: Session, bytes: Uint8Array, length: number, nowMs: number): void {
  const { client, listener, runtime } = session;
  if (length === 0 || session.phase === 'closed') return;
  session.bytesOut += length;
  if (!client.write(bytes, length)) holdForClient(session);
  session.clientWriteMs = nowMs;
  runtime.counters[listener.counterBase + LISTENER_COUNTER.bytesOut]! += length;
}

/** Stops reading from the server until the client has taken what is written. */
function holdForClient(session: Session): void {
  session.clientBlocked = true;
  session.exchange?.connection?.wire.pause();
}

/** Gathering less than this with what is put around it costs less than a write of its own. */
const PASSED_MIN = 4096;
