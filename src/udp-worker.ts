import { randomInt } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { describeBindFailure, type HandedSocket } from './io/sockets.ts';
import { openPortableUdp, type UdpEngine } from './io/udp-portable.ts';
import { createClient, setClientAddress, TRANSPORT_UDP } from './nameserver/client.ts';
import { COUNT_DROPPED } from './nameserver/counters.ts';
import { countDeferred, createDeferrals, firstDeferralId } from './nameserver/defer.ts';
import { DEFER, DROP, respond } from './nameserver/respond.ts';
import {
  createWorkerState,
  setHealth,
  setSnapshot,
  type WorkerState,
} from './nameserver/worker-state.ts';
import { deferredQuery, type FromDnsWorker, type ToDnsWorker } from './workers/dns-messages.ts';

/**
 * A UDP worker's thread: a socket per listener, one `respond`. Messages of the main thread are met
 * between two packets, so an answer is wholly of one snapshot and one health table.
 */
let state: WorkerState | undefined;
const engines: UdpEngine[] = [];
/** What to do with the replies of the main thread. */
const deferrals = createDeferrals<(reply: Uint8Array | undefined) => void>(
  firstDeferralId(Date.now()),
);

parentPort?.on('message', (message: ToDnsWorker) => {
  switch (message.type) {
    case 'start':
      state = createWorkerState(message.counters, randomInt(2 ** 32));
      state.cookies = message.cookies;
      setSnapshot(state, message.snapshot, message.health);
      void open(state, message.sockets);
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
      void Promise.all(engines.map((engine) => engine.close())).then(() => process.exit(0));
  }
});

async function open(worker: WorkerState, sockets: readonly HandedSocket[]): Promise<void> {
  for (const socket of sockets) {
    try {
      let engine: UdpEngine | undefined;
      const handler = createHandler(worker, (reply, port, address) =>
        engine?.send(reply, port, address),
      );
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

function createHandler(worker: WorkerState, send: UdpEngine['send']) {
  const client = createClient(TRANSPORT_UDP);
  return (
    packet: Uint8Array,
    address: string,
    port: number,
    isIpv6: boolean,
    reply: Uint8Array,
  ) => {
    setClientAddress(client, address, isIpv6);
    client.port = port;
    const nowMs = Date.now();
    const length = respond(worker, client, packet, packet.length, nowMs, reply);
    if (length !== DEFER) return length;
    const id = deferrals.admit((late) => {
      countDeferred(worker.counters, late);
      if (late !== undefined) send(late, port, address);
    }, nowMs);
    if (id === undefined) countDeferred(worker.counters, undefined);
    else tell({ type: 'deferred', id, ...deferredQuery(packet, client, nowMs) });
    return DROP;
  };
}

function countDrop({ counters }: WorkerState): void {
  counters[COUNT_DROPPED] = counters[COUNT_DROPPED]! + 1;
}

function tell(message: FromDnsWorker): void {
  parentPort?.postMessage(message);
}
