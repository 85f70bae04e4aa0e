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
import type { Connect } from './balancer/upstream.ts';
import { steadyNow } from './io/clock.ts';
import { connectRelay, openRelay } from './io/datagram-relay.ts';
import { openRingCalls } from './io/ring-calls.ts';
import type { Connection, ConnectionHandlers, Listener, StreamEngine } from './io/stream.ts';
import { createPortableEngine } from './io/stream-portable.ts';
import { createRingEngine } from './io/stream-ring.ts';
import { openSyscalls } from './io/syscall.ts';
import { createEntrance, type Entrance } from './layer4/entrance.ts';
import { createLayer4, type Layer4 } from './layer4/layer4.ts';
import type { ConnectDatagrams } from './layer4/udp-sessions.ts';
import { createLineWriter, type LineWriter } from './telemetry/line-writer.ts';
import { compileBeforeExit } from './workers/compiling.ts';

/**
 * Composition root of a balancer worker thread: a stream engine, a clock and randomness around the
 * pure balancer. It speaks `messages.ts` with the main thread and is replaced when it dies; nothing
 * here catches a bug.
 */
function createWorker(
  send: (report: BalancerReport) => void,
): (request: BalancerRequest) => Promise<void> {
  let engine: StreamEngine = createPortableEngine();
  const listeners = new Map<string, Listener>();
  let balancer: Balancer | undefined;
  let front: Front | undefined;
  let stopping = false;
  let datagrams: readonly string[] = [];
  let idleClock: NodeJS.Timeout | undefined;
  const log = createLogOutput(() => balancer);

  const open = async (snapshot: BalancerSnapshot, sockets: readonly ListenerSocket[]) => {
    const problems: ListenerProblem[] = [];
    datagrams = snapshot.listeners.flatMap(({ layer4, name }) =>
      layer4?.protocol === 'udp' ? [name] : [],
    );
    for (const socket of sockets) {
      const problem = await openListener(engine, () => front, listeners, snapshot, socket);
      if (problem) problems.push(problem);
    }
    return { listeners: [...listeners].map(addressOf), problems };
  };
  const endWhenIdle = (): void => {
    if (front && front.balancer.sessions() + front.layer4.sessions() > 0) return;
    clearInterval(idleClock);
    log.write();
    void log.close().then(() => {
      send({ type: 'stopped' });
      // The clock would keep the thread, and with it the end of the node.
      process.exit(0);
    });
  };

  return async (request) => {
    switch (request.type) {
      case 'start': {
        const { counters, ringLedger, snapshot, sockets, states } = request;
        if (ringLedger) engine = openRing(ringLedger) ?? engine;
        log.follow(snapshot);
        const wakeAfter = (ms: number): void => {
          setTimeout(() => balancer?.tickWaiting(steadyNow()), Math.ceil(ms));
        };
        balancer = createBalancer(connector(engine), Math.random, snapshot, counters, wakeAfter);
        balancer.setServers(states);
        front = openFront(balancer, engine, snapshot);
        setInterval(() => {
          tickFront(front, send);
          log.write();
        }, TICK_MS);
        send({ type: 'ready', engine: engine.name, ...(await open(snapshot, sockets)) });
        break;
      }
      case 'snapshot': {
        const { counters, snapshot, sockets } = request;
        log.write();
        log.follow(snapshot);
        balancer?.serve(snapshot, counters);
        front?.layer4.serve(snapshot);
        front?.entrance.serve(snapshot);
        await closeListeners(listeners, stayingListeners(snapshot, sockets));
        const opened = await open(snapshot, sockets);
        send({ type: 'serving', generation: snapshot.generation, ...opened });
        break;
      }
      case 'servers':
        balancer?.setServers(request.states);
        break;
      case 'drain':
        balancer?.drain(request.listeners, request.draining);
        front?.layer4.drain(request.listeners, request.draining);
        break;
      case 'stop':
        if (stopping) break;
        stopping = true;
        // Sessions of UDP still hear their clients, until the thread ends.
        await closeListeners(listeners, request.givesUpAddresses ? [] : datagrams);
        balancer?.stop(steadyNow(), request.graceMs);
        front?.layer4.stop(steadyNow(), request.graceMs, !request.givesUpAddresses);
        idleClock = setInterval(endWhenIdle, TICK_MS);
    }
  };
}

/** Where the access log goes: into the file of the snapshot that is served. */
function createLogOutput(balancer: () => Balancer | undefined) {
  let writer: LineWriter | undefined;
  let file: string | undefined;
  return {
    follow({ accessLog }: BalancerSnapshot): void {
      if (accessLog?.file === file) return;
      file = accessLog?.file;
      void writer?.close();
      writer = file === undefined ? undefined : createLineWriter(file, steadyNow);
    },
    write(): void {
      const batch = balancer()?.takeLog();
      if (batch) balancer()?.countLog(batch, writer?.write(batch.bytes) === true);
    },
    close: (): Promise<void> => writer?.close() ?? Promise.resolve(),
  };
}

/** Undefined when this thread cannot have one, though another could: memory may be short. */
function openRing(ledgerMemory: SharedArrayBuffer): StreamEngine | undefined {
  const [calls, syscalls] = [openRingCalls(), openSyscalls()];
  if (!calls.ok || !syscalls.ok) return undefined;
  try {
    const engine = createRingEngine(calls.calls, syscalls.calls, { ledgerMemory });
    compileBeforeExit();
    return engine;
  } catch {
    return undefined;
  }
}

async function openListener(
  engine: StreamEngine,
  front: () => Front | undefined,
  listeners: Map<string, Listener>,
  snapshot: BalancerSnapshot,
  socket: ListenerSocket,
): Promise<ListenerProblem | undefined> {
  const settings = snapshot.listeners.find(({ name }) => name === socket.listener);
  if (settings === undefined) return { listener: socket.listener, code: 'UNKNOWN_LISTENER' };
  const { name, address, port } = settings;
  const where = socket.fd === undefined ? { address, port, shared: true } : { fd: socket.fd };
  try {
    const isDatagrams = settings.layer4?.protocol === 'udp';
    const listener = isDatagrams
      ? await openDatagrams(front, settings)
      : await engine.listen(where, (connection) => {
          const at = front();
          return at
            ? at.entrance.pass(name, connection, (passed) => admit(at, name, passed))
            : DEAF;
        });
    listeners.set(name, listener);
    return undefined;
  } catch (error) {
    return { listener: name, code: (error as NodeJS.ErrnoException).code ?? 'UNKNOWN' };
  }
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
}

function admit({ balancer, layer4 }: Front, name: string, connection: Connection) {
  const { accept } = layer4.serves(name) ? layer4 : balancer;
  const handlers = accept(name, connection, steadyNow());
  if (handlers) return handlers;
  connection.destroy();
  return DEAF;
}

/** One that comes with a socket has moved: its old one goes. */
function stayingListeners(
  { listeners }: BalancerSnapshot,
  sockets: readonly ListenerSocket[],
): readonly string[] {
  const moved = new Set(sockets.map(({ listener }) => listener));
  return listeners.flatMap(({ name }) => (moved.has(name) ? [] : [name]));
}

async function closeListeners(
  listeners: Map<string, Listener>,
  kept: readonly string[],
): Promise<void> {
  for (const [name, listener] of listeners) {
    if (kept.includes(name)) continue;
    listeners.delete(name);
    await listener.close();
  }
}

const connector =
  (engine: StreamEngine): Connect =>
  (target, handlers) =>
    engine.connect(target, handlers);

const addressOf = ([listener, { address, port }]: [string, Listener]): ListenerAddress => ({
  listener,
  address,
  port,
});

const TICK_MS = 100;
const DEAF: ConnectionHandlers = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };

if (parentPort) {
  const port = parentPort;
  const handle = createWorker((report) => port.postMessage(report));
  // One after the other: what a request opens must be there before the next one closes it.
  let handled: Promise<void> = Promise.resolve();
  port.on('message', (request: BalancerRequest) => {
    handled = handled.then(() => handle(request));
  });
}
