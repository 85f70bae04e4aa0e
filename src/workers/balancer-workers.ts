import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { compileBalancer } from '../balancer/compile.ts';
import type { BalancerCounts } from '../balancer/counts.ts';
import type { ServerState } from '../balancer/messages.ts';
import type { PageReport } from '../balancer/session.ts';
import type { BalancerSnapshot } from '../balancer/snapshot.ts';
import type { Config } from '../config/config.ts';
import { goesByLatency } from '../config/latency-config.ts';
import type { RingCalls } from '../io/ring-calls.ts';
import type { SocketProblem } from '../io/sockets.ts';
import type { Syscalls } from '../io/syscall.ts';
import { type BalancerGroup, createBalancerGroup } from './balancer-group.ts';
import { createBalancerTotals, type Kinds } from './balancer-totals.ts';
import { beaconSettings } from './beacon-script.ts';
import { createListenerSockets } from './listener-sockets.ts';
import { createOutlierBoard, type ServerOutlier } from './outlier-board.ts';
import { createSessionMemories } from './session-memories.ts';
import type { Thread, ThreadVoice } from './thread.ts';

/**
 * The balancer workers of a node: for each region whose VIPs it serves as many threads as
 * configured, so that what happens to one region's balancer is not felt in another's.
 */
export type BalancerWorkers = {
  readonly ready: Promise<SocketProblem | undefined>;
  /**
   * Takes a new configuration: new listeners are opened, gone ones close, the others go on. Done but
   * for addresses that a worker has yet to let go when it returns; settles with what stays closed.
   */
  publish(config: Config): Promise<readonly SocketProblem[]>;
  publishServers(states: readonly ServerState[]): void;
  /** Settles when workers do what was said so far; soon at the latest, for nobody is to wait for one that hangs. */
  heard(): Promise<void>;
  /** Clients of these regions are served and asked to leave; those of the others are not. */
  setDrained(regions: ReadonlySet<string>): void;
  /** @param kinds only these; of the others there is nothing then */
  counts(kinds?: Kinds): BalancerCounts;
  /** The access log goes on in new files of the same names. */
  reopenLogs(): void;
  /** The table of sessions of an upstream; undefined when it has none. */
  sessionMemory(upstream: string): SharedArrayBuffer | undefined;
  outliers(): readonly ServerOutlier[];
  threads(): readonly Thread[];
  stop(graceMs: number): Promise<void>;
};

export type BalancerWorkersOptions = ThreadVoice & {
  readonly config: Config;
  readonly file: URL;
  readonly syscalls: Syscalls | undefined;
  /** Undefined when they read and write by node:net. */
  readonly ringCalls: RingCalls | undefined;
  readonly states: readonly ServerState[];
  /** How far clients are from a region (balancer/messages.ts). */
  readonly onRoundTrips?: ((region: string, samples: Float64Array) => void) | undefined;
  /** What pages of clients say of ways. */
  readonly onPageReports?: ((reports: readonly PageReport[]) => void) | undefined;
};

export type OpenedBalancer =
  | { readonly ok: true; readonly workers: BalancerWorkers }
  | { readonly ok: false; readonly problems: readonly SocketProblem[] };

/** How long requests of a region that left the configuration may still take. */
const RETIRE_GRACE_MS = 10_000;
/** An address may still be taken by a worker that has not yet heard that its listener is gone. */
const REOPEN_TRIES = 10;
const REOPEN_PAUSE_MS = 100;
/** Workers hear within a turn, unless a listener of theirs closes just then. */
const HEARD_MAX_MS = 2000;

export function openBalancerWorkers(options: BalancerWorkersOptions): OpenedBalancer {
  const { record, syscalls } = options;
  const totals = createBalancerTotals();
  const memories = createSessionMemories();
  const outliers = createOutlierBoard();
  const sockets = createListenerSockets(syscalls);
  const shared = { ...voices(options), sockets, totals, outliers };
  const groups = new Map<string, BalancerGroup>();
  const retiring = new Set<BalancerGroup>();
  let states = options.states;
  let drained: ReadonlySet<string> = new Set();
  let generation = 0;
  let newest = options.config;
  const { promise: firstProblem, resolve: resolveProblem } = Promise.withResolvers<SocketProblem>();
  /** Of a worker that opens its own sockets: heard of at start, told when it comes later. */
  const onProblem = (problem: SocketProblem): void => {
    resolveProblem(problem);
    if (generation > 1) record('balancer.listener', 'balancer', wordsOf(problem), 'warn');
  };
  const createGroup = (region: string, config: Config): BalancerGroup => {
    // Who comes with a reload serves at once: somebody waits.
    const warmUpMs = generation > 1 ? 0 : (config.balancer.warmUpMs ?? 0);
    const known = { ...shared, region, threads: threadsOf(config), warmUpMs, onProblem };
    const group = createBalancerGroup({ ...known, states: () => states });
    groups.set(region, group);
    return group;
  };

  /** First everything is opened, then everything is served: a taken port starts nothing. */
  const publish = (config: Config): readonly SocketProblem[] => {
    const { listeners } = config.balancer;
    const problems = sockets.open(listeners);
    if (problems.length > 0 && generation === 0) return problems;
    generation += 1;
    const snapshots = memories.attach(compileRegions(config, generation));
    for (const [region, snapshot] of snapshots) {
      const group = groups.get(region) ?? createGroup(region, config);
      group.serve(snapshot);
      group.setDraining(drained.has(region));
    }
    for (const [region, group] of groups) {
      if (snapshots.has(region)) continue;
      groups.delete(region);
      retiring.add(group);
      void group.stop(RETIRE_GRACE_MS, true).then(() => retiring.delete(group));
    }
    sockets.closeOthers(listeners);
    return problems;
  };

  const all = (): readonly BalancerGroup[] => [...groups.values(), ...retiring];
  const threads = (): Thread[] => [...groups.values()].flatMap((group) => group.threads());
  const problems = publish(options.config);
  if (problems.length > 0) {
    sockets.closeOthers([]);
    return { ok: false, problems };
  }
  const workers: BalancerWorkers = {
    ready: Promise.race([areReady(threads()), firstProblem]),
    async publish(config) {
      newest = config;
      let left = publish(config);
      for (let tries = 0; tries < REOPEN_TRIES && left.some(isTaken); tries += 1) {
        await delay(REOPEN_PAUSE_MS);
        // Another may have come meanwhile.
        left = publish(newest);
      }
      return left;
    },
    publishServers(next) {
      states = next;
      for (const group of groups.values()) group.publishServers();
    },
    heard: () => orSoon([...groups.values()].map((group) => group.heard())),
    setDrained(regions) {
      drained = regions;
      for (const [region, group] of groups) group.setDraining(drained.has(region));
    },
    counts: totals.read,
    reopenLogs: () => all().forEach((group) => void group.reopenLogs()),
    sessionMemory: memories.of,
    outliers: outliers.read,
    threads,
    async stop(graceMs) {
      sockets.closeOthers([]);
      await Promise.all(all().map((group) => group.stop(graceMs, false)));
    },
  };
  return { ok: true, workers };
}

async function areReady(threads: readonly Thread[]): Promise<undefined> {
  await Promise.all(threads.map(({ ready }) => ready));
}

async function orSoon(all: readonly Promise<unknown>[]): Promise<void> {
  const over = new AbortController();
  const soon = delay(HEARD_MAX_MS, undefined, { signal: over.signal }).catch(() => {});
  await Promise.race([Promise.all(all), soon]);
  over.abort();
}

const threadsOf = ({ node: { workers } }: Config): number =>
  workers.balancer > 0 ? workers.balancer : availableParallelism();

/** What groups have of the options as it is. */
function voices(options: BalancerWorkersOptions) {
  const {
    file,
    log,
    onPageReports = () => {},
    onRoundTrips = () => {},
    record,
    ringCalls,
  } = options;
  return { file, log, onPageReports, onRoundTrips, record, ringCalls };
}

function compileRegions(config: Config, generation: number): Map<string, BalancerSnapshot> {
  const regions = new Set(config.balancer.listeners.map(({ region }) => region));
  const { kind, options: store } = config.store;
  const options = {
    generation,
    nodeName: config.node.name,
    ...(kind === 'redis' ? { sessionStore: store } : {}),
    roundTripsPerSecond: goesByLatency(config) ? config.latency.connectionsPerSecond : 0,
    beacon: beaconSettings(config.latency.pages),
  };
  return new Map(
    [...regions].map((region) => [
      region,
      compileBalancer(config.balancer, { ...options, regions: [region] }),
    ]),
  );
}

const isTaken = ({ code }: SocketProblem): boolean => code === 'EADDRINUSE';
const wordsOf = ({ hint, message }: SocketProblem): string => `${message} ${hint}`;
