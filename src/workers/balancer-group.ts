import { counterBytes } from '../balancer/counters.ts';
import type {
  BalancerReport,
  BalancerRequest,
  ListenerSocket,
  ServerState,
} from '../balancer/messages.ts';
import type { BalancerSnapshot } from '../balancer/snapshot.ts';
import type { BalancerListenerConfig } from '../config/config.ts';
import {
  describeBindFailure,
  type OwnedSocket,
  openTcpSocket,
  type SocketProblem,
} from '../io/sockets.ts';
import type { Syscalls } from '../io/syscall.ts';
import { parseAddress } from '../ip/address.ts';
import type { Log } from '../telemetry/log.ts';
import type { BalancerTotals } from './balancer-totals.ts';
import { createThread, type Thread } from './thread.ts';

/** The balancer of one region: its listening sockets and the threads that accept from them. */
export type BalancerGroup = {
  /** Opens listeners that are new, closes those that are gone. */
  openListeners(listeners: readonly BalancerListenerConfig[]): readonly SocketProblem[];
  /** Serves the snapshot: starts the threads the first time. */
  serve(snapshot: BalancerSnapshot): void;
  publishServers(): void;
  threads(): readonly Thread[];
  stop(graceMs: number): Promise<void>;
};

export type BalancerGroupOptions = {
  readonly region: string;
  readonly threads: number;
  readonly file: URL;
  readonly syscalls: Syscalls | undefined;
  readonly totals: BalancerTotals;
  readonly log: Log;
  /** Which servers may be used now. */
  states(): readonly ServerState[];
  onProblem(problem: SocketProblem): void;
};

/** A worker that does not end by itself gets this much longer than its requests. */
const STOP_MARGIN_MS = 500;

export function createBalancerGroup(options: BalancerGroupOptions): BalancerGroup {
  const sockets = new Map<string, OwnedSocket>();
  const threads: Thread[] = [];
  /** Opened since the running threads were last told. */
  let fresh = new Set<string>();
  let served: BalancerSnapshot | undefined;

  const hand = (only: ReadonlySet<string> | undefined): ListenerSocket[] =>
    [...sockets]
      .filter(([name]) => only?.has(name) ?? true)
      .map(([name, socket]) => ({ listener: name, fd: socket.hand().fd }));
  const rowFor = (worker: string, snapshot: BalancerSnapshot): SharedArrayBuffer => {
    const row = new SharedArrayBuffer(counterBytes(snapshot));
    options.totals.attach(worker, snapshot, row);
    return row;
  };
  const onMessage = (message: { readonly type: string }): void => {
    const report = message as BalancerReport;
    if (report.type === 'stopped') return;
    for (const { listener, code } of report.problems) {
      const at = served?.listeners.find(({ name }) => name === listener);
      if (at) options.onProblem(describeBindFailure('TCP', at, code));
    }
  };
  const spawn = (name: string, first: BalancerSnapshot): Thread =>
    createThread({
      name,
      file: options.file,
      log: options.log,
      onMessage,
      start(): BalancerRequest {
        const snapshot = served ?? first;
        const counters = rowFor(name, snapshot);
        return {
          type: 'start',
          snapshot,
          counters,
          sockets: hand(undefined),
          states: options.states(),
        };
      },
    });

  return {
    openListeners(listeners) {
      closeGone(listeners, sockets);
      return openNew(options.syscalls, listeners, sockets, fresh);
    },
    serve(snapshot) {
      served = snapshot;
      for (const thread of threads) {
        const counters = rowFor(thread.name, snapshot);
        const message: BalancerRequest = {
          type: 'snapshot',
          snapshot,
          counters,
          sockets: hand(fresh),
        };
        thread.post(message);
      }
      fresh = new Set();
      for (let index = threads.length + 1; index <= options.threads; index += 1) {
        const suffix = options.threads > 1 ? `-${index}` : '';
        threads.push(spawn(`balancer-${options.region}${suffix}`, snapshot));
      }
    },
    publishServers() {
      const message: BalancerRequest = { type: 'servers', states: options.states() };
      for (const thread of threads) thread.post(message);
    },
    threads: () => threads,
    async stop(graceMs) {
      const message: BalancerRequest = { type: 'stop', graceMs };
      for (const socket of sockets.values()) socket.close();
      await Promise.all(threads.map((thread) => thread.stop(graceMs + STOP_MARGIN_MS, message)));
    },
  };
}

/** A listener that moved to another address is closed and opened anew. */
function openNew(
  syscalls: Syscalls | undefined,
  listeners: readonly BalancerListenerConfig[],
  sockets: Map<string, OwnedSocket>,
  fresh: Set<string>,
): readonly SocketProblem[] {
  const problems: SocketProblem[] = [];
  for (const listener of listeners) {
    if (sockets.has(listener.name)) continue;
    const bytes = parseAddress(listener.address)?.bytes ?? new Uint8Array(4);
    const socket = openTcpSocket(syscalls, listener, bytes);
    if (!socket.ok) {
      problems.push(socket.problem);
      continue;
    }
    sockets.set(listener.name, socket.value);
    fresh.add(listener.name);
  }
  return problems;
}

function closeGone(
  listeners: readonly BalancerListenerConfig[],
  sockets: Map<string, OwnedSocket>,
): void {
  for (const [name, socket] of sockets) {
    const still = listeners.find((listener) => listener.name === name);
    const samePort = still?.port === socket.port || still?.port === 0;
    if (still?.address === socket.address && samePort) continue;
    socket.close();
    sockets.delete(name);
  }
}
