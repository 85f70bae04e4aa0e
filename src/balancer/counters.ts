import { LATENCY_SLOTS } from '../telemetry/latencies.ts';
import { END_REASONS } from './access-line.ts';
import { routeName } from './route.ts';
import type { BalancerSnapshot, ListenerSnapshot, RouteSnapshot } from './snapshot.ts';

/**
 * One row of numbers per worker in shared memory: one writer, read by the main thread whenever it
 * likes. A float per counter, aligned, so that a read is never torn; counts stay exact to 2^53.
 *
 *   0..127                        scratch: counted here when a server, listener, upstream or route is gone
 *   128..138                      WORKER_COUNTER
 *   then LISTENER_COUNTERS each   in the snapshot's order
 *   then SERVER_COUNTERS each     upstream by upstream
 *   then UPSTREAM_COUNTERS each   in the snapshot's order
 *   then ROUTE_COUNTERS each      with `metrics: all`: those that are called differently
 *   then SERVER_LATENCIES each    with `metrics: all`: of the first SERVER_LATENCY_ROWS_MAX servers
 */
/** Of the whole worker. */
export const WORKER_COUNTER = {
  logLines: 128,
  logDropped: 129,
  logBytes: 130,
  /** Of the table of sessions that nodes share, as `SessionDirectoryCounters` says. */
  sessionsAsked: 131,
  sessionsFound: 132,
  sessionsLate: 133,
  sessionsSkipped: 134,
  sessionsWritten: 135,
  sessionsDropped: 136,
  /** 1 while the store of that table answers. */
  sessionsLinked: 137,
  /** 1 once the worker counts in this row; until then what is under way stands in the one before. */
  taken: 138,
} as const;

export const LISTENER_COUNTER = {
  connections: 0,
  connectionsActive: 1,
  requests: 2,
  /** Status classes 1xx to 5xx are `status + class`, 1..5. */
  status: 2,
  bytesIn: 8,
  bytesOut: 9,
  /** Copies sent to a mirror, and those that were wanted and not sent. */
  mirrored: 10,
  mirrorsDropped: 11,
  /** Of layer 4: servers that could not be connected to, or whose machine said that nobody listens. */
  connectFailures: 12,
  /** Connections beyond the limit. Of layer 4 also what was given up for want of a server, a name or room. */
  dropped: 13,
  /** Requests and tunnels under way. */
  requestsActive: 14,
  /** Why requests, tunnels and flows ended: by place in END_REASONS. */
  ends: 15,
} as const;
export const LISTENER_COUNTERS = 15 + END_REASONS.length;

export const SERVER_COUNTER = {
  requests: 0,
  failures: 1,
  active: 2,
  connections: 3,
  retries: 4,
  bytesIn: 5,
  bytesOut: 6,
  /** 1 while it is out for what requests have shown of it. */
  ejected: 7,
  ejections: 8,
  /** What it answered: `status + class`, 1..5. */
  status: 8,
  /** Of `failures`, by place in FAILURE_KINDS. */
  failed: 14,
  /** Requests that it was slow with, so that another was asked too; of them, answered first by the other. */
  hedges: 18,
  hedgesWon: 19,
} as const;
export const SERVER_COUNTERS = 20;

/** `connect`: never open. `closed`: broken off, or no HTTP. `timeout`: silent. `status`: answered with 5xx. */
export const FAILURE_KINDS = ['connect', 'closed', 'timeout', 'status'] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

export const UPSTREAM_COUNTER = {
  queued: 0,
  /** Requests that found neither a server with room nor a place in the queue. */
  queueFull: 1,
  /** Requests that waited for room in vain. */
  queueTimeouts: 2,
  /** Retries that were not sent: as many as may be were under way, or the budget was spent. */
  retriesOverLimit: 3,
  retriesOverBudget: 4,
  /** Requests refused so that servers recover. */
  shed: 5,
  /** Of its table of sessions, as `SessionTableCounters` says. */
  sessionHits: 6,
  sessionMisses: 7,
  sessionsInserted: 8,
  sessionsEvicted: 9,
  /** Requests of sessions, of the table or not, that were answered elsewhere: their server had more than its share. */
  sessionsSpared: 10,
  /** How long requests waited for room: a histogram. */
  wait: 11,
} as const;
export const UPSTREAM_COUNTERS = UPSTREAM_COUNTER.wait + LATENCY_SLOTS;

export const ROUTE_COUNTER = {
  requests: 0,
  /** Requests and tunnels under way. */
  active: 1,
  retries: 2,
  bytesIn: 3,
  bytesOut: 4,
  /** What clients got: `status + class`, 1..5. */
  status: 4,
  /** As of listeners. */
  ends: 10,
  /** From a head's last octet to the end of the answer: a histogram. */
  duration: 10 + END_REASONS.length,
} as const;
export const ROUTE_COUNTERS = ROUTE_COUNTER.duration + LATENCY_SLOTS;

/** Histograms of a server: from an attempt's begin (or the body's end) to the answer's head; until connected. */
export const SERVER_LATENCY = { firstByte: 0, connect: LATENCY_SLOTS } as const;
export const SERVER_LATENCIES = 2 * LATENCY_SLOTS;

/** Routes beyond these share one row. */
export const ROUTE_ROWS_MAX = 1000;
/** Servers beyond these have no histograms. */
export const SERVER_LATENCY_ROWS_MAX = 1000;
export const OTHER_ROUTES = '(others)';

/** Where counts of things that the snapshot no longer holds go. */
export const COUNTER_SCRATCH = 0;
const FIRST_LISTENER = 139;
/** In place of a base: nothing is measured. */
export const NOT_MEASURED = -1;

/** Where something is counted, over snapshots: requests under way have it, and a reload moves it. */
export type CounterPlace = { base: number; active: number };

/** Where all of a snapshot is counted, by places in its lists. */
export type CounterLayout = {
  readonly slots: number;
  readonly upstreams: readonly number[];
  readonly servers: readonly (readonly number[])[];
  /** Of the histograms of servers; NOT_MEASURED when there are none. */
  readonly latencies: readonly (readonly number[])[];
  readonly routes: readonly (readonly RoutePlace[])[];
};

export const counterBytes = (snapshot: BalancerSnapshot): number => 8 * layoutOf(snapshot).slots;

export function listenerBase(index: number): number {
  return FIRST_LISTENER + index * LISTENER_COUNTERS;
}

export function layoutOf(snapshot: BalancerSnapshot): CounterLayout {
  const { listeners, metrics, upstreams } = snapshot;
  const countsAll = metrics !== 'basic';
  let end = listenerBase(listeners.length);
  const take = (slots: number): number => {
    end += slots;
    return end - slots;
  };
  const servers = upstreams.map((upstream) => upstream.servers.map(() => take(SERVER_COUNTERS)));
  const wholes = upstreams.map(() => take(UPSTREAM_COUNTERS));
  const routes = countsAll ? routePlaces(listeners, take) : listeners.map(() => []);
  let left = countsAll ? SERVER_LATENCY_ROWS_MAX : 0;
  const latencies = servers.map((of) =>
    of.map(() => (left-- > 0 ? take(SERVER_LATENCIES) : NOT_MEASURED)),
  );
  return { slots: end, upstreams: wholes, servers, latencies, routes };
}

export type RoutePlace = {
  readonly listener: string;
  readonly route: string;
  /** What else it asks for: names, never values, which may be secrets. */
  readonly when: string;
  readonly base: number;
};

/** Those that are called the same share a place: after a reload nothing else could tell which of them is which. */
function routePlaces(
  listeners: readonly ListenerSnapshot[],
  take: (slots: number) => number,
): readonly (readonly RoutePlace[])[] {
  const places = new Map<string, RoutePlace>();
  const placeOf = (listener: string, route: string, when: string): RoutePlace => {
    const key = placeKey(listener, route, when);
    const known = places.get(key);
    if (known) return known;
    if (places.size >= ROUTE_ROWS_MAX && route !== OTHER_ROUTES)
      return placeOf('', OTHER_ROUTES, '');
    const place = { listener, route, when, base: take(ROUTE_COUNTERS) };
    places.set(key, place);
    return place;
  };
  return listeners.map(({ layer4, name, routes }) =>
    layer4 ? [] : routes.map((route) => placeOf(name, routeName(route), routeConditions(route))),
  );
}

/** One text for the names of a thing that is counted. */
export const placeKey = (...names: readonly string[]): string => JSON.stringify(names);

function routeConditions({
  body,
  cookies,
  headers,
  methods,
  query,
  sources,
}: RouteSnapshot): string {
  const named = (kind: string, tests: object | undefined): readonly string[] =>
    Object.keys(tests ?? {}).map((name) => `${kind} ${name}`);
  return [
    ...(methods ? [methods.join('/')] : []),
    ...named('header', headers),
    ...named('cookie', cookies),
    ...named('query', query),
    ...(sources ? ['source'] : []),
    ...named('json', body?.json),
    ...named('form', body?.form),
  ].join(', ');
}
