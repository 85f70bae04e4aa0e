import type { Accounts } from '../balancer/balancer.ts';
import { COUNTER_SCRATCH, LISTENER_COUNTER, listenerBase } from '../balancer/counters.ts';
import { compileRoutes, type RouteTable } from '../balancer/route.ts';
import type { BalancerLimits, BalancerSnapshot } from '../balancer/snapshot.ts';
import type { Connect } from '../balancer/upstream.ts';
import type { WireHandlers } from '../balancer/wire.ts';
import {
  cutTcpSession,
  type FlowWire,
  openTcpSession,
  type TcpSession,
  tickTcpSession,
} from './tcp-session.ts';

/**
 * One worker's layer 4: connections and datagrams that are passed on unread. Servers, their health, their
 * load and the counters are the balancer's, so that an upstream may serve both layers. Like the balancer it
 * has neither sockets nor a clock.
 */
export type Layer4 = {
  /** Whether the listener is one of layer 4. */
  serves(listener: string): boolean;
  /** Takes a client of this listener; undefined when it cannot be served: too many, or unknown. */
  accept(listener: string, client: FlowWire, nowMs: number): WireHandlers | undefined;
  /** After the balancer has taken over the snapshot: flows that are there go on. */
  serve(snapshot: BalancerSnapshot): void;
  /** Applies the clock; ten times a second is enough. */
  tick(nowMs: number): void;
  /** Connections may go on for `graceMs`, then they are cut. */
  stop(nowMs: number, graceMs: number): void;
  /** Connections open now. */
  sessions(): number;
};

export type FlowListener = {
  readonly name: string;
  idleTimeoutMs: number;
  byServerName: boolean;
  routes: RouteTable;
  counterBase: number;
};

/** What the flows of one worker share. */
export type Layer4Runtime = {
  readonly accounts: () => Accounts;
  readonly connect: Connect;
  /** A random number in [0, 1). */
  readonly draw: () => number;
  limits: BalancerLimits;
  readonly tcp: Set<TcpSession>;
};

export function createLayer4(
  accounts: () => Accounts,
  connect: Connect,
  draw: () => number,
  snapshot: BalancerSnapshot,
): Layer4 {
  const runtime: Layer4Runtime = {
    accounts,
    connect,
    draw,
    limits: snapshot.limits,
    tcp: new Set(),
  };
  const listeners = new Map<string, FlowListener>();
  let stopAtMs = Number.POSITIVE_INFINITY;
  const serve = (next: BalancerSnapshot): void => {
    runtime.limits = next.limits;
    serveListeners(listeners, next);
    const { counters } = accounts();
    for (const { listener } of runtime.tcp) {
      counters[listener.counterBase + LISTENER_COUNTER.connectionsActive]!++;
    }
  };
  serve(snapshot);
  return {
    serve,
    serves: (name) => listeners.has(name),
    accept(name, client, nowMs) {
      const listener = listeners.get(name);
      if (listener === undefined || runtime.tcp.size >= runtime.limits.connectionsMax) {
        return undefined;
      }
      return openTcpSession(runtime, listener, client, nowMs);
    },
    tick(nowMs) {
      for (const session of runtime.tcp) {
        if (nowMs >= stopAtMs) cutTcpSession(session, nowMs);
        else tickTcpSession(session, nowMs);
      }
    },
    stop(nowMs, graceMs) {
      stopAtMs = nowMs + graceMs;
    },
    sessions: () => runtime.tcp.size,
  };
}

function serveListeners(listeners: Map<string, FlowListener>, next: BalancerSnapshot): void {
  const gone = new Map(listeners);
  for (const [index, { layer4, name, routes }] of next.listeners.entries()) {
    if (layer4 === undefined) continue;
    const { byServerName, idleTimeoutMs } = layer4;
    const settings = {
      name,
      byServerName,
      idleTimeoutMs,
      routes: compileRoutes(routes),
      counterBase: listenerBase(index),
    };
    const present = listeners.get(name);
    gone.delete(name);
    if (present) Object.assign(present, settings);
    else listeners.set(name, settings);
  }
  for (const [name, listener] of gone) {
    listener.counterBase = COUNTER_SCRATCH;
    listener.routes = compileRoutes([]);
    listeners.delete(name);
  }
}
