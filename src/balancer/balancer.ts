import { createAccessLog, type LogBatch, noteEnd, takeBatch } from './access-log.ts';
import {
  COUNTER_SCRATCH,
  LISTENER_COUNTER,
  listenerBase,
  SERVER_COUNTER,
  serverBase,
  WORKER_COUNTER,
} from './counters.ts';
import { closeSession, openSession, releaseIdleSession, tickSession } from './exchange.ts';
import type { ServerState } from './messages.ts';
import { tickMirrors } from './mirror.ts';
import { compileRoutes } from './route.ts';
import type { BalancerRuntime, Listener } from './session.ts';
import { createRuntimeState } from './session.ts';
import type { BalancerSnapshot } from './snapshot.ts';
import { NO_TRACE } from './trace.ts';
import { compileTrust } from './trust.ts';
import type { Connect } from './upstream.ts';
import { createUpstream, expireIdle, retireServer, setUsable } from './upstream.ts';
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
  drain(listeners: readonly string[], draining: boolean): void;
  /** Applies the clock; ten times a second is enough. */
  tick(nowMs: number): void;
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

/** @param draw random numbers in [0, 1) for the algorithms */
export function createBalancer(
  connect: Connect,
  draw: () => number,
  snapshot: BalancerSnapshot,
  counters: ArrayBufferLike,
): Balancer {
  const runtime = createRuntimeState(connect, draw, snapshot.limits);
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
        if (server) setUsable(server, state.usable, state.draining);
      }
    },
    drain(names, draining) {
      for (const name of names) {
        const listener = listeners.get(name);
        if (listener) listener.draining = draining;
      }
    },
    tick(nowMs) {
      for (const session of runtime.sessions) {
        if (nowMs >= stopAtMs) {
          noteEnd(session, 'stopped');
          closeSession(session, nowMs);
        } else tickSession(session, nowMs);
      }
      tickMirrors(runtime, nowMs);
      for (const { servers } of runtime.upstreams) {
        for (const server of servers) expireIdle(server, nowMs);
      }
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
    ),
  );
  const kept = new Set(runtime.upstreams.flatMap(({ servers }) => servers));
  for (const server of former.flatMap(({ servers }) => servers)) {
    if (!kept.has(server)) retireServer(server);
  }
  for (const server of kept) {
    runtime.counters[server.counterBase + SERVER_COUNTER.active] = server.active + server.tunnels;
  }
}

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
