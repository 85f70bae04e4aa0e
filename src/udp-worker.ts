import { randomInt } from 'node:crypto';
import { endianness } from 'node:os';
import { parentPort } from 'node:worker_threads';
import type { Bell } from './io/bell.ts';
import type { DatagramHandler, DatagramMeter, Fast, UdpEngine } from './io/datagram.ts';
import { describeBindFailure } from './io/sockets.ts';
import { openBatchCalls } from './io/syscall.ts';
import { type BatchUdp, openBatchUdp } from './io/udp-batch.ts';
import { openPortableUdp } from './io/udp-portable.ts';
import type { Prefix } from './ip/prefix.ts';
import { createProxiedClient, readProxyHeader } from './ip/proxy-protocol.ts';
import { isListed } from './nameserver/access.ts';
import { answerBusy } from './nameserver/busy.ts';
import { type Client, createClient, TRANSPORT_UDP } from './nameserver/client.ts';
import { batchSlot, COUNT_DROPPED, COUNT_UDP_SENT, COUNT_UNSENT } from './nameserver/counters.ts';
import {
  countDeferred,
  createAllDeferrals,
  type DeferKind,
  deferKind,
  firstDeferralId,
} from './nameserver/defer.ts';
import { answerFast } from './nameserver/fast-path.ts';
import { DROP, SIGN } from './nameserver/outcomes.ts';
import { createPacketCache } from './nameserver/packet-cache.ts';
import { respond } from './nameserver/respond.ts';
import {
  addSignatures,
  createWorkerState,
  learn,
  setHealth,
  setSnapshot,
  type WorkerState,
} from './nameserver/worker-state.ts';
import type { UdpEntrance } from './workers/dns-entrances.ts';
import { deferredQuery, type FromDnsWorker, type ToDnsWorker } from './workers/dns-messages.ts';
import { createSigningClient } from './workers/signing-client.ts';

/**
 * A UDP worker's thread: a socket per listener, one `respond`. Messages of the main thread are met
 * between two packets, so an answer is wholly of one snapshot and one health table.
 */
let state: WorkerState | undefined;
const engines: UdpEngine[] = [];
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
      state = createWorkerState(message.counters, randomInt(2 ** 32));
      if (endianness() === 'LE') state.cache = createPacketCache();
      state.cookies = message.cookies;
      setSnapshot(state, message.snapshot, message.health);
      void open(state, message.udp, message.bell);
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
      deferrals[message.kind].take(message.id)?.(message.reply);
      break;
    case 'signer':
      signing.connect(message.port);
      break;
    case 'signatures':
      if (state) {
        addSignatures(state, message.generation, message.signatures, message.prepared);
      }
      break;
    case 'stop':
      void Promise.all(engines.map((engine) => engine.close())).then(() => process.exit(0));
  }
});

/** Binds every listener's socket; from then on queries are answered. */
async function open(
  worker: WorkerState,
  entrances: readonly UdpEntrance[],
  bell: Bell | undefined,
): Promise<void> {
  const meter = meterOf(worker);
  if (bell !== undefined) {
    const opened = openBatchCalls();
    // The main thread has tried them.
    if (!opened.ok) throw new Error(opened.reason);
    const batch = openBatchUdp(
      opened.calls,
      entrances.map(({ proxies, socket }) => {
        return { socket: { ...socket, fd: socket.fd! }, handler: handlerOf(worker, proxies) };
      }),
      bell,
      meter,
    );
    engines.push(...batch.engines);
    tell({ type: 'ready', engine: 'recvmmsg', ports: engines.map(({ port }) => port) });
    serveBatches(batch);
    return;
  }
  for (const { proxies, socket } of entrances) {
    try {
      engines.push(await openPortableUdp(socket, handlerOf(worker, proxies), meter));
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

function handlerOf(worker: WorkerState, proxies: readonly Prefix[] | undefined): DatagramHandler {
  const client = createClient(TRANSPORT_UDP);
  const serve = createServe(worker, client);
  return proxies === undefined
    ? { source: client, serve, fast: createFast(worker, client) }
    : { source: client, serve: proxied(worker, client, proxies, serve) };
}

function createFast(worker: WorkerState, client: Client): Fast {
  return (memory, at, length, nowMs, to) =>
    answerFast(worker, client, memory, at, length, nowMs, to);
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

/** The reply goes to whoever sent the datagram, which may be a proxy. */
function createServe(worker: WorkerState, client: Client): Serve {
  return (packet, length, nowMs, reply, later) => {
    const outcome = respond(worker, client, packet, length, nowMs, reply);
    if (outcome >= DROP) return outcome;
    // What others answer is sent late, and counted then.
    const sendLater = later();
    const send = (late: Uint8Array): void => {
      countSent(worker, late.length);
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

function meterOf(worker: WorkerState): DatagramMeter {
  return {
    received(count) {
      const slot = batchSlot(count);
      worker.counters[slot] = worker.counters[slot]! + 1;
    },
    dropped: () => countDrop(worker),
    unsent() {
      worker.counters[COUNT_UNSENT] = worker.counters[COUNT_UNSENT]! + 1;
    },
  };
}

function countDrop({ counters }: WorkerState): void {
  counters[COUNT_DROPPED] = counters[COUNT_DROPPED]! + 1;
}

function countSent({ counters }: WorkerState, octets: number): void {
  counters[COUNT_UDP_SENT] = counters[COUNT_UDP_SENT]! + octets;
}

function tell(message: FromDnsWorker): void {
  parentPort?.postMessage(message);
}
