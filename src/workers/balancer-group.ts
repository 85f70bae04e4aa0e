import { counterBytes, WORKER_COUNTER } from '../balancer/counters.ts';
import type {
  BalancerReport,
  BalancerRequest,
  ListenerProblem,
  ListenerSocket,
  ServerState,
} from '../balancer/messages.ts';
import type { PageReport } from '../balancer/session.ts';
import type { BalancerSnapshot, ListenerSnapshot } from '../balancer/snapshot.ts';
import type { ServerEvent } from '../balancer/standing.ts';
import type { RingCalls } from '../io/ring-calls.ts';
import { createLedgerMemory, retireMemory, settleLedger } from '../io/ring-ledger.ts';
import { describeBindFailure, type SocketProblem } from '../io/sockets.ts';
import type { BalancerTotals } from './balancer-totals.ts';
import { createHearing } from './hearing.ts';
import type { ListenerSockets } from './listener-sockets.ts';
import type { OutlierBoard } from './outlier-board.ts';
import { createThread, type Thread, type ThreadVoice } from './thread.ts';

/** The balancer of one region: the threads that accept from its listeners' sockets. */
export type BalancerGroup = {
  /** Serves those listeners of the snapshot whose sockets are open: starts the threads the first time. */
  serve(snapshot: BalancerSnapshot): void;
  publishServers(): void;
  /** While draining, clients are served and asked to leave (`Connection: close`). */
  setDraining(draining: boolean): void;
  reopenLogs(): void;
  /** Settles when all that was said so far is in force in each thread. */
  heard(): Promise<unknown>;
  threads(): readonly Thread[];
  /** @param givesUpAddresses the node goes on without it, and its addresses may be wanted */
  stop(graceMs: number, givesUpAddresses: boolean): Promise<void>;
};

export type BalancerGroupOptions = ThreadVoice & {
  readonly region: string;
  readonly threads: number;
  /** For a thread's first life: who replaces one that died is waited for. */
  readonly warmUpMs: number;
  /** Undefined when they read and write by node:net. */
  readonly ringCalls: RingCalls | undefined;
  readonly file: URL;
  readonly sockets: ListenerSockets;
  readonly totals: BalancerTotals;
  readonly outliers: OutlierBoard;
  /** Which servers may be used now. */
  states(): readonly ServerState[];
  onProblem(problem: SocketProblem): void;
  /** @param samples as workers tell them (balancer/messages.ts) */
  onRoundTrips(region: string, samples: Float64Array): void;
  onPageReports(reports: readonly PageReport[]): void;
};

/** A worker that does not end by itself gets this much longer than its requests. */
const STOP_MARGIN_MS = 500;
/** What a worker without a ring says that it runs on. */
const PORTABLE = 'portable';

export function createBalancerGroup(options: BalancerGroupOptions): BalancerGroup {
  const { file, log, record, ringCalls, sockets } = options;
  const threads: Thread[] = [];
  const ledgers = ringCalls && createLedgers(options, ringCalls, threads);
  let served: BalancerSnapshot | undefined;
  let isDraining = false;
  const hearing = createHearing();

  const tell = (message: BalancerRequest): void => {
    for (const thread of threads) thread.post(message);
  };
  const tellDraining = (): void => {
    const listeners = served?.listeners.map(({ name }) => name) ?? [];
    tell({ type: 'drain', listeners, draining: isDraining });
  };
  const hand = (listeners: readonly ListenerSnapshot[]): ListenerSocket[] =>
    listeners.map((listener) => ({ listener: listener.name, fd: sockets.hand(listener) }));
  const onMessage = (worker: string, message: { readonly type: string }): void => {
    const report = message as BalancerReport;
    hearOfServers(options, worker, report);
    if (report.type === 'marked') hearing.heard(worker, report.mark);
    hearOfClients(options, report);
    if (report.type === 'no-ring') ledgers?.lendNone(report.reason);
    if (!('problems' in report)) return;
    // A worker that has just started, and a listener that is new, do not know of it.
    if (isDraining) tellDraining();
    for (const problem of report.problems) tellProblem(options, served, problem);
  };
  const spawn = (name: string, first: BalancerSnapshot): Thread => {
    let { warmUpMs } = options;
    return createThread({
      ...{ name, file, log, record },
      onMessage: (message) => onMessage(name, message),
      ended() {
        warmUpMs = 0;
        forgetWorker(name, options.outliers, ledgers);
        hearing.gone(name);
      },
      start(): BalancerRequest {
        const snapshot = served ?? first;
        return {
          type: 'start',
          ringLedger: ledgers?.lend(name),
          snapshot,
          counters: takeRow(attachRow(options, name, snapshot)),
          sockets: hand(snapshot.listeners),
          states: options.states(),
          warmUpMs,
        };
      },
    });
  };

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
          counters: attachRow(options, thread.name, snapshot),
          sockets: hand(fresh),
        };
        thread.post(message);
      }
      for (let index = threads.length + 1; index <= options.threads; index += 1) {
        const suffix = options.threads > 1 ? `-${index}` : '';
        threads.push(spawn(`balancer-${options.region}${suffix}`, snapshot));
      }
      ledgers?.watch();
    },
    publishServers: () => tell({ type: 'servers', states: options.states() }),
    setDraining(draining) {
      if (draining === isDraining) return;
      isDraining = draining;
      tellDraining();
    },
    reopenLogs: () => tell({ type: 'reopen-log' }),
    heard: () => hearing.all(threads),
    threads: () => threads,
    async stop(graceMs, givesUpAddresses) {
      const message: BalancerRequest = { type: 'stop', graceMs, givesUpAddresses };
      await Promise.all(threads.map((thread) => thread.stop(graceMs + STOP_MARGIN_MS, message)));
    },
  };
}

function attachRow(
  { outliers, totals }: Pick<BalancerGroupOptions, 'outliers' | 'totals'>,
  worker: string,
  snapshot: BalancerSnapshot,
): SharedArrayBuffer {
  const row = new SharedArrayBuffer(counterBytes(snapshot));
  totals.attach(worker, snapshot, row);
  outliers.serve(
    worker,
    snapshot.upstreams.map(({ name }) => name),
  );
  return row;
}

/** By a thread that begins: what its predecessor had under way is over. */
function takeRow(row: SharedArrayBuffer): SharedArrayBuffer {
  new Float64Array(row)[WORKER_COUNTER.taken] = 1;
  return row;
}

function tellProblem(
  { onProblem }: Pick<BalancerGroupOptions, 'onProblem'>,
  served: BalancerSnapshot | undefined,
  { code, listener }: ListenerProblem,
): void {
  const at = served?.listeners.find(({ name }) => name === listener);
  const protocol = at?.layer4?.protocol === 'udp' ? 'UDP' : 'TCP';
  if (at) onProblem(describeBindFailure(protocol, at, code));
}

/** What its requests have shown of servers, and whether it shares sessions. */
function hearOfServers(
  { outliers, record }: Pick<BalancerGroupOptions, 'outliers' | 'record'>,
  worker: string,
  report: BalancerReport,
): void {
  if (report.type === 'outliers') outliers.tell(worker, report.outliers);
  if (report.type === 'events') recordServers(record, worker, report.events);
  if (report.type === 'sessions') recordSessions(record, worker, report.problem);
}

function hearOfClients(
  { onPageReports, onRoundTrips, region }: BalancerGroupOptions,
  report: BalancerReport,
): void {
  if (report.type === 'round-trips') onRoundTrips(region, report.samples);
  if (report.type === 'page-reports') onPageReports(report.reports);
}

function forgetWorker(
  name: string,
  outliers: OutlierBoard,
  ledgers: ReturnType<typeof createLedgers> | undefined,
): void {
  ledgers?.settle(name);
  outliers.forget(name);
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

function recordSessions(
  record: ThreadVoice['record'],
  worker: string,
  problem: string | undefined,
): void {
  if (problem === undefined) record('sessions.shared', worker, 'nodes share sessions', 'info');
  else record('sessions.alone', worker, `it keeps sessions for itself: ${problem}`, 'warn');
}

/** What the rings of threads hold: each life of a thread has a ledger, which is settled when it ends. */
function createLedgers(
  { record, region }: BalancerGroupOptions,
  calls: RingCalls,
  threads: readonly Thread[],
) {
  const ledgers = new Map<string, SharedArrayBuffer>();
  let isOver = false;
  let isUp = false;
  return {
    lend(worker: string): SharedArrayBuffer | undefined {
      if (isOver) return undefined;
      const memory = createLedgerMemory();
      ledgers.set(worker, memory);
      return memory;
    },
    settle(worker: string): void {
      const memory = ledgers.get(worker);
      ledgers.delete(worker);
      if (memory === undefined) return;
      settleLedger(memory, calls);
      retireMemory(memory, calls);
    },
    /** Notes when all of them serve. */
    watch(): void {
      void Promise.all(threads.map(({ ready }) => ready)).then(() => {
        isUp = true;
      });
    },
    /**
     * One thread cannot have a ring. Before they serve, all go without, for they share sockets (balancer-worker.ts);
     * later that one tries again, as after any death, and the others go on.
     */
    lendNone(reason: string): void {
      if (isUp || isOver) return;
      isOver = true;
      const message = `Balancer workers of ${region} read and write by node:net: ${reason}.`;
      record('sockets.without-ring', region, message, 'warn');
      // One that is killed before it is ready would leave its sockets open.
      for (const thread of threads) {
        void thread.ready.then(() => {
          if (thread.engine() !== PORTABLE) void thread.kill();
        });
      }
    },
  };
}

/** A listener that keeps its name but moves to another address needs that address's socket. */
function isSame(a: ListenerSnapshot, b: ListenerSnapshot): boolean {
  const isMoved = a.address !== b.address || a.port !== b.port;
  const isUdp = (listener: ListenerSnapshot): boolean => listener.layer4?.protocol === 'udp';
  return a.name === b.name && !isMoved && isUdp(a) === isUdp(b);
}
