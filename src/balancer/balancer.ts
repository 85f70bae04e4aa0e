import { LEVEL } from '../resilience/outlier.ts';
import { hearSession, missSessions } from '../sessions/session-desk.ts';
import type { SessionRecord } from '../sessions/session-record.ts';
import type { LineCounts } from '../telemetry/line-writer.ts';
import { createAccessLog, type LogBatch, noteEnd, takeBatch } from './access-log.ts';
import {
  COUNTER_SCRATCH,
  type CounterLayout,
  type CounterPlace,
  LISTENER_COUNTER,
  layoutOf,
  listenerBase,
  SERVER_COUNTER,
  WORKER_COUNTER,
} from './counters.ts';
import {
  closeSession,
  openSession,
  releaseIdleSession,
  tickHedging,
  tickQueues,
  tickSession,
} from './exchange.ts';
import type { ServerState } from './messages.ts';
import { tickMirrors } from './mirror.ts';
import { placeRoutes, retireRoutes } from './request-counts.ts';
import { releaseRetry } from './retrying.ts';
import { forEachOnRoll } from './roll.ts';
import { tickRoom } from './room.ts';
import { compileRoutes } from './route.ts';
import type { BalancerRuntime, Listener, PageReport } from './session.ts';
import { createRuntimeState } from './session.ts';
import type { BalancerSnapshot } from './snapshot.ts';
import { type Outlier, outliersOf, type ServerEvent, tickStanding } from './standing.ts';
import type { BalancerSurroundings } from './surroundings.ts';
import { tellDirectory, tellTable } from './table-affinity.ts';
import { NO_TRACE } from './trace.ts';
import { compileTrust, viaLines } from './trust.ts';
import type { Upstream } from './upstream.ts';
import { createUpstream, retireServer, setUsable } from './upstream.ts';
import type { Connect } from './upstream-connection.ts';
import { expireIdle } from './upstream-connection.ts';
import { allWaiting } from './waiting.ts';
import type { Wire, WireHandlers } from './wire.ts';

/**
 * One worker's balancer: listeners, upstreams and sessions, without sockets and without a clock.
 * The composition root gives it wires and calls `tick`; tests do the same with wires of their own.
 */
export type Balancer = {
  /** Takes a client of this listener; undefined when it cannot be served: too many, or unknown. */
  accept(listener: string, client: Wire, nowMs: number): WireHandlers | undefined;
  /**
   * Serves from this snapshot from now on, counting into `counters` (`counterBytes` long). Requests
   * in flight go on; connections to servers that stay are kept.
   */
  serve(snapshot: BalancerSnapshot, counters: ArrayBufferLike): void;
  setServers(states: readonly ServerState[]): void;
  /** What requests have shown of servers since it was last asked. */
  takeEvents(): readonly ServerEvent[];
  /** What pages of clients have said of ways since it was last asked. */
  takePageReports(): readonly PageReport[];
  /** What requests hold against servers now; undefined when it is what was said last. */
  takeOutliers(): readonly Outlier[] | undefined;
  drain(listeners: readonly string[], draining: boolean): void;
  /** Applies the clock; ten times a second is enough. */
  tick(nowMs: number): void;
  /** The same for requests alone that another attempt is due for: when `wakeAfter` has asked for it. */
  tickWaiting(nowMs: number): void;
  /** Lets idle clients go and asks the others to; after `graceMs` whatever is left is cut. */
  stop(nowMs: number, graceMs: number): void;
  /** Another node has moved the session of this key, or had it first. */
  hearSession(record: SessionRecord): void;
  /** Such news may have been missed. */
  missSessions(): void;
  /** Client connections open now. */
  sessions(): number;
  /** What the access log has gathered; undefined when there is nothing, or no log. */
  takeLog(): LogBatch | undefined;
  /** Counts what became of lines. */
  countLog(counts: LineCounts): void;
  /** Servers with their load, and the counters: for layer 4, which passes on to the same servers. */
  accounts(): Accounts;
};

/** Of the snapshot that is served now; the next one has others. */
export type Accounts = Pick<BalancerRuntime, 'accessLog' | 'counters' | 'upstreams'>;

/**
 * @param draw random numbers in [0, 1) for the algorithms
 */
export function createBalancer(
  connect: Connect,
  draw: () => number,
  snapshot: BalancerSnapshot,
  counters: ArrayBufferLike,
  surroundings: BalancerSurroundings = {},
): Balancer {
  const runtime = createRuntimeState(connect, draw, snapshot.limits, surroundings);
  const listeners = new Map<string, Listener>();
  let stopAtMs = Number.POSITIVE_INFINITY;
  let hadOutliers = false;
  const serve = (next: BalancerSnapshot, row: ArrayBufferLike): void => {
    tellSessions(runtime);
    runtime.limits = next.limits;
    runtime.via = next.via;
    runtime.viaLines = viaLines(next.via);
    runtime.accessLog = createAccessLog(next.accessLog, runtime.accessLog);
    runtime.counters = new Float64Array(row);
    const layout = layoutOf(next);
    serveUpstreams(runtime, next, layout);
    serveListeners(runtime, listeners, next, layout);
    runtime.counters[WORKER_COUNTER.taken] = 1;
  };
  serve(snapshot, counters);
  return {
    serve,
    accept(name, client, nowMs) {
      const listener = listeners.get(name);
      if (listener === undefined) return undefined;
      if (runtime.sessions.length >= runtime.limits.connectionsMax) {
        runtime.counters[listener.counterBase + LISTENER_COUNTER.dropped]!++;
        return undefined;
      }
      return openSession(runtime, listener, client, nowMs);
    },
    setServers(states) {
      const byUpstream = Map.groupBy(states, ({ upstream }) => upstream);
      for (const upstream of runtime.upstreams) {
        const said = byUpstream.get(upstream.settings.name);
        if (said !== undefined) setUsable(upstream, said, runtime.nowMs);
      }
    },
    takeEvents: () => runtime.events.splice(0),
    takePageReports: () => runtime.pageReports.splice(0),
    takeOutliers() {
      const outliers = takeOutliers(runtime, hadOutliers);
      if (outliers) hadOutliers = outliers.length > 0;
      return outliers;
    },
    drain: (names, draining) => drainListeners(listeners, names, draining),
    tick(nowMs) {
      runtime.nowMs = nowMs;
      forEachOnRoll(runtime.sessions, (session) => {
        if (nowMs >= stopAtMs) {
          noteEnd(session, 'stopped');
          closeSession(session, nowMs);
        } else tickSession(session, nowMs);
      });
      tickHedging(runtime, nowMs);
      tickMirrors(runtime, nowMs);
      tellSessions(runtime);
      for (const { room, servers, standing } of runtime.upstreams) {
        tickStanding(standing, nowMs);
        if (room) tickRoom(room, nowMs);
        for (const server of servers) expireIdle(server, nowMs);
      }
      tickQueues(runtime, nowMs);
    },
    tickWaiting(nowMs) {
      for (const session of runtime.waiting) tickSession(session, nowMs);
      tickHedging(runtime, nowMs);
    },
    stop(nowMs, graceMs) {
      runtime.stopping = true;
      stopAtMs = nowMs + graceMs;
      forEachOnRoll(runtime.sessions, (session) => releaseIdleSession(session, nowMs));
    },
    hearSession(record) {
      for (const { sessions } of runtime.upstreams)
        if (sessions) hearSession(sessions.desk, record);
    },
    missSessions() {
      for (const { sessions } of runtime.upstreams) if (sessions) missSessions(sessions.desk);
    },
    sessions: () => runtime.sessions.length,
    takeLog: () => runtime.accessLog && takeBatch(runtime.accessLog),
    countLog: (counts) => countLog(runtime, counts),
    accounts: () => runtime,
  };
}

function countLog({ counters }: BalancerRuntime, { bytes, dropped, lines }: LineCounts): void {
  counters[WORKER_COUNTER.logLines]! += lines;
  counters[WORKER_COUNTER.logBytes]! += bytes;
  counters[WORKER_COUNTER.logDropped]! += dropped;
}

function drainListeners(
  listeners: ReadonlyMap<string, Listener>,
  names: readonly string[],
  draining: boolean,
): void {
  for (const name of names) {
    const listener = listeners.get(name);
    if (listener) listener.draining = draining;
  }
}

function serveUpstreams(
  runtime: BalancerRuntime,
  next: BalancerSnapshot,
  { latencies, servers, upstreams }: CounterLayout,
): void {
  const former = runtime.upstreams;
  runtime.upstreams = next.upstreams.map((settings, index) =>
    createUpstream(
      settings,
      former.find((upstream) => upstream.settings.name === settings.name),
      { upstream: upstreams[index]!, servers: servers[index]!, latencies: latencies[index]! },
      { draw: runtime.draw, report: (event) => report(runtime, event) },
      runtime.nowMs,
      runtime.shared?.directory,
    ),
  );
  for (const [index, { sessions }] of runtime.upstreams.entries()) {
    if (sessions) sessions.counterBase = upstreams[index]!;
  }
  for (const upstream of former) moveWaiting(runtime, upstream);
  const places = new Set(runtime.upstreams.map(({ place }) => place));
  for (const { place } of former) if (!places.has(place)) place.base = COUNTER_SCRATCH;
  const kept = new Set(runtime.upstreams.flatMap(({ servers }) => servers));
  for (const server of former.flatMap(({ servers }) => servers)) {
    if (!kept.has(server)) retireServer(server);
  }
  for (const server of kept) {
    const { active, counterBase, index, tunnels, upstream } = server;
    const isEjected = upstream?.standing.outliers.level[index] === LEVEL.ejected;
    runtime.counters[counterBase + SERVER_COUNTER.active] = active + tunnels;
    runtime.counters[counterBase + SERVER_COUNTER.ejected] = isEjected ? 1 : 0;
  }
}

/** Counts of what tables of sessions have seen, into the row that is counted in now. */
function tellSessions({ counters, shared, upstreams }: BalancerRuntime): void {
  for (const { sessions } of upstreams) if (sessions) tellTable(sessions, counters);
  if (shared) tellDirectory(shared, counters);
}

/** Those who wait for an upstream that has another shape now try their luck there at the next tick. */
function moveWaiting(runtime: BalancerRuntime, former: Upstream): void {
  const { name } = former.settings;
  const next = runtime.upstreams.find(({ settings }) => settings.name === name);
  for (const session of allWaiting(former)) {
    if (session.exchange === undefined) continue;
    session.phase = 'wait';
    // It was taken out of what is gone.
    if (session.exchange.isRetry) releaseRetry(former);
    session.exchange.isRetry = false;
    session.exchange.upstream = next ?? former;
    session.exchange.hold = undefined;
    session.exchange.waitUntilMs = runtime.nowMs;
    runtime.waiting.add(session);
  }
}

/** @param hadSome whether there were any when it was last asked */
function takeOutliers(
  { upstreams }: BalancerRuntime,
  hadSome: boolean,
): readonly Outlier[] | undefined {
  if (upstreams.every(({ standing }) => standing.isTold)) return undefined;
  for (const { standing } of upstreams) standing.isTold = true;
  const outliers = upstreams.flatMap(({ standing }) => outliersOf(standing));
  return hadSome || outliers.length > 0 ? outliers : undefined;
}

function report({ counters, events, upstreams }: BalancerRuntime, event: ServerEvent): void {
  if (events.length < EVENTS_MAX) events.push(event);
  if (event.kind === 'suspected') return;
  const upstream = upstreams.find(({ settings }) => settings.name === event.upstream);
  const server = upstream?.servers.find(({ name }) => name === event.server);
  if (server === undefined) return;
  counters[server.counterBase + SERVER_COUNTER.ejected] = event.kind === 'ejected' ? 1 : 0;
  if (event.kind === 'ejected') counters[server.counterBase + SERVER_COUNTER.ejections]!++;
}

/** Between two ticks; beyond it something is so wrong that the first of them tell enough. */
const EVENTS_MAX = 100;

function serveListeners(
  runtime: BalancerRuntime,
  listeners: Map<string, Listener>,
  next: BalancerSnapshot,
  { routes: places }: CounterLayout,
): void {
  for (const [name, listener] of listeners) {
    if (next.listeners.some((snapshot) => snapshot.name === name)) continue;
    // Its clients finish what they have asked and are then asked to leave.
    listener.counterBase = COUNTER_SCRATCH;
    listener.routeCounters = [];
    listener.draining = true;
    listener.routes = compileRoutes([]);
    listeners.delete(name);
  }
  const counted = new Set<CounterPlace>();
  for (const [
    index,
    { abortOnClose = true, name, address, port, routes, trace = NO_TRACE, trust },
  ] of next.listeners.entries()) {
    const present = listeners.get(name);
    const routeCounters = placeRoutes(runtime.routeCounters, places[index]!, runtime.counters);
    for (const place of routeCounters) counted.add(place);
    const settings = {
      address,
      port,
      routes: compileRoutes(routes),
      abortOnClose,
      trust: compileTrust(trust),
      trace,
      counterBase: listenerBase(index),
      routeCounters,
    };
    if (present) Object.assign(present, settings);
    else listeners.set(name, { name, ...settings, draining: false });
  }
  retireRoutes(runtime.routeCounters, counted);
  for (const { exchange, listener } of runtime.sessions) {
    runtime.counters[listener.counterBase + LISTENER_COUNTER.connectionsActive]!++;
    if (exchange) runtime.counters[listener.counterBase + LISTENER_COUNTER.requestsActive]!++;
  }
}
