import { randomInt } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { describeBindFailure } from './io/sockets.ts';
import { type DatagramHandler, openPortableUdp, type UdpEngine } from './io/udp-portable.ts';
import type { Prefix } from './ip/prefix.ts';
import { createProxiedClient, readProxyHeader } from './ip/proxy-protocol.ts';
import { isListed } from './nameserver/access.ts';
import { answerBusy } from './nameserver/busy.ts';
import { type Client, createClient, setClientAddress, TRANSPORT_UDP } from './nameserver/client.ts';
import { COUNT_DROPPED, COUNT_UDP_SENT } from './nameserver/counters.ts';
import {
  countDeferred,
  createAllDeferrals,
  deferKind,
  firstDeferralId,
} from './nameserver/defer.ts';
import { DROP, SIGN } from './nameserver/outcomes.ts';
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
      state.cookies = message.cookies;
      setSnapshot(state, message.snapshot, message.health);
      void open(state, message.udp);
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

async function open(worker: WorkerState, entrances: readonly UdpEntrance[]): Promise<void> {
  for (const { proxies, socket } of entrances) {
    try {
      let engine: UdpEngine | undefined;
      // What others answered is sent late, and counted then.
      const send: UdpEngine['send'] = (reply, port, address) => {
        countSent(worker, reply.length);
        engine?.send(reply, port, address);
      };
      const serve = createHandler(worker, send);
      const handler = proxies === undefined ? direct(serve) : proxied(worker, proxies, serve);
      engine = await openPortableUdp(socket, handler, () => countDrop(worker));
      engines.push(engine);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'UNKNOWN';
      tell({ type: 'problem', problem: describeBindFailure('UDP', socket, code) });
      return;
    }
  }
  const ports = engines.map(({ port }) => port);
  tell({ type: 'ready', engine: engines[0]?.name ?? 'none', ports });
}

/** Answers the client's query; the reply goes to `port` and `address`, which may be a proxy's. */
type Serve = (
  client: Client,
  packet: Uint8Array,
  address: string,
  port: number,
  reply: Uint8Array,
) => number;

function direct(serve: Serve): DatagramHandler {
  const client = createClient(TRANSPORT_UDP);
  return (packet, address, port, isIpv6, reply) => {
    setClientAddress(client, address, isIpv6);
    client.port = port;
    return serve(client, packet, address, port, reply);
  };
}

/** Datagrams of proxies only, which begin with a header that says who asks; others are dropped. */
function proxied(worker: WorkerState, proxies: readonly Prefix[], serve: Serve): DatagramHandler {
  const client = createClient(TRANSPORT_UDP);
  const told = createProxiedClient();
  return (packet, address, port, isIpv6, reply) => {
    setClientAddress(client, address, isIpv6);
    client.port = port;
    const header = isListed(proxies, client) ? readProxyHeader(told, packet, packet.length) : 0;
    if (header <= 0) {
      countDrop(worker);
      return DROP;
    }
    if (told.isTold) {
      client.family = told.family;
      client.address.set(told.address);
      client.port = told.port;
    }
    return serve(client, packet.subarray(header), address, port, reply);
  };
}

function createHandler(worker: WorkerState, send: UdpEngine['send']): Serve {
  return (client, packet, address, port, reply) => {
    const nowMs = Date.now();
    const length = respond(worker, client, packet, packet.length, nowMs, reply);
    if (length >= DROP) return length;
    if (length === SIGN) {
      const isTaken = signing.ask(packet, client, nowMs, (late) => {
        if (late !== undefined) send(late, port, address);
      });
      if (isTaken) return DROP;
      const busy = answerBusy(worker, client, packet, reply);
      countSent(worker, busy);
      return busy;
    }
    const kind = deferKind(length);
    const id = deferrals[kind].admit((late) => {
      countDeferred(worker.counters, kind, late);
      if (late !== undefined) send(late, port, address);
    }, nowMs);
    if (id === undefined) countDeferred(worker.counters, kind, undefined);
    else tell({ type: 'deferred', kind, id, ...deferredQuery(packet, client, nowMs) });
    return DROP;
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
