import net from 'node:net';
import type { StreamEngine } from '../../src/io/stream.ts';
import { startServer } from '../balancer/raw-server.ts';
import { startRig } from '../balancer/rig.ts';
import {
  type Act,
  type Answer,
  actsOf,
  type Exchange,
  type Step,
  stepsOf,
} from './engine-exchange.ts';
import { createRequestReader, withoutSizes } from './engine-messages.ts';
import { type Tap, type Taps, tapEngine } from './engine-tap.ts';

/**
 * Plays an exchange through a real balancer on real sockets. Nothing depends on time: whoever is next acts when all that
 * was said before has been heard, as far as anybody listens. So both engines see the same history, cut as it was drawn.
 */

export type Outcome = {
  readonly client: Buffer;
  readonly clientEnd: 'end' | 'reset' | 'left';
  /** What each connection to the server brought, in their order. */
  readonly servers: readonly Buffer[];
  /** How often the balancer was told to wait before it writes on, to the client and to the server. */
  readonly holds: { readonly down: number; readonly up: number };
  /**
   * Somebody left in a way that has no place among the octets: the client broke off while nobody listened to it, which
   * is noticed sooner or later; or the server left while the client did not read, and what breaks off its answer
   * discards what is still on its way (RFC 9293 section 3.10.7.4).
   */
  readonly isRaced: boolean;
};

/** One end of a connection that is not the balancer's. */
type Peer = {
  readonly socket: net.Socket;
  readonly received: Buffer[];
  receivedBytes: number;
  sent: number;
  finished: boolean;
  hasReset: boolean;
  sawEnd: boolean;
  sawReset: boolean;
  closed: boolean;
  stopped: boolean;
};
/** A connection of the server: what it still has to do, and for which request. */
type Asked = Peer & { acts: Act[]; answer: Answer | undefined };

/** Without any event; only a failure waits so long. */
const STUCK_MS = 10_000;

export async function play(exchange: Exchange, engine: StreamEngine): Promise<Outcome> {
  const taps: Taps = { clients: [], servers: [] };
  let changed = (): void => {};
  const note = (): void => changed();
  const asked: Asked[] = [];
  const answers = exchange.answers.values();
  const next = (): Answer => answers.next().value ?? exchange.answers.at(-1)!;
  const server = await startServer((socket) => {
    asked.push(serve(socket, next, note));
    note();
  });
  const rig = await startRig({
    servers: [server.port],
    // Else it would be a race whether the end of a client or its answer comes first.
    abortOnClose: false,
    engine: tapEngine(engine, taps, note),
  });
  const client = createPeer(
    net.connect({ port: rig.port, host: '127.0.0.1', allowHalfOpen: true }),
    note,
  );
  const inspect = (): string =>
    JSON.stringify([taps, [client, ...asked].map(({ received, socket, ...state }) => state)]);
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) {
      const { promise, reject, resolve } = Promise.withResolvers<void>();
      changed = resolve;
      const stuck = (): void => reject(new Error(`nothing happens any more: ${inspect()}`));
      const timer = setTimeout(stuck, STUCK_MS);
      await promise.finally(() => clearTimeout(timer));
    }
  };
  const isQuiet = (): boolean =>
    isSettled(client, taps.clients[0]) &&
    taps.servers.every((tap, index) => isSettled(asked[index], tap));
  try {
    const isRaced = await perform(stepsOf(exchange), client, asked, taps, () => until(isQuiet));
    await until(() => rig.balancer.sessions() === 0 && client.closed);
    return outcomeOf(client, asked, taps, isRaced);
  } finally {
    for (const { socket } of [client, ...asked]) socket.destroy();
    await rig.close();
    server.close();
  }
}

/**
 * Steps and acts until nobody has anything more to do. A server that does not read goes on when the client has sent all
 * that it can, so that how much gets through to it meanwhile, which is the engine's, changes nothing.
 * @returns `isRaced`
 */
async function perform(
  steps: readonly Step[],
  client: Peer,
  asked: readonly Asked[],
  taps: Taps,
  settled: () => Promise<void>,
): Promise<boolean> {
  let at = 0;
  let isRaced = false;
  for (;;) {
    await settled();
    const step = client.closed ? undefined : steps[at];
    const acting = asked.find(
      ({ acts, closed, stopped }) => acts.length > 0 && !closed && !stopped,
    );
    const slow = asked.find(({ closed, stopped }) => stopped && !closed);
    if (step && (acting === undefined || !step.isPatient) && (step.kind === 'write' || !slow)) {
      at += 1;
      if (step.kind === 'reset') isRaced ||= taps.clients[0]?.paused === true;
      take(client, step);
    } else if (acting) {
      isRaced ||= client.stopped && !Buffer.isBuffer(acting.acts[0]);
      act(acting);
    } else if (slow) listen(slow);
    else return isRaced;
  }
}

function createPeer(socket: net.Socket, changed: () => void): Peer {
  const peer: Peer = {
    socket,
    received: [],
    receivedBytes: 0,
    sent: 0,
    finished: false,
    hasReset: false,
    sawEnd: false,
    sawReset: false,
    closed: false,
    stopped: false,
  };
  socket.setNoDelay(true);
  socket.on('data', (bytes) => {
    peer.received.push(bytes as Buffer);
    peer.receivedBytes += bytes.length;
    changed();
  });
  socket.on('end', () => {
    peer.sawEnd = true;
    changed();
  });
  socket.on('error', () => {
    peer.sawReset = true;
  });
  socket.on('close', () => {
    peer.closed = true;
    changed();
  });
  return peer;
}

/** A server's end: it does what it has been drawn to do for each request. */
function serve(socket: net.Socket, next: () => Answer, changed: () => void): Asked {
  let method = '';
  let isUpgrade = false;
  // Before `createPeer` tells of it: what it leads to is known when others hear of it.
  socket.on('data', (bytes) => reader.feed(bytes as Buffer));
  socket.on('end', () => connection.acts.push('end'));
  const connection: Asked = Object.assign(createPeer(socket, changed), {
    acts: [],
    answer: undefined,
  });
  const answer = (): void => {
    if (connection.answer) connection.acts.push(...actsOf(connection.answer, method, isUpgrade));
    connection.answer = undefined;
  };
  const reader = createRequestReader((name, head) => {
    method = name;
    isUpgrade = /\r\nUpgrade: raw\r\n/i.test(head);
    connection.answer = next();
    if (connection.answer.isEarly) answer();
    else if (connection.answer.isSlow) stop(connection);
  }, answer);
  return connection;
}

function stop(peer: Peer): void {
  peer.stopped = true;
  peer.socket.pause();
}
function listen(peer: Peer): void {
  peer.stopped = false;
  peer.socket.resume();
}
function finish(peer: Peer): void {
  peer.finished = true;
  peer.socket.end();
}
function breakOff(peer: Peer): void {
  peer.hasReset = true;
  peer.socket.resetAndDestroy();
}
function say(peer: Peer, bytes: Buffer): void {
  if (peer.finished || peer.socket.destroyed) return;
  peer.sent += bytes.length;
  peer.socket.write(bytes);
}

function take(client: Peer, step: Step): void {
  if (step.kind === 'write' || step.kind === 'last') say(client, step.bytes);
  else if (step.kind === 'stop') stop(client);
  else if (step.kind === 'read') listen(client);
  else if (step.kind === 'reset') breakOff(client);
  if (step.kind === 'last' || step.kind === 'end') finish(client);
}

function act(connection: Asked): void {
  const next = connection.acts.shift();
  // Who has finished is not listened to: that it breaks off then is noticed only by writing to it.
  if (connection.finished) return;
  if (next === 'end') finish(connection);
  else if (next === 'reset') breakOff(connection);
  else if (next !== undefined) say(connection, next);
}

/** Whether all that either end of a connection has said was heard, as far as the other one listens. */
function isSettled(peer: Peer | undefined, tap: Tap | undefined): boolean {
  if (tap === undefined) return false;
  const isOver = tap.gone || tap.closed;
  if (peer === undefined || !tap.isOpen) return isOver;
  const isAllHeard = !peer.hasReset && tap.heard === peer.sent && (!peer.finished || tap.heardEnd);
  if (!isOver && !tap.paused && !isAllHeard) return false;
  if (peer.closed || peer.stopped) return true;
  if (isOver) return peer.sawEnd;
  return peer.receivedBytes === tap.said && !tap.blocked && (!tap.ended || peer.sawEnd);
}

function outcomeOf(client: Peer, asked: readonly Asked[], taps: Taps, isRaced: boolean): Outcome {
  const end = client.sawEnd ? 'end' : 'reset';
  return {
    client: withoutSizes(Buffer.concat(client.received)),
    clientEnd: client.hasReset ? 'left' : end,
    servers: asked.map(({ received }) => withoutSizes(Buffer.concat(received))),
    holds: { down: holdsOf(taps.clients), up: holdsOf(taps.servers) },
    isRaced,
  };
}

const holdsOf = (taps: readonly Tap[]): number => taps.reduce((sum, { holds }) => sum + holds, 0);
