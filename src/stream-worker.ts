import { randomInt } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import type { Desk } from './dns-transport/desk.ts';
import {
  type Certificates,
  createCertificates,
  openStreamListener,
} from './dns-transport/listeners.ts';
import { createSessions, type Sessions } from './dns-transport/sessions.ts';
import { createTap, type Tap, type TapPlan } from './dnstap/tap.ts';
import { describeBindFailure } from './io/sockets.ts';
import type { Listener } from './io/stream.ts';
import { createPortableEngine } from './io/stream-portable.ts';
import { COUNT_DURATIONS_STREAM } from './nameserver/counters.ts';
import { createAllDeferrals, firstDeferralId } from './nameserver/defer.ts';
import { createStopwatch } from './nameserver/durations.ts';
import {
  createWorkerState,
  learn,
  setHealth,
  type WorkerState,
} from './nameserver/worker-state.ts';
import { deferredQuery, type FromDnsWorker, type ToDnsWorker } from './workers/dns-messages.ts';
import { createSigningClient } from './workers/signing-client.ts';
import { takeSignatures, takeTables } from './workers/take-tables.ts';

/** The stream worker's thread: DNS over TCP, TLS and HTTPS with the same `respond` as UDP. */
type Start = ToDnsWorker & { readonly type: 'start' };

const SWEEP_MS = 500;
/** One query of so many is measured: next to what a stream costs it is little. */
const MEASURED_EVERY = 16;
/** What is already answered may still leave. */
const STOP_GRACE_MS = 50;

const engine = createPortableEngine();
const listeners: Listener[] = [];
/** What to do with the replies of the main thread. */
const deferrals = createAllDeferrals<(reply: Uint8Array | undefined) => void>(
  firstDeferralId(Date.now()),
);
const signing = createSigningClient((generation, learned) => {
  if (state) learn(state, generation, learned);
});
let state: WorkerState | undefined;
let sessions: Sessions | undefined;
let certificates: Certificates | undefined;
let tap: Tap | undefined;

parentPort?.on('message', (message: ToDnsWorker) => {
  switch (message.type) {
    case 'start':
      state = createWorkerState(message.counters, randomInt(2 ** 32));
      state.cookies = message.cookies;
      takeTables(state, { ...message, type: 'snapshot' });
      tap = openTap(state, message.tap);
      void open(state, message);
      break;
    case 'snapshot':
    case 'zones':
      if (state) tell({ type: 'serving', generation: takeTables(state, message) });
      break;
    case 'health':
      if (state) setHealth(state, message.health, message.generation);
      break;
    case 'cookies':
      if (state) state.cookies = message.cookies;
      break;
    case 'certificates':
      certificates?.set(message.certificates);
      break;
    case 'deferred-reply':
      deferrals[message.kind].take(message.id)?.(message.reply);
      break;
    case 'signer':
      signing.connect(message.port);
      break;
    case 'signatures':
      if (state) takeSignatures(state, message);
      break;
    case 'tap':
      tap?.close();
      if (state) tap = openTap(state, message.tap);
      break;
    case 'stop':
      stop();
  }
});

async function open(worker: WorkerState, { certificates: first, streams, tcp }: Start) {
  const desk = createDesk(worker);
  const opened = createSessions(tcp, (slot) => {
    worker.counters[slot]! += 1;
  });
  sessions = opened;
  certificates = createCertificates(first);
  for (const { service, socket } of streams) {
    const { address, port, fd } = socket;
    const where = fd === undefined ? { address, port } : { fd };
    try {
      listeners.push(await openStreamListener(engine, where, service, desk, opened, certificates));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'UNKNOWN';
      tell({ type: 'problem', problem: describeBindFailure('TCP', socket, code) });
      return;
    }
  }
  setInterval(() => opened.sweep(Date.now()), SWEEP_MS);
  tell({ type: 'ready', engine: engine.name, ports: listeners.map(({ port }) => port) });
}

function openTap(worker: WorkerState, plan: TapPlan | undefined): Tap | undefined {
  const counters = () => worker.counters;
  return plan && createTap(plan, { counters, steadyMs, seed: randomInt(2 ** 32) });
}

const steadyMs = (): number => performance.now();

function createDesk(worker: WorkerState): Desk {
  const counters = () => worker.counters;
  return {
    worker,
    nowMs: Date.now,
    tap: () => tap,
    stopwatch: createStopwatch(counters, COUNT_DURATIONS_STREAM, MEASURED_EVERY, steadyMs),
    sign: signing.ask,
    defer(kind, message, client, nowMs, take) {
      const id = deferrals[kind].admit(take, nowMs);
      if (id === undefined) return false;
      tell({ type: 'deferred', kind, id, ...deferredQuery(message, client, nowMs) });
      return true;
    },
  };
}

function stop(): void {
  sessions?.endAll();
  void Promise.all(listeners.map((listener) => listener.close()));
  setTimeout(() => process.exit(0), STOP_GRACE_MS);
}

function tell(message: FromDnsWorker): void {
  parentPort?.postMessage(message);
}
