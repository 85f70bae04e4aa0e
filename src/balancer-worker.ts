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
import type { BalancerSnapshot } from './balancer/snapshot.ts';
import type { Connect } from './balancer/upstream.ts';
import { steadyNow } from './io/clock.ts';
import { openRingCalls } from './io/ring-calls.ts';
import type { ConnectionHandlers, Listener, StreamEngine } from './io/stream.ts';
import { createPortableEngine } from './io/stream-portable.ts';
import { createRingEngine } from './io/stream-ring.ts';
import { openSyscalls } from './io/syscall.ts';
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
  let stopping = false;

  const open = async (snapshot: BalancerSnapshot, sockets: readonly ListenerSocket[]) => {
    const problems: ListenerProblem[] = [];
    for (const socket of sockets) {
      const problem = await openListener(engine, () => balancer, listeners, snapshot, socket);
      if (problem) problems.push(problem);
    }
    return { listeners: [...listeners].map(addressOf), problems };
  };
  const endWhenIdle = (): void => {
    if (balancer && balancer.sessions() > 0) return;
    send({ type: 'stopped' });
    // The clock would keep the thread, and with it the end of the node.
    process.exit(0);
  };

  return async (request) => {
    switch (request.type) {
      case 'start': {
        const { counters, ringLedger, snapshot, sockets, states } = request;
        if (ringLedger) engine = openRing(ringLedger) ?? engine;
        balancer = createBalancer(connector(engine), Math.random, snapshot, counters);
        balancer.setServers(states);
        setInterval(() => balancer?.tick(steadyNow()), TICK_MS);
        send({ type: 'ready', engine: engine.name, ...(await open(snapshot, sockets)) });
        break;
      }
      case 'snapshot': {
        const { counters, snapshot, sockets } = request;
        balancer?.serve(snapshot, counters);
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
        break;
      case 'stop':
        if (stopping) break;
        stopping = true;
        await closeListeners(listeners, []);
        balancer?.stop(steadyNow(), request.graceMs);
        setInterval(endWhenIdle, TICK_MS);
    }
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
  balancer: () => Balancer | undefined,
  listeners: Map<string, Listener>,
  snapshot: BalancerSnapshot,
  socket: ListenerSocket,
): Promise<ListenerProblem | undefined> {
  const settings = snapshot.listeners.find(({ name }) => name === socket.listener);
  if (settings === undefined) return { listener: socket.listener, code: 'UNKNOWN_LISTENER' };
  const { name, address, port } = settings;
  const where = socket.fd === undefined ? { address, port, shared: true } : { fd: socket.fd };
  try {
    const listener = await engine.listen(where, (connection) => {
      const handlers = balancer()?.accept(name, connection, steadyNow());
      if (handlers) return handlers;
      connection.destroy();
      return DEAF;
    });
    listeners.set(name, listener);
    return undefined;
  } catch (error) {
    return { listener: name, code: (error as NodeJS.ErrnoException).code ?? 'UNKNOWN' };
  }
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
