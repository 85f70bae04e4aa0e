import { randomInt } from 'node:crypto';
import { endianness } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { shorten } from './dns/shorten.ts';
import { createTap, type Tap, type TapPlan } from './dnstap/tap.ts';
import type {
  DatagramHandler,
  DatagramMeter,
  Fast,
  Foresee,
  Later,
  Shorten,
  UdpEngine,
} from './io/datagram.ts';
import { describeBindFailure } from './io/sockets.ts';
import { type BatchCalls, openBatchCalls } from './io/syscall.ts';
import { BATCH_MAX, type BatchUdp, openBatchUdp } from './io/udp-batch.ts';
import { openPortableUdp } from './io/udp-portable.ts';
import type { Prefix } from './ip/prefix.ts';
import { createProxiedClient, readProxyHeader } from './ip/proxy-protocol.ts';
import { isListed } from './nameserver/access.ts';
import { answerBusy } from './nameserver/busy.ts';
import { type Client, createClient, setLocalAddress, TRANSPORT_UDP } from './nameserver/client.ts';
import {
  batchSlot,
  COUNT_DROPPED,
  COUNT_DURATIONS_UDP,
  COUNT_TRUNCATED,
  COUNT_UDP_SENT,
  COUNT_UNSENT,
} from './nameserver/counters.ts';
import {
  countDeferred,
  createAllDeferrals,
  type DeferKind,
  deferKind,
  firstDeferralId,
} from './nameserver/defer.ts';
import { createStopwatch, type Stopwatch } from './nameserver/durations.ts';
import { answerFast, NOT_FAST } from './nameserver/fast-path.ts';
import { createForesight, foresee } from './nameserver/foresight.ts';
import { DROP, SIGN } from './nameserver/outcomes.ts';
import { createPacketCache } from './nameserver/packet-cache.ts';
import { respond } from './nameserver/respond.ts';
import { createSourceSampler } from './nameserver/source-sampler.ts';
import {
  createWorkerState,
  learn,
  setHealth,
  type WorkerState,
} from './nameserver/worker-state.ts';
import { compileBeforeExit } from './workers/compiling.ts';
import type { UdpEntrance } from './workers/dns-entrances.ts';
import { deferredQuery, type FromDnsWorker, type ToDnsWorker } from './workers/dns-messages.ts';
import { inlineMore } from './workers/inlining.ts';
import { goFirst } from './workers/priority.ts';
import { createSigningClient } from './workers/signing-client.ts';
import { takeSignatures, takeTables } from './workers/take-tables.ts';

/**
 * A UDP worker's thread: a socket per listener, one `respond`. Messages of the main thread are met
 * between two packets, so an answer is wholly of one snapshot and one health table.
 */
let state: WorkerState | undefined;
const sampler = createSourceSampler((sources) => tell({ type: 'sources', sources }));
/** Undefined = nobody wants to know of queries. */
let tap: Tap | undefined;
const engines: UdpEngine[] = [];
/** One batch of so many is measured. */
const MEASURED_EVERY = 64;
/** What to do with the replies of the main thread. */
const deferrals = createAllDeferrals<(reply: Uint8Array | undefined) => void>(
  firstDeferralId(Date.now()),
);
const signing = createSigningClient((generation, learned) => {
  if (state) learn(state, generation, learned);
});

parentPort?.on('message', (message: ToDnsWorker) => {
  switch (message.type) {
    case 'start':
      goFirst();
      inlineMore();
      state = createWorkerState(message.counters, randomInt(2 ** 32));
      if (endianness() === 'LE') state.cache = createPacketCache();
      state.cookies = message.cookies;
      takeTables(state, { ...message, type: 'snapshot' });
      tap = openTap(state, message.tap);
      sampler.set(message.isSampling);
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
    case 'sampling':
      sampler.set(message.isOn);
      break;
    case 'stop':
      void Promise.all(engines.map((engine) => engine.close())).then(() => process.exit(0));
  }
});

type Start = Pick<ToDnsWorker & { readonly type: 'start' }, 'bell' | 'gatherUs' | 'udp'>;

/** Binds every listener's socket; from then on queries are answered. */
async function open(worker: WorkerState, { bell, gatherUs, udp: entrances }: Start): Promise<void> {
  const stopwatch = openStopwatch(worker);
  const meter = meterOf(worker, stopwatch);
  if (bell !== undefined) {
    const opened = openBatchCalls();
    // The main thread has tried them.
    if (!opened.ok) throw new Error(opened.reason);
    compileBeforeExit();
    const batch = openBatchUdp(
      timed(opened.calls, stopwatch),
      entrances.map((entrance) => {
        const { socket } = entrance;
        const handler = handlerOf(worker, entrance, stopwatch);
        return { socket: { ...socket, fd: socket.fd! }, handler };
      }),
      bell,
      meter,
      gatherUs,
    );
    engines.push(...batch.engines);
    tell({ type: 'ready', engine: 'recvmmsg', ports: engines.map(({ port }) => port) });
    serveBatches(batch);
    return;
  }
  for (const entrance of entrances) {
    const { socket } = entrance;
    const handler = timedOneByOne(handlerOf(worker, entrance, stopwatch), stopwatch);
    try {
      engines.push(await openPortableUdp(socket, handler, meter));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'UNKNOWN';
      tell({ type: 'problem', problem: describeBindFailure('UDP', socket, code) });
      return;
    }
  }
  const ports = engines.map(({ port }) => port);
  tell({ type: 'ready', engine: engines[0]?.name ?? 'none', ports });
}

/** Messages of other threads are met each time that the bell has rung. */
function serveBatches(batch: BatchUdp): void {
  const turn = (): void => {
    if (batch.serve()) setImmediate(turn);
  };
  setImmediate(turn);
}

function handlerOf(
  worker: WorkerState,
  { proxies, socket }: UdpEntrance,
  stopwatch: Stopwatch,
): DatagramHandler {
  const client = createClient(TRANSPORT_UDP);
  client.localPort = socket.port;
  // Behind a proxy clients have asked another address.
  if (proxies === undefined) setLocalAddress(client, socket.address);
  const serve = tapped(client, createServe(worker, client, stopwatch));
  const answered = (nowMs: number): void => sampler.take(client, nowMs);
  const both = { source: client, shorten: createShorten(worker), answered };
  return proxies === undefined
    ? { ...both, serve, fast: createFast(worker, client), foresee: createForesee(worker) }
    : { ...both, serve: proxied(worker, client, proxies, serve) };
}

function createShorten({ counters }: WorkerState): Shorten {
  return (reply, length) => {
    const shorter = shorten(reply, length);
    if (shorter > 0) {
      counters[COUNT_TRUNCATED] = counters[COUNT_TRUNCATED]! + 1;
      // Counted when it was made.
      counters[COUNT_UDP_SENT] = counters[COUNT_UDP_SENT]! + shorter - length;
    }
    return shorter;
  };
}

/** Of what somebody wants to know all about, nothing is answered so. */
function createFast(worker: WorkerState, client: Client): Fast {
  return (memory, at, length, nowMs, to) =>
    tap === undefined ? answerFast(worker, client, memory, at, length, nowMs, to) : NOT_FAST;
}

function createForesee({ place }: WorkerState): Foresee {
  const foresight = createForesight(BATCH_MAX);
  return (memory, first, stride, lengths, count) =>
    foresee(foresight, place, memory, first, stride, lengths, count);
}

type Serve = DatagramHandler['serve'];

/** Datagrams of proxies only, which begin with a header that says who asks; others are dropped. */
function proxied(
  worker: WorkerState,
  client: Client,
  proxies: readonly Prefix[],
  serve: Serve,
): Serve {
  const told = createProxiedClient();
  return (packet, length, nowMs, reply, later) => {
    const header = isListed(proxies, client) ? readProxyHeader(told, packet, length) : 0;
    if (header <= 0) {
      countDrop(worker);
      return DROP;
    }
    if (told.isTold) {
      client.family = told.family;
      client.address.set(told.address);
      client.port = told.port;
    }
    packet.copyWithin(0, header, length);
    return serve(packet, length - header, nowMs, reply, later);
  };
}

/** The same, with a note of each query and its response while somebody wants to know. */
function tapped(client: Client, serve: Serve): Serve {
  let engineLater: Later;
  const later: Later = () => {
    const send = engineLater();
    const note = tap?.later(client);
    return (late) => {
      note?.(late);
      send(late);
    };
  };
  return (packet, length, nowMs, reply, back) => {
    if (tap === undefined || !tap.query(client, packet, length, nowMs)) {
      return serve(packet, length, nowMs, reply, back);
    }
    engineLater = back;
    const written = serve(packet, length, nowMs, reply, later);
    if (written > 0) tap.response(client, reply, written);
    return written;
  };
}

/** The reply goes to whoever sent the datagram, which may be a proxy. */
function createServe(worker: WorkerState, client: Client, stopwatch: Stopwatch): Serve {
  return (packet, length, nowMs, reply, later) => {
    const outcome = respond(worker, client, packet, length, nowMs, reply);
    if (outcome >= DROP) return outcome;
    // What others answer is sent late, and counted then.
    const sendLater = later();
    const send = (late: Uint8Array): void => {
      countSent(worker, late.length);
      // What the engine sends next is not of the batch that was measured last.
      stopwatch.cancel();
      sendLater(late);
    };
    const query = packet.subarray(0, length);
    return outcome === SIGN
      ? handToSigner(worker, client, query, nowMs, reply, send)
      : handOver(worker, client, query, nowMs, deferKind(outcome), send);
  };
}

type Send = (reply: Uint8Array) => void;

function handToSigner(
  worker: WorkerState,
  client: Client,
  query: Uint8Array,
  nowMs: number,
  reply: Uint8Array,
  send: Send,
): number {
  const isTaken = signing.ask(query, client, nowMs, (late) => {
    if (late !== undefined) send(late);
  });
  if (isTaken) return DROP;
  const busy = answerBusy(worker, client, query, reply);
  countSent(worker, busy);
  return busy;
}

function handOver(
  worker: WorkerState,
  client: Client,
  query: Uint8Array,
  nowMs: number,
  kind: DeferKind,
  send: Send,
): number {
  const id = deferrals[kind].admit((late) => {
    countDeferred(worker.counters, kind, late);
    if (late !== undefined) send(late);
  }, nowMs);
  if (id === undefined) countDeferred(worker.counters, kind, undefined);
  else tell({ type: 'deferred', kind, id, ...deferredQuery(query, client, nowMs) });
  return DROP;
}

function meterOf(worker: WorkerState, stopwatch: Stopwatch): DatagramMeter {
  return {
    received(count) {
      stopwatch.begin(count);
      const slot = batchSlot(count);
      worker.counters[slot] = worker.counters[slot]! + 1;
    },
    dropped: () => countDrop(worker),
    unsent() {
      worker.counters[COUNT_UNSENT] = worker.counters[COUNT_UNSENT]! + 1;
    },
  };
}

function openTap(worker: WorkerState, plan: TapPlan | undefined): Tap | undefined {
  const counters = () => worker.counters;
  return plan && createTap(plan, { counters, steadyMs, seed: randomInt(2 ** 32) });
}

function openStopwatch(worker: WorkerState): Stopwatch {
  return createStopwatch(() => worker.counters, COUNT_DURATIONS_UDP, MEASURED_EVERY, steadyMs);
}

/** Stops the watch when the kernel has the replies. */
function timed(calls: BatchCalls, stopwatch: Stopwatch): BatchCalls {
  return {
    ...calls,
    send(fd, headers, count, flags) {
      const sent = calls.send(fd, headers, count, flags);
      if (sent > 0) stopwatch.end();
      return sent;
    },
  };
}

/** Where there is no batch to send: when Node is given the reply. */
function timedOneByOne(handler: DatagramHandler, stopwatch: Stopwatch): DatagramHandler {
  const { answered, fast, serve, source } = handler;
  const timed = (written: number): number => {
    if (written > 0) stopwatch.end();
    return written;
  };
  return {
    source,
    answered,
    serve: (...datagram) => timed(serve(...datagram)),
    fast: fast && ((...datagram) => timed(fast(...datagram))),
  };
}

const steadyMs = (): number => performance.now();

function countDrop({ counters }: WorkerState): void {
  counters[COUNT_DROPPED] = counters[COUNT_DROPPED]! + 1;
}

function countSent({ counters }: WorkerState, octets: number): void {
  counters[COUNT_UDP_SENT] = counters[COUNT_UDP_SENT]! + octets;
}

function tell(message: FromDnsWorker): void {
  parentPort?.postMessage(message);
}
