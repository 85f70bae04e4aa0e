import { setTimeout as passed } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import type { Balancer } from './balancer/balancer.ts';
import { createBalancer } from './balancer/balancer.ts';
import type {
  BalancerReport,
  BalancerRequest,
  ListenerAddress,
  ListenerProblem,
  ListenerSocket,
} from './balancer/messages.ts';
import type { BalancerSnapshot, ListenerSnapshot } from './balancer/snapshot.ts';
import type { Connect } from './balancer/upstream-connection.ts';
import { steadyNow } from './io/clock.ts';
import { connectRelay, openRelay } from './io/datagram-relay.ts';
import { openRingCalls } from './io/ring-calls.ts';
import { type Connection, type Listener, SILENT_HANDLERS, type StreamEngine } from './io/stream.ts';
import { createPortableEngine } from './io/stream-portable.ts';
import { createRingEngine } from './io/stream-ring.ts';
import { openSyscalls } from './io/syscall.ts';
import { createEntrance, type Entrance } from './layer4/entrance.ts';
import { createLayer4, type Layer4 } from './layer4/layer4.ts';
import type { ConnectDatagrams } from './layer4/udp-sessions.ts';
import { createLineWriter, type LineWriter, noLines } from './telemetry/line-writer.ts';
import { compileBeforeExit } from './workers/compiling.ts';
import { createRoundTripSampler, type RoundTripSampler } from './workers/round-trip-sampler.ts';
import { createSharedSessions } from './workers/session-sharing.ts';
import { warmUp } from './workers/warm-up.ts';

type Snapshot = Extract<BalancerRequest, { type: 'snapshot' }>;
type Mark = Extract<BalancerRequest, { type: 'mark' }>;

/**
 * Composition root of a balancer worker thread: a stream engine, a clock and randomness around the
 * pure balancer. It speaks `messages.ts` with the main thread and is replaced when it dies; nothing
 * here catches a bug.
 */
function createWorker(
  send: (report: BalancerReport) => void,
): (request: Exclude<BalancerRequest, Mark>) => Promise<void> {
  let engine: StreamEngine = createPortableEngine();
  const listeners = new Map<string, OpenListener>();
  let balancer: Balancer | undefined;
  let front: Front | undefined;
  let [stopping, datagrams, idleClock]: Ending = [false, [], undefined];
  const log = createLogOutput(() => balancer);
  const sessions = createSharedSessions(() => balancer, send);
  const sampler = createRoundTripSampler(send);

  const wakeAfter = createWaker(() => balancer);
  const open = (snapshot: BalancerSnapshot, sockets: readonly ListenerSocket[]) => {
    datagrams = snapshot.listeners.filter(isUdp).map(({ name }) => name);
    return openListeners({ engine, front: () => front, listeners, sampler }, snapshot, sockets);
  };
  const tick = (): void => {
    tickFront(front, send);
    sampler.tick();
    log.write();
    sessions.tell();
  };
  const endWhenIdle = (): void => {
    if (front && front.balancer.sessions() + front.layer4.sessions() > 0) return;
    clearInterval(idleClock);
    log.write();
    void Promise.all([log.close(), sessions.close()]).then(() => {
      send({ type: 'stopped' });
      // The clock would keep the thread, and with it the end of the node.
      process.exit(0);
    });
  };

  const serve = async ({ counters, snapshot, sockets }: Snapshot): Promise<void> => {
    log.write();
    // Who has come to a listener that goes is still served by what it was.
    const staying = stayingListeners(snapshot, sockets);
    await closeListeners(listeners, staying, HANDSHAKES_MS, snapshot.listeners);
    log.follow(snapshot);
    balancer?.serve(snapshot, counters);
    void sessions.follow(snapshot);
    front?.layer4.serve(snapshot);
    front?.entrance.serve(snapshot);
    const opened = await open(snapshot, sockets);
    send({ type: 'serving', generation: snapshot.generation, ...opened });
  };

  return async (request) => {
    switch (request.type) {
      case 'start': {
        const { counters, ringLedger, snapshot, sockets, states, warmUpMs } = request;
        if (ringLedger) engine = openRing(ringLedger, sockets, send);
        await warmUp(engine, snapshot, warmUpMs);
        log.follow(snapshot);
        const connect = connector(engine);
        const around = { outboxes: engine.outboxes, shared: sessions.shared, wakeAfter };
        balancer = createBalancer(connect, Math.random, snapshot, counters, around);
        await sessions.follow(snapshot);
        balancer.setServers(states);
        front = openFront(balancer, engine, snapshot);
        setInterval(tick, TICK_MS);
        send({ type: 'ready', engine: engine.name, ...(await open(snapshot, sockets)) });
        break;
      }
      case 'snapshot':
        await serve(request);
        break;
      case 'servers':
        balancer?.setServers(request.states);
        break;
      case 'drain':
        balancer?.drain(request.listeners, request.draining);
        front?.layer4.drain(request.listeners, request.draining);
        break;
      case 'reopen-log':
        log.write();
        log.reopen();
        break;
      case 'stop':
        if (stopping) break;
        stopping = true;
        await leave(front, listeners, request, datagrams);
        idleClock = setInterval(endWhenIdle, TICK_MS);
    }
  };
}

/** Whether the worker is to end, listeners of UDP, and the clock that waits for its sessions. */
type Ending = [boolean, readonly string[], NodeJS.Timeout | undefined];

/** What listeners are opened with. */
type Doors = {
  readonly engine: StreamEngine;
  readonly front: () => Front | undefined;
  readonly listeners: Map<string, OpenListener>;
  readonly sampler: RoundTripSampler;
};

async function openListeners(
  doors: Doors,
  snapshot: BalancerSnapshot,
  sockets: readonly ListenerSocket[],
) {
  const { listeners, sampler } = doors;
  sampler.setRate(snapshot.roundTripsPerSecond ?? 0);
  const problems: ListenerProblem[] = [];
  for (const socket of sockets) {
    const problem = await openListener(doors, snapshot, socket);
    if (problem) problems.push(problem);
  }
  return { listeners: [...listeners].map(addressOf), problems };
}

const createWaker =
  (balancer: () => Balancer | undefined) =>
  (ms: number): void => {
    setTimeout(() => balancer()?.tickWaiting(steadyNow()), Math.ceil(ms));
  };

/** Where the access log goes: into the file of the snapshot that is served. */
function createLogOutput(balancer: () => Balancer | undefined) {
  let writer: LineWriter | undefined;
  let file: string | undefined;
  const counts = noLines();
  const tell = (): void => {
    balancer()?.countLog(counts);
    Object.assign(counts, noLines());
  };
  return {
    follow({ accessLog }: BalancerSnapshot): void {
      if (accessLog?.file === file) return;
      file = accessLog?.file;
      void writer?.close();
      writer = file === undefined ? undefined : createLineWriter(file, steadyNow, counts);
    },
    write(): void {
      const batch = balancer()?.takeLog();
      if (batch) {
        writer?.write(batch.bytes);
        counts.dropped += batch.dropped;
      }
      tell();
    },
    reopen: (): void => writer?.reopen(),
    close: (): Promise<void> => (writer?.close() ?? Promise.resolve()).then(tell),
  };
}

/**
 * Memory may be short, so that one thread cannot have a ring and others can. It must not go on by node:net alone: a
 * listening socket is one for all of them, whether calls on it wait is too, and rings need that they do
 * (`prepareStream`), while node:net would wait for a client that another thread has taken.
 * @throws what keeps the thread from having one
 */
function openRing(
  ledgerMemory: SharedArrayBuffer,
  sockets: readonly ListenerSocket[],
  send: (report: BalancerReport) => void,
): StreamEngine {
  const [calls, syscalls] = [openRingCalls(), openSyscalls()];
  try {
    if (!calls.ok) throw new Error(calls.reason);
    if (!syscalls.ok) throw new Error(syscalls.reason);
    const engine = createRingEngine(calls.calls, syscalls.calls, { ledgerMemory });
    compileBeforeExit();
    return engine;
  } catch (error) {
    send({ type: 'no-ring', reason: (error as Error).message });
    for (const { fd } of sockets) if (fd !== undefined) closeSocket(fd);
    throw error;
  }
}

async function openListener(
  { engine, front, listeners, sampler }: Doors,
  snapshot: BalancerSnapshot,
  socket: ListenerSocket,
): Promise<ListenerProblem | undefined> {
  const settings = snapshot.listeners.find(({ name }) => name === socket.listener);
  if (settings === undefined) {
    if (socket.fd !== undefined) closeSocket(socket.fd);
    return { listener: socket.listener, code: 'UNKNOWN_LISTENER' };
  }
  const { name, address, port } = settings;
  const where = socket.fd === undefined ? { address, port, shared: true } : { fd: socket.fd };
  try {
    const isDatagrams = isUdp(settings);
    const listener = isDatagrams
      ? await openDatagrams(front, settings)
      : await engine.listen(where, (connection) => {
          const at = front();
          sampler.take(connection);
          return at
            ? at.entrance.pass(name, connection, steadyNow(), (passed) => admit(at, name, passed))
            : SILENT_HANDLERS;
        });
    listeners.set(name, { ...listener, isDatagrams, fd: socket.fd });
    return undefined;
  } catch (error) {
    return { listener: name, code: (error as NodeJS.ErrnoException).code ?? 'UNKNOWN' };
  }
}

/** It was handed over: nobody else closes it. */
function closeSocket(fd: number): void {
  const opened = openSyscalls();
  if (opened.ok) opened.calls.close(fd);
}

function openDatagrams(
  front: () => Front | undefined,
  { address, name, port }: ListenerSnapshot,
): Promise<Listener> {
  return openRelay({ address, port }, (bytes, from, reply) => {
    const flow = {
      remoteAddress: from.address,
      remotePort: from.port,
      localAddress: address,
      localPort: port,
    };
    const at = front();
    const opened = at?.entrance.open(name, flow, bytes);
    if (opened === undefined) return;
    const peer = `${from.address} ${from.port}`;
    at?.layer4.receive(name, opened.flow, peer, opened.bytes, reply, steadyNow());
  });
}

const connectDatagrams: ConnectDatagrams = (server, { onDatagram, onProblem }) =>
  connectRelay(server, (bytes) => onDatagram(bytes, steadyNow()), onProblem);

/** What stands behind the listeners. */
type Front = {
  readonly balancer: Balancer;
  readonly entrance: Entrance;
  readonly layer4: Layer4;
};

function openFront(balancer: Balancer, engine: StreamEngine, snapshot: BalancerSnapshot): Front {
  const { accounts } = balancer;
  const connect = connector(engine);
  const layer4 = createLayer4(accounts, connect, connectDatagrams, Math.random, snapshot);
  return { balancer, entrance: createEntrance(snapshot), layer4 };
}

function tickFront(front: Front | undefined, send: (report: BalancerReport) => void): void {
  const nowMs = steadyNow();
  front?.balancer.tick(nowMs);
  front?.layer4.tick(nowMs);
  front?.entrance.tick(nowMs);
  const events = front?.balancer.takeEvents() ?? [];
  if (events.length > 0) send({ type: 'events', events });
  const reports = front?.balancer.takePageReports() ?? [];
  if (reports.length > 0) send({ type: 'page-reports', reports });
  const outliers = front?.balancer.takeOutliers();
  if (outliers) send({ type: 'outliers', outliers });
}

function admit({ balancer, layer4 }: Front, name: string, connection: Connection) {
  const { accept } = layer4.serves(name) ? layer4 : balancer;
  const handlers = accept(name, connection, steadyNow());
  if (handlers) return handlers;
  connection.destroy();
  return SILENT_HANDLERS;
}

const isUdp = ({ layer4 }: ListenerSnapshot): boolean => layer4?.protocol === 'udp';

/** Who has come is still served and asked to leave; then nobody is taken any more. */
async function leave(
  front: Front | undefined,
  listeners: Map<string, OpenListener>,
  { givesUpAddresses, graceMs }: Extract<BalancerRequest, { readonly type: 'stop' }>,
  datagrams: readonly string[],
): Promise<void> {
  const endMs = steadyNow() + graceMs;
  front?.balancer.drain([...listeners.keys()], true);
  // Sessions of UDP still hear their clients, until the thread ends.
  const kept = givesUpAddresses ? [] : datagrams;
  await closeListeners(listeners, kept, Math.min(HANDSHAKES_MS, graceMs));
  const nowMs = steadyNow();
  const leftMs = Math.max(0, endMs - nowMs);
  front?.balancer.stop(nowMs, leftMs);
  front?.layer4.stop(nowMs, leftMs, !givesUpAddresses);
}

/** One that comes with a socket has moved: its old one goes. */
function stayingListeners(
  { listeners }: BalancerSnapshot,
  sockets: readonly ListenerSocket[],
): readonly string[] {
  const moved = new Set(sockets.map(({ listener }) => listener));
  return listeners.flatMap(({ name }) => (moved.has(name) ? [] : [name]));
}

/** Those that wait to be accepted come first; who is still shaking hands has `handshakesMs` for it. */
async function closeListeners(
  listeners: Map<string, OpenListener>,
  kept: readonly string[],
  handshakesMs: number,
  next: readonly ListenerSnapshot[] = [],
): Promise<void> {
  const going = [...listeners].filter(([name]) => !kept.includes(name));
  await Promise.all(
    going.map(async ([name, { address, close, fd, isDatagrams, port }]) => {
      listeners.delete(name);
      // Under another name it is the same socket: they wait for that.
      const goesOn =
        fd !== undefined && next.some((at) => at.address === address && at.port === port);
      if (!isDatagrams && !goesOn && handshakesMs > 0) await emptied(fd, handshakesMs);
      await close();
    }),
  );
}

/**
 * The kernel has taken clients that nobody has accepted yet: closing the last descriptor of the socket would reset
 * them. By now it takes nobody new (io/sockets.ts), or, where that is not known, the moment is as good as any.
 */
async function emptied(fd: number | undefined, handshakesMs: number): Promise<void> {
  await passed(handshakesMs);
  const opened = fd === undefined ? undefined : openSyscalls();
  if (fd === undefined || !opened?.ok) return;
  const untilMs = steadyNow() + ACCEPT_REST_MS;
  while (opened.calls.waitingClients(fd) > 0 && steadyNow() < untilMs) await passed(LOOK_MS);
}

type OpenListener = Listener & { readonly isDatagrams: boolean; readonly fd: number | undefined };

const connector =
  (engine: StreamEngine): Connect =>
  (target, handlers) =>
    engine.connect(target, handlers);

const addressOf = ([listener, { address, port }]: [string, OpenListener]): ListenerAddress => ({
  listener,
  address,
  port,
});

const TICK_MS = 100;
/** A way to the client and back: who began to connect before the end has come by then. */
const HANDSHAKES_MS = 200;
/** Who is not accepted by then, for want of descriptors, is reset. */
const ACCEPT_REST_MS = 1000;
const LOOK_MS = 5;

if (parentPort) {
  const port = parentPort;
  const send = (report: BalancerReport): void => port.postMessage(report);
  const handle = createWorker(send);
  // One after the other: what a request opens must be there before the next one closes it.
  let handled: Promise<void> = Promise.resolve();
  port.on('message', (request: BalancerRequest) => {
    handled = handled.then(() =>
      request.type === 'mark' ? send({ type: 'marked', mark: request.mark }) : handle(request),
    );
  });
}
