import type { Accounts } from '../balancer/balancer.ts';
import { COUNTER_SCRATCH, LISTENER_COUNTER, listenerBase } from '../balancer/counters.ts';
import { compileRoutes, type RouteTable } from '../balancer/route.ts';
import type { BalancerLimits, BalancerSnapshot } from '../balancer/snapshot.ts';
import type { Connect, UpstreamServer } from '../balancer/upstream.ts';
import type { WireHandlers } from '../balancer/wire.ts';
import type { Flow } from './flow-key.ts';
import {
  cutTcpSession,
  type FlowWire,
  openTcpSession,
  type TcpSession,
  tickTcpSession,
} from './tcp-session.ts';
import {
  type ConnectDatagrams,
  endUdpSessions,
  takeDatagram,
  tickUdpSessions,
  type UdpSessions,
} from './udp-sessions.ts';

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
  /** Takes a datagram of a client that `peer` has sent; `reply` sends one back from the listener's address. */
  receive(
    listener: string,
    client: Flow,
    peer: string,
    bytes: Uint8Array,
    reply: (bytes: Uint8Array) => void,
    nowMs: number,
  ): void;
  /** After the balancer has taken over the snapshot: flows that are there go on. */
  serve(snapshot: BalancerSnapshot): void;
  /** Applies the clock; ten times a second is enough. */
  tick(nowMs: number): void;
  /** Connections may go on for `graceMs`, then they are cut; sessions of UDP end, for nobody listens any more. */
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
  sessionsMax: number;
  responses: number;
  readonly udp: UdpSessions;
  /** The server of UDP that failed last, until another session has gone past it. */
  failed: UpstreamServer | undefined;
};

/** What the flows of one worker share. */
export type Layer4Runtime = {
  readonly accounts: () => Accounts;
  readonly connect: Connect;
  readonly connectDatagrams: ConnectDatagrams;
  /** A random number in [0, 1). */
  readonly draw: () => number;
  limits: BalancerLimits;
  readonly tcp: Set<TcpSession>;
};

export function createLayer4(
  accounts: () => Accounts,
  connect: Connect,
  connectDatagrams: ConnectDatagrams,
  draw: () => number,
  snapshot: BalancerSnapshot,
): Layer4 {
  const runtime: Layer4Runtime = {
    accounts,
    connect,
    connectDatagrams,
    draw,
    limits: snapshot.limits,
    tcp: new Set(),
  };
  const listeners = new Map<string, FlowListener>();
  let stopAtMs = Number.POSITIVE_INFINITY;
  const serve = (next: BalancerSnapshot): void => {
    runtime.limits = next.limits;
    for (const gone of serveListeners(listeners, next)) endUdpSessions(runtime, gone);
    const { counters } = accounts();
    for (const { counterBase, udp } of listeners.values()) {
      counters[counterBase + LISTENER_COUNTER.connectionsActive] = udp.size;
    }
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
    receive(name, client, peer, bytes, reply, nowMs) {
      const listener = listeners.get(name);
      if (listener) takeDatagram(runtime, listener, client, peer, bytes, reply, nowMs);
    },
    tick(nowMs) {
      for (const listener of listeners.values()) tickUdpSessions(runtime, listener, nowMs);
      for (const session of runtime.tcp) {
        if (nowMs >= stopAtMs) cutTcpSession(session, nowMs);
        else tickTcpSession(session, nowMs);
      }
    },
    stop(nowMs, graceMs) {
      stopAtMs = nowMs + graceMs;
      for (const listener of listeners.values()) endUdpSessions(runtime, listener);
    },
    sessions: () => runtime.tcp.size,
  };
}

/** @returns those that are gone */
function serveListeners(
  listeners: Map<string, FlowListener>,
  next: BalancerSnapshot,
): Iterable<FlowListener> {
  const gone = new Map(listeners);
  for (const [index, { layer4, name, routes }] of next.listeners.entries()) {
    if (layer4 === undefined) continue;
    const { byServerName, idleTimeoutMs, responses, sessionsMax } = layer4;
    const settings = {
      name,
      byServerName,
      idleTimeoutMs,
      responses,
      sessionsMax,
      routes: compileRoutes(routes),
      counterBase: listenerBase(index),
    };
    const present = listeners.get(name);
    gone.delete(name);
    if (present) Object.assign(present, settings);
    else listeners.set(name, { ...settings, udp: new Map(), failed: undefined });
  }
  for (const [name, listener] of gone) {
    listener.counterBase = COUNTER_SCRATCH;
    listener.routes = compileRoutes([]);
    listeners.delete(name);
  }
  return gone.values();
}
