import { counterBytes } from '../balancer/counters.ts';
import type {
  BalancerReport,
  BalancerRequest,
  ListenerSocket,
  ServerState,
} from '../balancer/messages.ts';
import type { BalancerSnapshot, ListenerSnapshot } from '../balancer/snapshot.ts';
import type { ServerEvent } from '../balancer/standing.ts';
import type { RingCalls } from '../io/ring-calls.ts';
import { createLedgerMemory, settleLedger } from '../io/ring-ledger.ts';
import { describeBindFailure, type SocketProblem } from '../io/sockets.ts';
import type { BalancerTotals } from './balancer-totals.ts';
import type { ListenerSockets } from './listener-sockets.ts';
import { createThread, type Thread, type ThreadVoice } from './thread.ts';

/** The balancer of one region: the threads that accept from its listeners' sockets. */
export type BalancerGroup = {
  /** Serves those listeners of the snapshot whose sockets are open: starts the threads the first time. */
  serve(snapshot: BalancerSnapshot): void;
  publishServers(): void;
  /** While draining, clients are served and asked to leave (`Connection: close`). */
  setDraining(draining: boolean): void;
  threads(): readonly Thread[];
  /** @param givesUpAddresses the node goes on without it, and its addresses may be wanted */
  stop(graceMs: number, givesUpAddresses: boolean): Promise<void>;
};

export type BalancerGroupOptions = ThreadVoice & {
  readonly region: string;
  readonly threads: number;
  /** Undefined when they read and write by node:net. */
  readonly ringCalls: RingCalls | undefined;
  readonly file: URL;
  readonly sockets: ListenerSockets;
  readonly totals: BalancerTotals;
  /** Which servers may be used now. */
  states(): readonly ServerState[];
  onProblem(problem: SocketProblem): void;
};

/** A worker that does not end by itself gets this much longer than its requests. */
const STOP_MARGIN_MS = 500;

export function createBalancerGroup(options: BalancerGroupOptions): BalancerGroup {
  const { file, log, record, ringCalls, sockets, totals } = options;
  const ledgers = ringCalls && createLedgers(ringCalls);
  const threads: Thread[] = [];
  let served: BalancerSnapshot | undefined;
  let isDraining = false;

  const tellDraining = (): void => {
    const listeners = served?.listeners.map(({ name }) => name) ?? [];
    const message: BalancerRequest = { type: 'drain', listeners, draining: isDraining };
    for (const thread of threads) thread.post(message);
  };
  const hand = (listeners: readonly ListenerSnapshot[]): ListenerSocket[] =>
    listeners.map((listener) => ({ listener: listener.name, fd: sockets.hand(listener) }));
  const rowFor = (worker: string, snapshot: BalancerSnapshot) =>
    attachRow(totals, worker, snapshot);
  const onMessage = (worker: string, message: { readonly type: string }): void => {
    const report = message as BalancerReport;
    if (report.type === 'events') recordServers(record, worker, report.events);
    if (!('problems' in report)) return;
    // A worker that has just started, and a listener that is new, do not know of it.
    if (isDraining) tellDraining();
    for (const { listener, code } of report.problems) {
      const at = served?.listeners.find(({ name }) => name === listener);
      if (at)
        options.onProblem(
          describeBindFailure(at.layer4?.protocol === 'udp' ? 'UDP' : 'TCP', at, code),
        );
    }
  };
  const spawn = (name: string, first: BalancerSnapshot): Thread =>
    createThread({
      name,
      file,
      log,
      record,
      onMessage: (message) => onMessage(name, message),
      ended: () => ledgers?.settle(name),
      start(): BalancerRequest {
        const snapshot = served ?? first;
        return {
          type: 'start',
          ringLedger: ledgers?.lend(name),
          snapshot,
          counters: rowFor(name, snapshot),
          sockets: hand(snapshot.listeners),
          states: options.states(),
        };
      },
    });

  return {
    serve(wanted) {
      const before = served?.listeners ?? [];
      // One that could not be opened at its new address must not go on at its old one.
      const snapshot = { ...wanted, listeners: wanted.listeners.filter(sockets.isOpen) };
      const fresh = snapshot.listeners.filter((each) => !before.some((old) => isSame(old, each)));
      served = snapshot;
      for (const thread of threads) {
        // A dead one gets everything when it is replaced; a duplicate sent to it would stay open.
        if (thread.state() === 'dead') continue;
        const message: BalancerRequest = {
          type: 'snapshot',
          snapshot,
          counters: rowFor(thread.name, snapshot),
          sockets: hand(fresh),
        };
        thread.post(message);
      }
      for (let index = threads.length + 1; index <= options.threads; index += 1) {
        const suffix = options.threads > 1 ? `-${index}` : '';
        threads.push(spawn(`balancer-${options.region}${suffix}`, snapshot));
      }
    },
    publishServers() {
      const message: BalancerRequest = { type: 'servers', states: options.states() };
      for (const thread of threads) thread.post(message);
    },
    setDraining(draining) {
      if (draining === isDraining) return;
      isDraining = draining;
      tellDraining();
    },
    threads: () => threads,
    async stop(graceMs, givesUpAddresses) {
      const message: BalancerRequest = { type: 'stop', graceMs, givesUpAddresses };
      await Promise.all(threads.map((thread) => thread.stop(graceMs + STOP_MARGIN_MS, message)));
    },
  };
}

function attachRow(
  totals: BalancerTotals,
  worker: string,
  snapshot: BalancerSnapshot,
): SharedArrayBuffer {
  const row = new SharedArrayBuffer(counterBytes(snapshot));
  totals.attach(worker, snapshot, row);
  return row;
}

/** Each worker judges by its own requests. */
function recordServers(
  record: ThreadVoice['record'],
  worker: string,
  events: readonly ServerEvent[],
): void {
  for (const { kind, reason, server, upstream } of events) {
    const level = kind === 'returned' ? 'info' : 'warn';
    record(`server.${kind}`, `${upstream}/${server}`, `${worker}: ${reason}`, level);
  }
}

/** What the rings of threads hold: each life of a thread has a ledger, which is settled when it ends. */
function createLedgers(calls: RingCalls) {
  const ledgers = new Map<string, SharedArrayBuffer>();
  return {
    lend(worker: string): SharedArrayBuffer {
      const memory = createLedgerMemory();
      ledgers.set(worker, memory);
      return memory;
    },
    settle(worker: string): void {
      const memory = ledgers.get(worker);
      ledgers.delete(worker);
      if (memory) settleLedger(memory, calls);
    },
  };
}

/** A listener that keeps its name but moves to another address needs that address's socket. */
function isSame(a: ListenerSnapshot, b: ListenerSnapshot): boolean {
  const isMoved = a.address !== b.address || a.port !== b.port;
  const isUdp = (listener: ListenerSnapshot): boolean => listener.layer4?.protocol === 'udp';
  return a.name === b.name && !isMoved && isUdp(a) === isUdp(b);
}
