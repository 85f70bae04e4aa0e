import type { SecureContext } from 'node:tls';
import { SILENT_HANDLERS } from '../io/proxied.ts';
import type { Connection, ConnectionHandlers } from '../io/stream.ts';
import { wrapSocket } from '../io/stream-portable.ts';
import { acceptTls } from '../io/tls-layer.ts';
import {
  createClient,
  setClientAddress,
  TRANSPORT_TCP,
  TRANSPORT_TLS,
  type Transport,
} from '../nameserver/client.ts';
import { createStreamFraming } from '../nameserver/stream-framing.ts';
import { askDesk, type Desk, LATER, NOTHING } from './desk.ts';
import type { Session, Sessions } from './sessions.ts';

/**
 * DNS over a stream, in the clear or in TLS (RFC 7766, RFC 7858), with the same `respond` as UDP. Queries
 * are answered as they come; one that takes longer does not hold up those behind it, whose answers
 * then leave before its own (RFC 7766 7).
 */

/** Queries of one connection that wait for others to answer them. */
const LATER_MAX = 16;
const LENGTH_BYTES = 2;
const REPLY_BYTES = 65_535;

// One reply at a time: the engine has taken the bytes when `write` returns.
const framed = new Uint8Array(LENGTH_BYTES + REPLY_BYTES);
const reply = framed.subarray(LENGTH_BYTES);

/** Serves a new connection, or refuses it when there are too many. */
export function serveDnsStream(
  desk: Desk,
  sessions: Sessions,
  connection: Connection,
): ConnectionHandlers {
  const session = sessions.open(connection, desk.nowMs());
  if (session === undefined) return SILENT_HANDLERS;
  return createHandlers(desk, sessions, session, TRANSPORT_TCP, connection);
}

/** The same in TLS; a handshake that is not finished is a connection like others. */
export function serveDnsTls(
  desk: Desk,
  sessions: Sessions,
  context: () => SecureContext,
  connection: Connection,
): ConnectionHandlers {
  const session = sessions.open(connection, desk.nowMs());
  if (session === undefined) return SILENT_HANDLERS;
  return acceptTls(
    connection,
    { context, protocols: ['dot'] },
    (socket) =>
      wrapSocket(socket, connection, (clear) =>
        createHandlers(desk, sessions, session, TRANSPORT_TLS, clear),
      ),
    () => sessions.forget(session),
  );
}

function createHandlers(
  desk: Desk,
  sessions: Sessions,
  session: Session,
  transport: Transport,
  connection: Connection,
): ConnectionHandlers {
  const framing = createStreamFraming();
  const client = createClient(transport);
  setClientAddress(client, connection.remoteAddress, connection.remoteAddress.includes(':'));
  client.port = connection.remotePort;
  /** Queries that came while the client took no answers, or had asked too many. */
  const waiting: Uint8Array[] = [];
  let later = 0;
  let isFull = false;
  let isPoor = false;
  let hasEnded = false;
  let isClosed = false;
  const isHeld = (): boolean => isFull || isPoor || later >= LATER_MAX;

  const close = (): void => {
    isClosed = true;
    sessions.forget(session);
    session.connection.destroy();
  };
  const send = (length: number): void => {
    session.lastActiveMs = desk.nowMs();
    framed[0] = length >> 8;
    framed[1] = length & 0xff;
    if (!connection.write(framed.subarray(0, LENGTH_BYTES + length))) isFull = true;
  };
  const takeLate = (late: Uint8Array | undefined): void => {
    later -= 1;
    if (isClosed) return;
    if (late === undefined) {
      close();
      return;
    }
    reply.set(late);
    send(late.length);
    goOn();
  };
  const answer = (message: Uint8Array): void => {
    const length = askDesk(desk, client, message, reply, takeLate);
    if (length === LATER) later += 1;
    // Over a stream a message without an answer can only be garbage.
    else if (length === NOTHING) close();
    else send(length);
  };
  /** False when the query has to wait. */
  const mayAnswer = (): boolean => {
    if (isHeld()) return false;
    isPoor = !sessions.spend(session, desk.nowMs());
    return !isPoor;
  };
  // One read may hold a thousand queries with long answers: they are asked when there is room.
  const take = (message: Uint8Array): void => {
    if (isClosed) return;
    if (waiting.length === 0 && mayAnswer()) answer(message);
    else waiting.push(message.slice());
    if (isHeld()) connection.pause();
  };
  const goOn = (): void => {
    let next = 0;
    while (!isClosed && next < waiting.length && mayAnswer()) answer(waiting[next++]!);
    waiting.splice(0, next);
    if (isClosed || isHeld()) return;
    connection.resume();
    if (hasEnded && later === 0) connection.end();
  };
  session.wake = () => {
    if (!isPoor) return;
    isPoor = false;
    goOn();
  };
  return {
    onData(bytes) {
      if (!framing.receive(bytes, take) && !isClosed) close();
    },
    onEnd() {
      hasEnded = true;
      if (later === 0 && waiting.length === 0) connection.end();
    },
    onDrain() {
      isFull = false;
      goOn();
    },
    onClose() {
      isClosed = true;
      sessions.forget(session);
    },
  };
}
