import { availableParallelism } from 'node:os';
import type { DnsConfig } from '../config/config.ts';
import type { CookieSecrets } from '../dns/cookie.ts';
import type { Certificate } from '../dns-transport/listeners.ts';
import type { HealthWords } from '../health/health-words.ts';
import type { SocketProblem } from '../io/sockets.ts';
import type { Syscalls } from '../io/syscall.ts';
import { counterLayout } from '../nameserver/counters.ts';
import { createGate, DEFERRED_NODE_PER_SECOND_MAX } from '../nameserver/defer.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import { createCounterRow } from '../telemetry/counters.ts';
import { certificateIndex } from './certificates.ts';
import { type CounterLedger, createCounterLedger } from './counter-ledger.ts';
import { closeEntrances, type Entrance, openEntrances, proxiesOf } from './dns-entrances.ts';
import type { DeferredQuery, FromDnsWorker, ToDnsWorker } from './dns-messages.ts';
import type { Signer } from './signer.ts';
import { openSignerLines, type Served } from './signer-lines.ts';
import { createThread, type Thread, type ThreadVoice } from './thread.ts';

/**
 * The DNS workers of a node: one UDP worker per core, each with a socket of its own on every
 * listener's address, and one stream worker for TCP. The sockets belong to the main thread.
 */
export type DnsWorkers = {
  /** Settles when every worker has bound its sockets. */
  readonly ready: Promise<SocketProblem | undefined>;
  readonly listeners: readonly {
    readonly address: string;
    readonly port: number;
    readonly protocol: string;
  }[];
  /** Settles when every living worker serves it. */
  publish(snapshot: Snapshot, health: HealthWords): Promise<void>;
  publishHealth(generation: number, health: HealthWords): void;
  /** Makes and understands server cookies with these from now on. */
  setCookies(cookies: CookieSecrets): void;
  /** Shows these to connections that begin from now on. */
  setCertificates(certificates: readonly Certificate[]): void;
  /** Who answers what workers defer; until somebody is there it is dropped. Undefined = no reply. */
  onDeferred(answer: (query: DeferredQuery) => Uint8Array | undefined): void;
  readonly counters: CounterLedger;
  threads(): readonly Thread[];
  stop(): Promise<void>;
};

export type DnsWorkersOptions = ThreadVoice & {
  readonly dns: DnsConfig;
  /** UDP workers; 0 = one per core. */
  readonly count: number;
  readonly udpFile: URL;
  readonly streamFile: URL;
  readonly syscalls: Syscalls | undefined;
  readonly snapshot: Snapshot;
  readonly health: HealthWords;
  readonly signer: Signer;
  /** By certificateIndex(). */
  readonly certificates: readonly Certificate[];
};

export type OpenedDns =
  | { readonly ok: true; readonly workers: DnsWorkers }
  | { readonly ok: false; readonly problems: readonly SocketProblem[] };

const STOP_GRACE_MS = 1000;
/** A worker that has not taken a snapshot after this long is not waited for any more. */
const PUBLISH_TIMEOUT_MS = 10_000;

export function openDnsWorkers(options: DnsWorkersOptions): OpenedDns {
  const count = options.count > 0 ? options.count : availableParallelism();
  const opened = openEntrances(options.dns.listeners, options.syscalls, count);
  if (!opened.ok) return opened;
  return { ok: true, workers: startWorkers(options, opened.entrances, count) };
}

function startWorkers(
  options: DnsWorkersOptions,
  entrances: readonly Entrance[],
  count: number,
): DnsWorkers {
  const served: Served = { ...options, cookies: undefined };
  const counters = createCounterLedger();
  const roll = createRoll();
  /** What each worker was started with. */
  const given = new Map<string, number>();
  /** Later a problem of a worker that opens its own sockets can only be told. */
  let hasStarted = false;
  const firstProblem = Promise.withResolvers<SocketProblem>();
  const rowFor = (worker: string) => {
    const row = createCounterRow(counterLayout(served.snapshot.endpoints.length).length);
    counters.attach(worker, row, served.snapshot);
    return row;
  };
  const deferred = createDeferredDesk(options);
  const spawn = (name: string, file: URL, doors: () => Doors): Thread =>
    spawnWorker(options, name, file, {
      start() {
        const { certificates, cookies, health, snapshot } = served;
        given.set(name, snapshot.generation);
        const { tcp } = options.dns;
        const counters = rowFor(name);
        const tables = { counters, snapshot, health, cookies, certificates, tcp };
        return { type: 'start', ...tables, ...doors() };
      },
      served(generation) {
        if (generation === undefined) lines.connect(name);
        roll.served(name, generation ?? given.get(name) ?? 0);
      },
      deferred: deferred.reply,
      problem(problem) {
        firstProblem.resolve(problem);
        const { hint, message } = problem;
        if (hasStarted) options.record('dns.listener', name, `${message} ${hint}`, 'warn');
      },
    });
  const threads = [
    ...Array.from({ length: count }, (_, index) =>
      spawn(`dns-udp-${index + 1}`, options.udpFile, () => udpDoors(entrances, index)),
    ),
    spawn('dns-stream', options.streamFile, () => streamDoors(entrances, options.dns)),
  ];
  const tellAll = (message: ToDnsWorker): void => {
    for (const thread of threads) thread.post(message);
  };
  const lines = openSignerLines(options.signer, served, threads);
  const allReady = Promise.all(threads.map(({ ready }) => ready)).then(() => {
    hasStarted = true;
  });
  return {
    ready: Promise.race([allReady.then(() => undefined), firstProblem.promise]),
    listeners: entrances.map(listenerOf),
    counters,
    threads: () => threads,
    publish(nextSnapshot, nextHealth) {
      served.snapshot = nextSnapshot;
      served.health = nextHealth;
      options.signer.serve(nextSnapshot, nextHealth);
      const { generation } = nextSnapshot;
      const tables = { snapshot: nextSnapshot, health: nextHealth };
      // A dead one is given everything when it is replaced.
      for (const thread of threads.filter(({ state }) => state() !== 'dead')) {
        const counters = rowFor(thread.name);
        thread.post({ type: 'snapshot', ...tables, counters } satisfies ToDnsWorker);
      }
      return Promise.all(threads.map(({ name }) => roll.wait(name, generation))).then(() => {});
    },
    publishHealth(generation, health) {
      if (generation !== served.snapshot.generation) return;
      served.health = health;
      tellAll({ type: 'health', generation, health });
      options.signer.publishHealth(generation, health);
    },
    setCookies(cookies) {
      served.cookies = cookies;
      tellAll({ type: 'cookies', cookies });
      options.signer.setCookies(cookies);
    },
    setCertificates(certificates) {
      served.certificates = certificates;
      tellAll({ type: 'certificates', certificates });
    },
    onDeferred: deferred.onDeferred,
    async stop() {
      await Promise.all(threads.map((thread) => thread.stop(STOP_GRACE_MS)));
      closeEntrances(entrances);
    },
  };
}

function listenerOf({ listener: { address, protocol }, port }: Entrance) {
  return { address, port, protocol };
}

type Doors = Pick<ToDnsWorker & { readonly type: 'start' }, 'udp' | 'streams'>;

function udpDoors(entrances: readonly Entrance[], worker: number): Doors {
  const udp = entrances.flatMap((entrance) => {
    const proxies = proxiesOf(entrance.listener);
    return (entrance.udp[worker] ?? []).map((socket) => ({ socket: socket.hand(), proxies }));
  });
  return { udp, streams: [] };
}

function streamDoors(entrances: readonly Entrance[], dns: DnsConfig): Doors {
  const streams = entrances.flatMap(({ listener, stream }) => {
    if (stream === undefined) return [];
    const { path = '/', protocol } = listener;
    const service = {
      protocol: protocol === 'tls' || protocol === 'https' ? protocol : 'tcp',
      proxies: proxiesOf(listener),
      certificate: certificateIndex(dns, listener),
      path,
    } as const;
    return { socket: stream.hand(), service };
  });
  return { udp: [], streams };
}

type WorkerEars = {
  start(): ToDnsWorker;
  /** @param generation undefined = what it was started with */
  served(generation: number | undefined): void;
  deferred(query: DeferredQuery): Uint8Array | undefined;
  problem(problem: SocketProblem): void;
};

function spawnWorker(voice: ThreadVoice, name: string, file: URL, ears: WorkerEars): Thread {
  const thread: Thread = createThread({
    name,
    file,
    log: voice.log,
    record: voice.record,
    start: ears.start,
    onMessage(message) {
      const known = message as FromDnsWorker;
      switch (known.type) {
        case 'problem':
          return ears.problem(known.problem);
        case 'ready':
          return ears.served(undefined);
        case 'serving':
          return ears.served(known.generation);
        case 'deferred': {
          const reply = ears.deferred(known);
          thread.post({ type: 'deferred-reply', id: known.id, reply } satisfies ToDnsWorker);
        }
      }
    },
  });
  return thread;
}

/** Answers what workers have no time for, and not more of it than this thread has time for. */
function createDeferredDesk({ log }: ThreadVoice) {
  const gate = createGate(DEFERRED_NODE_PER_SECOND_MAX);
  let answer: (query: DeferredQuery) => Uint8Array | undefined = () => undefined;
  return {
    onDeferred(next: typeof answer): void {
      answer = next;
    },
    reply(query: DeferredQuery): Uint8Array | undefined {
      if (!gate(performance.now())) return undefined;
      try {
        return answer(query);
      } catch (error) {
        // A bug in an explanation must not take the node along.
        const fields = { error: String((error as Error)?.stack ?? error) };
        log.error('explain.failed', 'A query for an explanation could not be answered.', fields);
        return undefined;
      }
    },
  };
}

/** Who has yet to say that it serves which generation. */
function createRoll() {
  const waiting = new Set<{ readonly worker: string; readonly generation: number; done(): void }>();
  return {
    served(worker: string, generation: number): void {
      for (const wait of waiting) {
        if (wait.worker !== worker || wait.generation > generation) continue;
        waiting.delete(wait);
        wait.done();
      }
    },
    /** Settles when it does, or when it takes too long. */
    wait(worker: string, generation: number): Promise<void> {
      return new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(late);
          waiting.delete(wait);
          resolve();
        };
        const wait = { worker, generation, done };
        const late = setTimeout(done, PUBLISH_TIMEOUT_MS);
        waiting.add(wait);
      });
    },
  };
}
