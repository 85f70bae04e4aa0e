import type { SecureContext } from 'node:tls';
import type { Connection, ConnectionHandlers } from '../io/stream.ts';
import { SILENT_HANDLERS } from '../io/stream.ts';
import { wrapSocket } from '../io/stream-portable.ts';
import { acceptTls } from '../io/tls-layer.ts';
import { TRANSPORT_TCP, TRANSPORT_TLS, type Transport } from '../nameserver/client.ts';
import { COUNT_CLOSED_FOR_OTHERS, COUNT_CLOSED_GARBAGE } from '../nameserver/counters.ts';
import { createStreamFraming, STREAM_BROKEN } from '../nameserver/stream-framing.ts';
import { askDesk, clientOf, type Desk, enter, LATER, MANY, refuseForNow } from './desk.ts';
import { gather } from './gather.ts';
import type { Session, Sessions } from './sessions.ts';
import { createTransferPump } from './transfer-pump.ts';

/**
 * DNS over a stream, in the clear or in TLS (RFC 7766, RFC 7858), with the same `respond` as UDP. Queries
 * are answered as they come; one that takes longer does not hold up those behind it, whose answers
 * then leave before its own (RFC 7766 7).
 */

/** Queries of one connection that wait for others to answer them. */
const LATER_MAX = 16;
const NOTHING_READ = new Uint8Array();
const LENGTH_BYTES = 2;
const REPLY_BYTES = 65_535;

// One reply at a time: its bytes are taken when `write` returns.
const framed = new Uint8Array(LENGTH_BYTES + REPLY_BYTES);
const reply = framed.subarray(LENGTH_BYTES);

/** Serves a new connection, or refuses it when there are too many. */
export function serveDnsStream(
  desk: Desk,
  sessions: Sessions,
  connection: Connection,
): ConnectionHandlers {
  const session = enter(desk, sessions, connection, TRANSPORT_TCP);
  if (session === undefined) return SILENT_HANDLERS;
  const handlers = createHandlers(desk, sessions, session, TRANSPORT_TCP, connection);
  session.gone = () => handlers.onClose('', desk.nowMs());
  return handlers;
}

/** The same in TLS; a handshake that is not finished is a connection like others. */
export function serveDnsTls(
  desk: Desk,
  sessions: Sessions,
  context: () => SecureContext,
  connection: Connection,
): ConnectionHandlers {
  const session = enter(desk, sessions, connection, TRANSPORT_TLS);
  if (session === undefined) return SILENT_HANDLERS;
  const handlers = acceptTls(
    connection,
    { context, protocols: ['dot'], allowHalfOpen: true },
    (socket) =>
      wrapSocket(socket, connection, (clear) => {
        session.isBegun = true;
        return createHandlers(desk, sessions, session, TRANSPORT_TLS, clear);
      }),
    () => sessions.leave(session),
  );
  session.gone = () => handlers.onClose('', desk.nowMs());
  return handlers;
}

function createHandlers(
  desk: Desk,
  sessions: Sessions,
  session: Session,
  transport: Transport,
  connection: Connection,
): ConnectionHandlers {
  const framing = createStreamFraming();
  const replies = gather(connection);
  const client = clientOf(connection, transport);
  /** What came of queries while the client took no answers, or had asked too many: at most a read of the engine's. */
  let rest: Uint8Array = NOTHING_READ;
  const flow: Flow = { later: 0, isFull: false, isPoor: false, hasEnded: false, isClosed: false };
  const isHeld = (): boolean => isBusy(flow) || pump.isActive();
  const leave = (): void => {
    pump.end();
    flow.isClosed = true;
    sessions.forget(session);
  };
  const close = (counter?: number): void => {
    if (counter !== undefined) desk.worker.counters[counter]! += 1;
    leave();
    replies.release();
    session.connection.destroy();
  };
  const send = (length: number): void => {
    sessions.touch(session, desk.nowMs());
    if (!replies.write(framedReply(length))) flow.isFull = true;
    desk.stopwatch.end();
  };
  const sendMade = (message: Uint8Array): void => {
    reply.set(message);
    send(message.length);
  };
  const mayGoOn = (): boolean => !flow.isFull && !flow.isClosed;
  const giveWay = (): void => close(COUNT_CLOSED_FOR_OTHERS);
  const pump = createTransferPump(desk, session.client, sendMade, mayGoOn, giveWay);
  const takeLate = (late: Uint8Array | undefined): void => {
    flow.later -= 1;
    if (flow.isClosed) return;
    if (late === undefined) return void close();
    sendMade(late);
    goOn();
  };
  const answer = (message: Uint8Array): void => {
    const length = askDesk(desk, client, message, reply, takeLate);
    if (length > 0) send(length);
    else if (length === LATER) flow.later += 1;
    else if (length === MANY) {
      if (!pump.begin(client, message)) send(refuseForNow(desk, message, reply));
      // Over a stream a message without an answer can only be garbage.
    } else close(COUNT_CLOSED_GARBAGE);
  };
  /** False when the next query has to wait. */
  const mayBegin = (): boolean => {
    if (!flow.isClosed && !isHeld()) flow.isPoor = !sessions.spend(session, desk.nowMs());
    return !flow.isClosed && !isHeld();
  };
  // One read may hold a thousand queries with long answers: they are asked when there is room.
  const read = (bytes: Uint8Array): void => {
    replies.hold();
    const taken = framing.receive(bytes, answer, mayBegin);
    if (!replies.release()) flow.isFull = true;
    if (flow.isClosed) return;
    if (taken === STREAM_BROKEN) return void close(COUNT_CLOSED_GARBAGE);
    rest = taken < bytes.length ? bytes.subarray(taken) : NOTHING_READ;
    if (isHeld()) connection.pause();
  };
  const goOn = (): void => {
    pump.goOn();
    if (!flow.isClosed && !isHeld()) read(rest);
    if (flow.isClosed) return;
    if (isHeld()) return void connection.pause();
    connection.resume();
    if (flow.hasEnded && flow.later === 0) connection.end();
  };
  session.wake = () => {
    if (!flow.isPoor) return;
    flow.isPoor = false;
    goOn();
  };
  return {
    onData(bytes) {
      read(bytes);
      // The bytes are the engine's again when this returns.
      if (rest.length > 0) rest = new Uint8Array(rest);
    },
    onEnd() {
      flow.hasEnded = true;
      if (flow.later === 0 && rest.length === 0 && !pump.isActive()) connection.end();
    },
    onDrain() {
      flow.isFull = false;
      goOn();
    },
    onClose: leave,
  };
}

/** With its length in front (RFC 1035 4.2.2). */
function framedReply(length: number): Uint8Array {
  framed[0] = length >> 8;
  framed[1] = length & 0xff;
  return framed.subarray(0, LENGTH_BYTES + length);
}

/** Where a connection stands. */
type Flow = {
  /** Queries that others answer. */
  later: number;
  /** The client takes no more for now. */
  isFull: boolean;
  /** The client has asked too many for now. */
  isPoor: boolean;
  hasEnded: boolean;
  isClosed: boolean;
};

function isBusy({ isFull, isPoor, later }: Flow): boolean {
  return isFull || isPoor || later >= LATER_MAX;
}
