import type { SessionDirectoryCounters } from '../sessions/session-directory.ts';
import type { SessionTableCounters } from '../sessions/session-table.ts';
import { type Latencies, readLatencies } from '../telemetry/latencies.ts';
import { END_REASONS, type EndReason } from './access-line.ts';
import {
  type CounterLayout,
  FAILURE_KINDS,
  type FailureKind,
  LISTENER_COUNTER,
  LISTENER_COUNTERS,
  layoutOf,
  listenerBase,
  NOT_MEASURED,
  placeKey,
  ROUTE_COUNTER,
  ROUTE_COUNTERS,
  SERVER_COUNTER,
  SERVER_COUNTERS,
  SERVER_LATENCIES,
  SERVER_LATENCY,
  UPSTREAM_COUNTER,
  UPSTREAM_COUNTERS,
  WORKER_COUNTER,
} from './counters.ts';
import type { BalancerSnapshot } from './snapshot.ts';

/** What balancer workers have counted, as it is told: rows of numbers with the names of what they are about. */
export type BalancerCounts = {
  readonly listeners: readonly ListenerCounts[];
  readonly routes: readonly RouteCounts[];
  readonly upstreams: readonly UpstreamCounts[];
  readonly servers: readonly ServerCounts[];
  readonly accessLog: AccessLogCounts;
  readonly sharedSessions: SharedSessionCounts;
};
/** Of the table of sessions that nodes share. `linked`: workers that have it just now. */
export type SharedSessionCounts = SessionDirectoryCounters & { readonly linked: number };
/** Lines of the access log that were written, their octets, and lines that there was no room or no file for. */
export type AccessLogCounts = {
  readonly lines: number;
  readonly dropped: number;
  readonly bytes: number;
};
/** `statusClasses[0]` counts 1xx answers, `[4]` 5xx. */
export type ListenerCounts = {
  readonly listener: string;
  readonly connections: number;
  readonly connectionsActive: number;
  readonly requests: number;
  readonly requestsActive: number;
  readonly statusClasses: readonly number[];
  readonly ends: EndCounts;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly mirrored: number;
  readonly mirrorsDropped: number;
  readonly connectFailures: number;
  readonly dropped: number;
};
export type EndCounts = Readonly<Record<EndReason, number>>;
/** `when`: names of the conditions that it has beside host and path. Tunnels are not in `duration`. */
export type RouteCounts = {
  readonly listener: string;
  readonly route: string;
  readonly when: string;
  readonly requests: number;
  readonly active: number;
  readonly retries: number;
  readonly statusClasses: readonly number[];
  readonly ends: EndCounts;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly duration: Latencies;
};
/** As UPSTREAM_COUNTER has it. */
export type UpstreamCounts = {
  readonly upstream: string;
  readonly queued: number;
  readonly queueFull: number;
  readonly queueTimeouts: number;
  readonly retriesOverLimit: number;
  readonly retriesOverBudget: number;
  readonly shed: number;
  /** Of its table of sessions; all 0 when it has none. */
  readonly sessions: SessionTableCounters & {
    /** Requests that were answered elsewhere, as the server of their session had more than its share. */
    readonly spared: number;
  };
  readonly wait: Latencies;
};
/** `bytesIn` came from the server, `bytesOut` went to it. */
export type ServerCounts = {
  readonly upstream: string;
  readonly server: string;
  readonly requests: number;
  readonly failures: number;
  /** Of `failures`. */
  readonly failed: Readonly<Record<FailureKind, number>>;
  readonly statusClasses: readonly number[];
  readonly active: number;
  readonly connections: number;
  readonly retries: number;
  /** Requests that it was slow with, so that another was asked too; of them, answered first by the other. */
  readonly hedges: number;
  readonly hedgesWon: number;
  /** Workers that have it out just now for what requests have shown of it, and how often one has. */
  readonly ejected: number;
  readonly ejections: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Undefined where nobody measures. */
  readonly firstByte: Latencies | undefined;
  readonly connect: Latencies | undefined;
};

/** Numbers in a row that belong together; `names` are those of the thing that they are about. */
export type CountedPart = {
  readonly kind: 'worker' | 'listener' | 'route' | 'upstream' | 'server' | 'latencies';
  readonly names: readonly string[];
  readonly base: number;
  readonly slots: number;
};

const FIRST_WORKER = WORKER_COUNTER.logLines;
const WORKER_COUNTERS = Object.keys(WORKER_COUNTER).length;

/** Numbers of a part that are levels: of rows that nobody counts in any more they mean nothing. */
export const LEVELS: Readonly<Record<CountedPart['kind'], readonly number[]>> = {
  worker: [WORKER_COUNTER.sessionsLinked - FIRST_WORKER, WORKER_COUNTER.taken - FIRST_WORKER],
  listener: [LISTENER_COUNTER.connectionsActive, LISTENER_COUNTER.requestsActive],
  route: [ROUTE_COUNTER.active],
  upstream: [UPSTREAM_COUNTER.queued],
  server: [SERVER_COUNTER.active, SERVER_COUNTER.ejected],
  latencies: [],
};

/** What a row of the snapshot holds, each thing once. */
export function countedParts(snapshot: BalancerSnapshot): readonly CountedPart[] {
  const { listeners, upstreams } = snapshot;
  const layout = layoutOf(snapshot);
  const routes = new Map(layout.routes.flat().map((place) => [place.base, place]));
  return [
    { kind: 'worker', names: [], base: FIRST_WORKER, slots: WORKER_COUNTERS },
    ...listeners.map(({ name }, index): CountedPart => {
      const base = listenerBase(index);
      return { kind: 'listener', names: [name], base, slots: LISTENER_COUNTERS };
    }),
    ...[...routes.values()].map(({ base, listener, route, when }): CountedPart => {
      return { kind: 'route', names: [listener, route, when], base, slots: ROUTE_COUNTERS };
    }),
    ...upstreams.map(({ name }, index): CountedPart => {
      const base = layout.upstreams[index]!;
      return { kind: 'upstream', names: [name], base, slots: UPSTREAM_COUNTERS };
    }),
    ...upstreams.flatMap((_, index) => serverParts(snapshot, layout, index)),
  ];
}

function serverParts(
  { upstreams }: BalancerSnapshot,
  { latencies, servers }: CounterLayout,
  upstream: number,
): readonly CountedPart[] {
  const { name, servers: all } = upstreams[upstream]!;
  return all.flatMap((server, index): CountedPart[] => {
    const names = [name, server.name];
    const base = servers[upstream]![index]!;
    const measured = latencies[upstream]![index]!;
    return [
      { kind: 'server', names, base, slots: SERVER_COUNTERS },
      ...(measured === NOT_MEASURED
        ? []
        : [{ kind: 'latencies', names, base: measured, slots: SERVER_LATENCIES } as const]),
    ];
  });
}

/** The numbers of a part, its first at 0. */
export type Counted = Pick<CountedPart, 'kind' | 'names'> & { readonly values: Float64Array };

/** Reads a worker's row; `snapshot` is the one that was sent along with it. */
export function readCounters(snapshot: BalancerSnapshot, row: ArrayBufferLike): BalancerCounts {
  const values = new Float64Array(row);
  return balancerCounts(
    countedParts(snapshot).map(({ base, kind, names, slots }) => {
      return { kind, names, values: values.subarray(base, base + slots) };
    }),
  );
}

export function balancerCounts(all: readonly Counted[]): BalancerCounts {
  const of = (kind: Counted['kind']) => all.filter((counted) => counted.kind === kind);
  const measured = new Map(of('latencies').map((part) => [placeKey(...part.names), part.values]));
  const worker = of('worker')[0]?.values ?? NO_WORKER;
  const at = (counter: number): number => worker[counter - FIRST_WORKER]!;
  return {
    listeners: of('listener').map(listenerCounts),
    routes: of('route').map(routeCounts),
    upstreams: of('upstream').map(upstreamCounts),
    servers: of('server').map((part) => serverCounts(part, measured.get(placeKey(...part.names)))),
    accessLog: {
      lines: at(WORKER_COUNTER.logLines),
      dropped: at(WORKER_COUNTER.logDropped),
      bytes: at(WORKER_COUNTER.logBytes),
    },
    sharedSessions: {
      asked: at(WORKER_COUNTER.sessionsAsked),
      found: at(WORKER_COUNTER.sessionsFound),
      late: at(WORKER_COUNTER.sessionsLate),
      skipped: at(WORKER_COUNTER.sessionsSkipped),
      written: at(WORKER_COUNTER.sessionsWritten),
      dropped: at(WORKER_COUNTER.sessionsDropped),
      linked: at(WORKER_COUNTER.sessionsLinked),
    },
  };
}
const NO_WORKER = new Float64Array(WORKER_COUNTERS);

function listenerCounts({ names, values }: Counted): ListenerCounts {
  const at = (counter: number): number => values[counter]!;
  return {
    listener: names[0]!,
    connections: at(LISTENER_COUNTER.connections),
    connectionsActive: at(LISTENER_COUNTER.connectionsActive),
    requests: at(LISTENER_COUNTER.requests),
    requestsActive: at(LISTENER_COUNTER.requestsActive),
    statusClasses: classesOf(values, LISTENER_COUNTER.status),
    ends: endsOf(values, LISTENER_COUNTER.ends),
    bytesIn: at(LISTENER_COUNTER.bytesIn),
    bytesOut: at(LISTENER_COUNTER.bytesOut),
    mirrored: at(LISTENER_COUNTER.mirrored),
    mirrorsDropped: at(LISTENER_COUNTER.mirrorsDropped),
    connectFailures: at(LISTENER_COUNTER.connectFailures),
    dropped: at(LISTENER_COUNTER.dropped),
  };
}

function routeCounts({ names, values }: Counted): RouteCounts {
  const at = (counter: number): number => values[counter]!;
  const [listener = '', route = '', when = ''] = names;
  return {
    ...{ listener, route, when },
    requests: at(ROUTE_COUNTER.requests),
    active: at(ROUTE_COUNTER.active),
    retries: at(ROUTE_COUNTER.retries),
    statusClasses: classesOf(values, ROUTE_COUNTER.status),
    ends: endsOf(values, ROUTE_COUNTER.ends),
    bytesIn: at(ROUTE_COUNTER.bytesIn),
    bytesOut: at(ROUTE_COUNTER.bytesOut),
    duration: readLatencies(values, ROUTE_COUNTER.duration),
  };
}

function upstreamCounts({ names, values }: Counted): UpstreamCounts {
  const at = (counter: number): number => values[counter]!;
  return {
    upstream: names[0]!,
    queued: at(UPSTREAM_COUNTER.queued),
    queueFull: at(UPSTREAM_COUNTER.queueFull),
    queueTimeouts: at(UPSTREAM_COUNTER.queueTimeouts),
    retriesOverLimit: at(UPSTREAM_COUNTER.retriesOverLimit),
    retriesOverBudget: at(UPSTREAM_COUNTER.retriesOverBudget),
    shed: at(UPSTREAM_COUNTER.shed),
    sessions: {
      hits: at(UPSTREAM_COUNTER.sessionHits),
      misses: at(UPSTREAM_COUNTER.sessionMisses),
      inserted: at(UPSTREAM_COUNTER.sessionsInserted),
      evicted: at(UPSTREAM_COUNTER.sessionsEvicted),
      spared: at(UPSTREAM_COUNTER.sessionsSpared),
    },
    wait: readLatencies(values, UPSTREAM_COUNTER.wait),
  };
}

function serverCounts({ names, values }: Counted, measured: Float64Array | undefined) {
  const at = (counter: number): number => values[counter]!;
  const [upstream = '', server = ''] = names;
  const failed = FAILURE_KINDS.map((kind, index) => [kind, at(SERVER_COUNTER.failed + index)]);
  const counts: ServerCounts = {
    ...{ upstream, server },
    requests: at(SERVER_COUNTER.requests),
    failures: at(SERVER_COUNTER.failures),
    failed: Object.fromEntries(failed),
    statusClasses: classesOf(values, SERVER_COUNTER.status),
    active: at(SERVER_COUNTER.active),
    connections: at(SERVER_COUNTER.connections),
    retries: at(SERVER_COUNTER.retries),
    hedges: at(SERVER_COUNTER.hedges),
    hedgesWon: at(SERVER_COUNTER.hedgesWon),
    ejected: at(SERVER_COUNTER.ejected),
    ejections: at(SERVER_COUNTER.ejections),
    bytesIn: at(SERVER_COUNTER.bytesIn),
    bytesOut: at(SERVER_COUNTER.bytesOut),
    firstByte: measured && readLatencies(measured, SERVER_LATENCY.firstByte),
    connect: measured && readLatencies(measured, SERVER_LATENCY.connect),
  };
  return counts;
}

const classesOf = (values: Float64Array, status: number): readonly number[] =>
  [1, 2, 3, 4, 5].map((digit) => values[status + digit]!);

function endsOf(values: Float64Array, first: number): EndCounts {
  const ends = END_REASONS.map((reason, index) => [reason, values[first + index]!]);
  return Object.fromEntries(ends) as EndCounts;
}
