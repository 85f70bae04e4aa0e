import { availableParallelism } from 'node:os';
import type { DnsConfig } from '../config/config.ts';
import type { CookieSecrets } from '../dns/cookie.ts';
import type { Certificate } from '../dns-transport/listeners.ts';
import { type Bell, hangBell, type OwnedBell, ring } from '../io/bell.ts';
import type { SocketProblem } from '../io/sockets.ts';
import type { ReceiveQueue, Syscalls } from '../io/syscall.ts';
import type { SocketAddress } from '../ip/socket-address.ts';
import { createGate, DEFER_LIMITS, type DeferKind } from '../nameserver/defer.ts';
import type { ServedHealth } from '../nameserver/served-health.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import { weightOf } from '../nameserver/snapshot-weight.ts';
import { rowLength } from '../nameserver/tallies.ts';
import { type CounterRow, createCounterRow } from '../telemetry/counters.ts';
import { certificateIndex } from './certificates.ts';
import { type CounterLedger, createCounterLedger } from './counter-ledger.ts';
import { closeEntrances, type Entrance, openEntrances, proxiesOf } from './dns-entrances.ts';
import type { DeferredQuery, FromDnsWorker, ToDnsWorker } from './dns-messages.ts';
import { createDnstap, type Dnstap, type DnstapVoice } from './dnstap.ts';
import type { Signer } from './signer.ts';
import { openSignerLines, type Served } from './signer-lines.ts';
import { createThread, type Thread, type ThreadVoice } from './thread.ts';
import { weigh } from './weight.ts';

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
  publish(snapshot: Snapshot, health: ServedHealth): Promise<void>;
  /** The same, of a snapshot that differs from the last in zones alone: in less time. */
  publishZones(snapshot: Snapshot, health: ServedHealth): Promise<void>;
  publishHealth(generation: number, health: ServedHealth): void;
  /** Makes and understands server cookies with these from now on. */
  setCookies(cookies: CookieSecrets): void;
  /** Shows these to connections that begin from now on. */
  setCertificates(certificates: readonly Certificate[]): void;
  /** Whether workers tell who asks (onSources). */
  setSampling(isOn: boolean): void;
  /** Who answers what workers defer for this; until somebody is there it is dropped. */
  onDeferred(kind: DeferKind, answer: AnswerDeferred): void;
  readonly counters: CounterLedger;
  readonly dnstap: Pick<Dnstap, 'isConnected' | 'set'>;
  /** Of each UDP socket, as far as it is known. */
  queues(): readonly SocketQueue[];
  threads(): readonly Thread[];
  stop(): Promise<void>;
};

export type SocketQueue = SocketAddress & ReceiveQueue & { readonly worker: string };

/** Undefined = no reply. */
export type AnswerDeferred = (
  query: DeferredQuery,
) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

export type DnsWorkersOptions = DnstapVoice & {
  readonly dns: DnsConfig;
  /** UDP workers; 0 = one per core. */
  readonly count: number;
  readonly udpFile: URL;
  readonly streamFile: URL;
  readonly tapFile: URL;
  readonly syscalls: Syscalls | undefined;
  /** UDP by the batch (io/udp-batch.ts). */
  readonly hasBatches: boolean;
  readonly snapshot: Snapshot;
  readonly health: ServedHealth;
  readonly signer: Signer;
  /** By certificateIndex(). */
  readonly certificates: readonly Certificate[];
  /** Told who asks (nameserver/source-sampler.ts). */
  readonly onSources?: ((sources: Uint8Array) => void) | undefined;
};

export type OpenedDns =
  | { readonly ok: true; readonly workers: DnsWorkers }
  | { readonly ok: false; readonly problems: readonly SocketProblem[] };

const STOP_GRACE_MS = 1000;
/** A worker that has not taken a snapshot after this long is not waited for any more. */
const PUBLISH_TIMEOUT_MS = 10_000;

export function openDnsWorkers(options: DnsWorkersOptions): OpenedDns {
  const count = options.count > 0 ? options.count : availableParallelism();
  const opened = openEntrances(options.dns.listeners, options.syscalls, count, options.hasBatches);
  if (!opened.ok) return opened;
  return { ok: true, workers: startWorkers(options, opened.entrances, count) };
}

function startWorkers(
  options: DnsWorkersOptions,
  entrances: readonly Entrance[],
  count: number,
): DnsWorkers {
  const served: Served = { ...options, cookies: undefined };
  let isSampling = false;
  const counters = createCounterLedger();
  const roll = createRoll();
  /** Later a problem of a worker that opens its own sockets can only be told. */
  let hasStarted = false;
  const firstProblem = Promise.withResolvers<SocketProblem>();
  const rowFor = (worker: string): CounterRow => openRow(counters, worker, served.snapshot);
  const deferred = createDeferredDesk(options);
  const bells = hangBells(options, count);
  const spawn = (name: string, file: URL, doors: () => Doors): Thread =>
    spawnWorker(options, name, file, bells.of(name), {
      start() {
        const { certificates, cookies, health, snapshot } = served;
        roll.begun(name, snapshot.generation);
        const { tcp, udpGatherUs: gatherUs } = options.dns;
        const all = { snapshot, health, cookies, certificates, tcp, gatherUs, isSampling };
        const own = { bell: bells.of(name), counters: rowFor(name), tap: dnstap.planOf(name) };
        return { type: 'start', ...all, ...own, ...doors() };
      },
      served(generation) {
        if (generation === undefined) lines.connect(name);
        roll.served(name, generation);
      },
      deferred: deferred.reply,
      sources: (sources) => options.onSources?.(sources),
      problem(problem) {
        firstProblem.resolve(problem);
        const { hint, message } = problem;
        if (hasStarted) options.record('dns.listener', name, `${message} ${hint}`, 'warn');
      },
    });
  const names = Array.from({ length: count }, (_, index) => udpName(index));
  const dnstap = openDnstap(options, counters, [...names, STREAM_NAME], () => threads);
  const threads: readonly Thread[] = [
    ...names.map((name, index) => spawn(name, options.udpFile, () => udpDoors(entrances, index))),
    spawn(STREAM_NAME, options.streamFile, () => streamDoors(entrances, options.dns)),
  ];
  const tellAll = (message: ToDnsWorker): void => {
    for (const thread of threads) thread.post(message);
  };
  const publisher = createPublisher(options, served, threads, roll, rowFor);
  const lines = openSignerLines(options.signer, served, threads, bells.of);
  const allReady = Promise.all(threads.map(({ ready }) => ready)).then(() => {
    hasStarted = true;
    return undefined;
  });
  return {
    ready: Promise.race([allReady, firstProblem.promise]),
    listeners: entrances.map(listenerOf),
    counters,
    queues: () => queuesOf(entrances),
    dnstap,
    threads: () => [...threads, ...dnstap.threads()],
    ...publisher,
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
    setSampling(isOn) {
      if (isOn === isSampling) return;
      isSampling = isOn;
      tellAll({ type: 'sampling', isOn });
    },
    onDeferred: deferred.onDeferred,
    async stop() {
      await Promise.all(threads.map((thread) => thread.stop(STOP_GRACE_MS)));
      await dnstap.stop();
      closeEntrances(entrances);
      bells.close();
    },
  };
}

function createPublisher(
  { signer }: DnsWorkersOptions,
  served: Served,
  threads: readonly Thread[],
  roll: Roll,
  rowFor: (worker: string) => CounterRow,
): Pick<DnsWorkers, 'publish' | 'publishZones'> {
  const tell = async (
    snapshot: Snapshot,
    health: ServedHealth,
    messageTo: (worker: string) => ToDnsWorker,
  ): Promise<void> => {
    served.snapshot = snapshot;
    served.health = health;
    weigh(snapshot, weightOf(snapshot));
    signer.serve(snapshot, health);
    // A dead one is given everything when it is replaced.
    for (const thread of threads.filter(({ state }) => state() !== 'dead')) {
      thread.post(messageTo(thread.name));
    }
    await Promise.all(threads.map(({ name }) => roll.wait(name, snapshot.generation)));
  };
  return {
    publish: (snapshot, health) =>
      tell(snapshot, health, (worker) => {
        return { type: 'snapshot', snapshot, health, counters: rowFor(worker) };
      }),
    publishZones(snapshot, health) {
      const { generation, zones } = snapshot;
      return tell(snapshot, health, () => ({ type: 'zones', generation, zones, health }));
    },
  };
}

function openDnstap(
  options: DnsWorkersOptions,
  counters: CounterLedger,
  workers: readonly string[],
  threads: () => readonly Thread[],
): Dnstap {
  return createDnstap({
    file: options.tapFile,
    voice: options,
    counters,
    workers,
    tell(worker, tap) {
      const thread = threads().find(({ name }) => name === worker);
      thread?.post({ type: 'tap', tap } satisfies ToDnsWorker);
    },
  });
}

function queuesOf(entrances: readonly Entrance[]): readonly SocketQueue[] {
  return entrances.flatMap(({ udp }) =>
    udp.flatMap((sockets, index) =>
      sockets.flatMap(({ address, port, queue }) => {
        const known = queue();
        return known === undefined ? [] : [{ address, port, worker: udpName(index), ...known }];
      }),
    ),
  );
}

function openRow(counters: CounterLedger, worker: string, snapshot: Snapshot): CounterRow {
  const row = createCounterRow(rowLength(snapshot));
  counters.attach(worker, row, snapshot);
  return row;
}

const udpName = (index: number): string => `dns-udp-${index + 1}`;
const STREAM_NAME = 'dns-stream';

/** Of the workers that wait in the kernel. */
function hangBells({ hasBatches, syscalls }: DnsWorkersOptions, count: number) {
  const bells = new Map<string, OwnedBell>();
  for (let index = 0; index < count && syscalls && hasBatches; index += 1) {
    bells.set(udpName(index), hangBell(syscalls));
  }
  return {
    of: (name: string): Bell | undefined => bells.get(name)?.bell,
    close(): void {
      for (const bell of bells.values()) bell.close();
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
  deferred(kind: DeferKind, query: DeferredQuery): Promise<Uint8Array | undefined>;
  problem(problem: SocketProblem): void;
  sources(sources: Uint8Array): void;
};

function spawnWorker(
  voice: ThreadVoice,
  name: string,
  file: URL,
  bell: Bell | undefined,
  ears: WorkerEars,
): Thread {
  const thread: Thread = createThread({
    name,
    file,
    ...(bell === undefined ? {} : { wake: () => ring(bell) }),
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
        case 'sources':
          return ears.sources(known.sources);
        case 'serving':
          return ears.served(known.generation);
        case 'deferred': {
          const { id, kind } = known;
          void ears.deferred(kind, known).then((reply) => {
            thread.post({ type: 'deferred-reply', kind, id, reply } satisfies ToDnsWorker);
          });
        }
      }
    },
  });
  return thread;
}

/** Answers what workers have no time for, and not more of it than this thread has time for. */
function createDeferredDesk({ log }: ThreadVoice) {
  const gates = {
    explain: createGate(DEFER_LIMITS.explain.nodePerSecond),
    notify: createGate(DEFER_LIMITS.notify.nodePerSecond),
    update: createGate(DEFER_LIMITS.update.nodePerSecond),
  };
  const answers = new Map<DeferKind, AnswerDeferred>();
  return {
    onDeferred(kind: DeferKind, answer: AnswerDeferred): void {
      answers.set(kind, answer);
    },
    async reply(kind: DeferKind, query: DeferredQuery): Promise<Uint8Array | undefined> {
      if (!gates[kind](performance.now())) return undefined;
      try {
        return await answers.get(kind)?.(query);
      } catch (error) {
        // A bug in an explanation must not take the node along.
        const fields = { error: String((error as Error)?.stack ?? error) };
        if (kind === 'update')
          log.error('update.failed', 'An update could not be answered.', fields);
        else
          log.error('explain.failed', 'An explanation or a NOTIFY could not be answered.', fields);
        return undefined;
      }
    },
  };
}

/** Who has yet to say that it serves which generation. */
type Roll = ReturnType<typeof createRoll>;

function createRoll() {
  /** What each worker was started with. */
  const given = new Map<string, number>();
  const waiting = new Set<{ readonly worker: string; readonly generation: number; done(): void }>();
  return {
    begun(worker: string, generation: number): void {
      given.set(worker, generation);
    },
    /** @param generation undefined = what it was started with */
    served(worker: string, generation: number | undefined): void {
      const serves = generation ?? given.get(worker) ?? 0;
      for (const wait of waiting) {
        if (wait.worker !== worker || wait.generation > serves) continue;
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
