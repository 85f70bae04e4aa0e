import { randomInt } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { describeBindFailure, type HandedSocket } from './io/sockets.ts';
import type { Connection, ConnectionHandlers, Listener } from './io/stream.ts';
import { createPortableEngine } from './io/stream-portable.ts';
import { createClient, setClientAddress, TRANSPORT_TCP } from './nameserver/client.ts';
import { countDeferred, createDeferrals, firstDeferralId } from './nameserver/defer.ts';
import { DEFER, respond } from './nameserver/respond.ts';
import { createStreamFraming } from './nameserver/stream-framing.ts';
import {
  createWorkerState,
  setHealth,
  setSnapshot,
  type WorkerState,
} from './nameserver/worker-state.ts';
import {
  deferredQuery,
  type FromDnsWorker,
  type TcpLimits,
  type ToDnsWorker,
} from './workers/dns-messages.ts';

/**
 * The stream worker's thread: DNS over TCP (RFC 7766) with the same `respond` as UDP. Queries of a
 * connection are answered in the order in which they came. Every connection costs a bounded amount:
 * their number, their number per client, their idle time, and what waits unsent are all limited.
 */
type Session = { readonly connection: Connection; lastActiveMs: number };

const LENGTH_BYTES = 2;
const REPLY_BYTES = 65_535;
const SWEEP_MS = 500;

const engine = createPortableEngine();
const listeners: Listener[] = [];
const sessions = new Map<Connection, Session>();
const perClient = new Map<string, number>();
const client = createClient(TRANSPORT_TCP);
// One reply at a time: the engine has taken the bytes when `write` returns.
const framed = new Uint8Array(LENGTH_BYTES + REPLY_BYTES);
const reply = framed.subarray(LENGTH_BYTES);
/** What to do with the replies of the main thread. */
const deferrals = createDeferrals<(reply: Uint8Array | undefined) => void>(
  firstDeferralId(Date.now()),
);
let state: WorkerState | undefined;

parentPort?.on('message', (message: ToDnsWorker) => {
  switch (message.type) {
    case 'start':
      state = createWorkerState(message.counters, randomInt(2 ** 32));
      state.cookies = message.cookies;
      setSnapshot(state, message.snapshot, message.health);
      void open(state, message.sockets, message.tcp);
      break;
    case 'snapshot':
      if (!state) break;
      setSnapshot(state, message.snapshot, message.health, message.counters);
      tell({ type: 'serving', generation: message.snapshot.generation });
      break;
    case 'health':
      if (state) setHealth(state, message.health, message.generation);
      break;
    case 'cookies':
      if (state) state.cookies = message.cookies;
      break;
    case 'deferred-reply':
      deferrals.take(message.id)?.(message.reply);
      break;
    case 'stop':
      stop();
  }
});

async function open(
  worker: WorkerState,
  sockets: readonly HandedSocket[],
  limits: TcpLimits,
): Promise<void> {
  for (const socket of sockets) {
    const { address, port, fd } = socket;
    try {
      const where = fd === undefined ? { address, port } : { fd };
      listeners.push(
        await engine.listen(where, (connection) => accept(worker, connection, limits)),
      );
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'UNKNOWN';
      tell({ type: 'problem', problem: describeBindFailure('TCP', socket, code) });
      return;
    }
  }
  setInterval(() => closeIdle(limits.idleTimeoutMs), SWEEP_MS);
  tell({ type: 'ready', engine: engine.name, ports: listeners.map(({ port }) => port) });
}

const REFUSED: ConnectionHandlers = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };

function accept(
  worker: WorkerState,
  connection: Connection,
  limits: TcpLimits,
): ConnectionHandlers {
  const peer = connection.remoteAddress;
  const count = perClient.get(peer) ?? 0;
  if (sessions.size >= limits.connectionsMax || count >= limits.perClientMax) {
    connection.destroy();
    return REFUSED;
  }
  const session: Session = { connection, lastActiveMs: Date.now() };
  sessions.set(connection, session);
  perClient.set(peer, count + 1);
  return createHandlers(worker, session);
}

function createHandlers(worker: WorkerState, session: Session): ConnectionHandlers {
  const { connection } = session;
  const framing = createStreamFraming();
  const isIpv6 = connection.remoteAddress.includes(':');
  /** Queries that came when the client had stopped to take answers, or before one that is deferred. */
  const waiting: Uint8Array[] = [];
  let isFull = false;
  let isHeld = false;
  let hasEnded = false;
  let closed = false;
  const close = (): void => {
    closed = true;
    forget(connection);
    connection.destroy();
  };
  const send = (length: number): void => {
    framed[0] = length >> 8;
    framed[1] = length & 0xff;
    if (connection.write(framed.subarray(0, LENGTH_BYTES + length))) return;
    isFull = true;
    connection.pause();
  };
  /** The answers behind it wait, for they leave in the order of their queries. */
  const hold = (message: Uint8Array): void => {
    isHeld = true;
    connection.pause();
    const nowMs = session.lastActiveMs;
    const id = deferrals.admit((late) => {
      countDeferred(worker.counters, late);
      if (closed) return;
      if (late === undefined) return close();
      isHeld = false;
      reply.set(late);
      send(late.length);
      if (hasEnded) connection.end();
      else goOn();
    }, nowMs);
    if (id !== undefined) tell({ type: 'deferred', id, ...deferredQuery(message, client, nowMs) });
    else {
      countDeferred(worker.counters, undefined);
      close();
    }
  };
  const answer = (message: Uint8Array): void => {
    if (closed) return;
    session.lastActiveMs = Date.now();
    setClientAddress(client, connection.remoteAddress, isIpv6);
    client.port = connection.remotePort;
    const length = respond(worker, client, message, message.length, session.lastActiveMs, reply);
    if (length === DEFER) hold(message);
    // Over a stream a message without an answer can only be garbage.
    else if (length <= 0) close();
    else send(length);
  };
  // One read may hold a thousand queries with long answers: they are asked when there is room.
  const take = (message: Uint8Array): void => {
    if (isFull || isHeld) waiting.push(message.slice());
    else answer(message);
  };
  const goOn = (): void => {
    let next = 0;
    while (!isFull && !isHeld && !closed && next < waiting.length) answer(waiting[next++]!);
    waiting.splice(0, next);
    if (!isFull && !isHeld && !closed) connection.resume();
  };
  return {
    onData(bytes) {
      if (!framing.receive(bytes, take) && !closed) close();
    },
    onEnd() {
      hasEnded = true;
      if (!isHeld) connection.end();
    },
    onDrain() {
      isFull = false;
      goOn();
    },
    onClose() {
      closed = true;
      forget(connection);
    },
  };
}

function forget(connection: Connection): void {
  if (!sessions.delete(connection)) return;
  const peer = connection.remoteAddress;
  const count = (perClient.get(peer) ?? 1) - 1;
  if (count > 0) perClient.set(peer, count);
  else perClient.delete(peer);
}

/** Also ends those that take a query apart into single bytes, and slow readers: only answers count. */
function closeIdle(idleTimeoutMs: number): void {
  const oldest = Date.now() - idleTimeoutMs;
  for (const { connection, lastActiveMs } of sessions.values()) {
    if (lastActiveMs >= oldest) continue;
    forget(connection);
    connection.destroy();
  }
}

function stop(): void {
  for (const connection of sessions.keys()) connection.end();
  void Promise.all(listeners.map((listener) => listener.close()));
  setTimeout(() => process.exit(0), STOP_GRACE_MS);
}

/** What is already answered may still leave. */
const STOP_GRACE_MS = 50;

function tell(message: FromDnsWorker): void {
  parentPort?.postMessage(message);
}
