import { LEVEL } from '../resilience/outlier.ts';
import { createAccessLog, type LogBatch, noteEnd, takeBatch } from './access-log.ts';
import {
  COUNTER_SCRATCH,
  LISTENER_COUNTER,
  listenerBase,
  SERVER_COUNTER,
  serverBase,
  WORKER_COUNTER,
} from './counters.ts';
import {
  closeSession,
  openSession,
  releaseIdleSession,
  tickQueues,
  tickSession,
} from './exchange.ts';
import type { ServerState } from './messages.ts';
import { tickMirrors } from './mirror.ts';
import { tickRoom } from './room.ts';
import { compileRoutes } from './route.ts';
import type { BalancerRuntime, Listener } from './session.ts';
import { createRuntimeState } from './session.ts';
import type { BalancerSnapshot } from './snapshot.ts';
import { type ServerEvent, tickStanding } from './standing.ts';
import { NO_TRACE } from './trace.ts';
import { compileTrust } from './trust.ts';
import type { Connect, Upstream } from './upstream.ts';
import { createUpstream, expireIdle, retireServer, setUsable } from './upstream.ts';
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
  drain(listeners: readonly string[], draining: boolean): void;
  /** Applies the clock; ten times a second is enough. */
  tick(nowMs: number): void;
  /** The same for requests alone that wait for another attempt: when `wakeAfter` has asked for it. */
  tickWaiting(nowMs: number): void;
  /** Lets idle clients go and asks the others to; after `graceMs` whatever is left is cut. */
  stop(nowMs: number, graceMs: number): void;
  /** Client connections open now. */
  sessions(): number;
  /** What the access log has gathered; undefined when there is nothing, or no log. */
  takeLog(): LogBatch | undefined;
  /** Counts what became of it. */
  countLog(batch: LogBatch, isWritten: boolean): void;
  /** Servers with their load, and the counters: for layer 4, which passes on to the same servers. */
  accounts(): Accounts;
};

/** Of the snapshot that is served now; the next one has others. */
export type Accounts = Pick<BalancerRuntime, 'accessLog' | 'counters' | 'upstreams'>;

/**
 * @param draw random numbers in [0, 1) for the algorithms
 * @param wakeAfter asks for `tickWaiting` in so many milliseconds; without it ticks have to do
 */
export function createBalancer(
  connect: Connect,
  draw: () => number,
  snapshot: BalancerSnapshot,
  counters: ArrayBufferLike,
  wakeAfter: (ms: number) => void = () => {},
): Balancer {
  const runtime = createRuntimeState(connect, draw, wakeAfter, snapshot.limits);
  const listeners = new Map<string, Listener>();
  let stopAtMs = Number.POSITIVE_INFINITY;
  const serve = (next: BalancerSnapshot, row: ArrayBufferLike): void => {
    runtime.limits = next.limits;
    runtime.via = next.via;
    runtime.accessLog = createAccessLog(next.accessLog, runtime.accessLog);
    runtime.counters = new Float64Array(row);
    serveUpstreams(runtime, next);
    serveListeners(runtime, listeners, next);
  };
  serve(snapshot, counters);
  return {
    serve,
    accept(name, client, nowMs) {
      const listener = listeners.get(name);
      const isFull = runtime.sessions.size >= runtime.limits.connectionsMax;
      if (listener === undefined || isFull) return undefined;
      return openSession(runtime, listener, client, nowMs);
    },
    setServers(states) {
      for (const state of states) {
        const upstream = runtime.upstreams.find(({ settings }) => settings.name === state.upstream);
        const server = upstream?.servers.find(({ name }) => name === state.server);
        if (server) setUsable(server, state.usable, state.draining === true, runtime.nowMs);
      }
    },
    takeEvents: () => runtime.events.splice(0),
    drain(names, draining) {
      for (const name of names) {
        const listener = listeners.get(name);
        if (listener) listener.draining = draining;
      }
    },
    tick(nowMs) {
      runtime.nowMs = nowMs;
      for (const session of runtime.sessions) {
        if (nowMs >= stopAtMs) {
          noteEnd(session, 'stopped');
          closeSession(session, nowMs);
        } else tickSession(session, nowMs);
      }
      tickMirrors(runtime, nowMs);
      for (const { room, servers, standing } of runtime.upstreams) {
        tickStanding(standing, nowMs);
        if (room) tickRoom(room, nowMs);
        for (const server of servers) expireIdle(server, nowMs);
      }
      tickQueues(runtime, nowMs);
    },
    tickWaiting(nowMs) {
      for (const session of runtime.waiting) tickSession(session, nowMs);
    },
    stop(nowMs, graceMs) {
      runtime.stopping = true;
      stopAtMs = nowMs + graceMs;
      for (const session of runtime.sessions) releaseIdleSession(session, nowMs);
    },
    sessions: () => runtime.sessions.size,
    takeLog: () => runtime.accessLog && takeBatch(runtime.accessLog),
    countLog({ dropped, lines }, isWritten) {
      const { counters } = runtime;
      counters[WORKER_COUNTER.logLines]! += isWritten ? lines : 0;
      counters[WORKER_COUNTER.logDropped]! += dropped + (isWritten ? 0 : lines);
    },
    accounts: () => runtime,
  };
}

function serveUpstreams(runtime: BalancerRuntime, next: BalancerSnapshot): void {
  const former = runtime.upstreams;
  runtime.upstreams = next.upstreams.map((settings, index) =>
    createUpstream(
      settings,
      former.find((upstream) => upstream.settings.name === settings.name),
      (server) => serverBase(next, index, server),
      { draw: runtime.draw, report: (event) => report(runtime, event) },
      runtime.nowMs,
    ),
  );
  for (const upstream of former) moveWaiting(runtime, upstream);
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

/** Those who wait for an upstream that has another shape now try their luck there at the next tick. */
function moveWaiting(runtime: BalancerRuntime, former: Upstream): void {
  const { name } = former.settings;
  const next = runtime.upstreams.find(({ settings }) => settings.name === name);
  for (const session of allWaiting(former)) {
    if (session.exchange === undefined) continue;
    session.phase = 'wait';
    session.exchange.upstream = next ?? former;
    session.exchange.hold = undefined;
    session.exchange.waitUntilMs = runtime.nowMs;
    runtime.waiting.add(session);
  }
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
): void {
  for (const [name, listener] of listeners) {
    if (next.listeners.some((snapshot) => snapshot.name === name)) continue;
    // Its clients finish what they have asked and are then asked to leave.
    listener.counterBase = COUNTER_SCRATCH;
    listener.draining = true;
    listener.routes = compileRoutes([]);
    listeners.delete(name);
  }
  for (const [
    index,
    { name, address, port, routes, trace = NO_TRACE, trust },
  ] of next.listeners.entries()) {
    const present = listeners.get(name);
    const settings = {
      address,
      port,
      routes: compileRoutes(routes),
      trust: compileTrust(trust),
      trace,
      counterBase: listenerBase(index),
    };
    if (present) Object.assign(present, settings);
    else listeners.set(name, { name, ...settings, draining: false });
  }
  for (const { listener } of runtime.sessions) {
    runtime.counters[listener.counterBase + LISTENER_COUNTER.connectionsActive]!++;
  }
}
