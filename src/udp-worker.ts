import { parentPort } from 'node:worker_threads';
import { describeBindFailure, type HandedSocket } from './io/sockets.ts';
import { openPortableUdp, type UdpEngine } from './io/udp-portable.ts';
import { createClient, setClientAddress, TRANSPORT_UDP } from './nameserver/client.ts';
import { COUNT_DROPPED } from './nameserver/counters.ts';
import { respond } from './nameserver/respond.ts';
import {
  createWorkerState,
  setHealth,
  setSnapshot,
  type WorkerState,
} from './nameserver/worker-state.ts';
import type { FromDnsWorker, ToDnsWorker } from './workers/dns-messages.ts';

/**
 * A UDP worker's thread: a socket per listener, one `respond`. Messages of the main thread are met
 * between two packets, so an answer is wholly of one snapshot and one health table.
 */
let state: WorkerState | undefined;
const engines: UdpEngine[] = [];

parentPort?.on('message', (message: ToDnsWorker) => {
  switch (message.type) {
    case 'start':
      state = createWorkerState(message.counters);
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
    case 'stop':
      void Promise.all(engines.map((engine) => engine.close())).then(() => process.exit(0));
  }
});

async function open(worker: WorkerState, sockets: readonly HandedSocket[]): Promise<void> {
  for (const socket of sockets) {
    try {
      engines.push(await openPortableUdp(socket, createHandler(worker), () => countDrop(worker)));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'UNKNOWN';
      tell({ type: 'problem', problem: describeBindFailure('UDP', socket, code) });
      return;
    }
  }
  const ports = engines.map(({ port }) => port);
  tell({ type: 'ready', engine: engines[0]?.name ?? 'none', ports });
}

function createHandler(worker: WorkerState) {
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
    return respond(worker, client, packet, packet.length, Date.now(), reply);
  };
}

function countDrop({ counters }: WorkerState): void {
  counters[COUNT_DROPPED] = counters[COUNT_DROPPED]! + 1;
}

function tell(message: FromDnsWorker): void {
  parentPort?.postMessage(message);
}
