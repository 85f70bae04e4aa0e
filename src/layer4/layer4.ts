import type { Accounts } from '../balancer/balancer.ts';
import { COUNTER_SCRATCH, LISTENER_COUNTER, listenerBase } from '../balancer/counters.ts';
import { compileRoutes, type RouteTable } from '../balancer/route.ts';
import type { BalancerLimits, BalancerSnapshot } from '../balancer/snapshot.ts';
import type { UpstreamServer } from '../balancer/upstream.ts';
import type { Connect } from '../balancer/upstream-connection.ts';
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
  noteDrained,
  takeDatagram,
  tickUdpSessions,
  type UdpSession,
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
  /** While its region drains a listener takes clients, but none for longer than its drain time. */
  drain(listeners: readonly string[], draining: boolean): void;
  /** After the balancer has taken over the snapshot: flows that are there go on. */
  serve(snapshot: BalancerSnapshot): void;
  /** Applies the clock; ten times a second is enough. */
  tick(nowMs: number): void;
  /**
   * Nobody new is taken; connections may go on for `graceMs`, then they are cut.
   * @param keepsDatagrams so may sessions of UDP: datagrams still come and go at the listeners' addresses
   */
  stop(nowMs: number, graceMs: number, keepsDatagrams: boolean): void;
  /** Connections and sessions open now. */
  sessions(): number;
};

export type FlowListener = {
  readonly name: string;
  idleTimeoutMs: number;
  drainTimeoutMs: number;
  /** Its region drains, or it is gone. */
  draining: boolean;
  byServerName: boolean;
  routes: RouteTable;
  counterBase: number;
  sessionsMax: number;
  responses: number;
  readonly udp: UdpSessions;
  /** Of these, those whose server drains. */
  readonly leaving: Set<UdpSession>;
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
  stopping: boolean;
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
    stopping: false,
    tcp: new Set(),
  };
  const listeners = new Map<string, FlowListener>();
  let stopAtMs = Number.POSITIVE_INFINITY;
  const serve = (next: BalancerSnapshot): void => {
    runtime.limits = next.limits;
    for (const gone of serveListeners(listeners, next)) endUdpSessions(runtime, gone);
    const { counters } = accounts();
    for (const listener of listeners.values()) {
      // A listener that was of HTTP has its sessions counted there already.
      counters[listener.counterBase + LISTENER_COUNTER.connectionsActive]! += listener.udp.size;
      noteDrained(listener);
    }
    for (const { listener } of runtime.tcp) {
      counters[listener.counterBase + LISTENER_COUNTER.connectionsActive]!++;
    }
  };
  serve(snapshot);
  return {
    serve,
    drain(names, draining) {
      for (const name of names) {
        const listener = listeners.get(name);
        if (listener) listener.draining = draining;
      }
    },
    serves: (name) => listeners.has(name),
    accept(name, client, nowMs) {
      const listener = listeners.get(name);
      if (listener === undefined) return undefined;
      if (runtime.tcp.size >= runtime.limits.connectionsMax) {
        accounts().counters[listener.counterBase + LISTENER_COUNTER.dropped]!++;
        return undefined;
      }
      return openTcpSession(runtime, listener, client, nowMs);
    },
    receive(name, client, peer, bytes, reply, nowMs) {
      const listener = listeners.get(name);
      if (listener) takeDatagram(runtime, listener, client, peer, bytes, reply, nowMs);
    },
    tick(nowMs) {
      for (const listener of listeners.values()) {
        if (nowMs >= stopAtMs) endUdpSessions(runtime, listener);
        else tickUdpSessions(runtime, listener, nowMs);
      }
      for (const session of runtime.tcp) {
        if (nowMs >= stopAtMs) cutTcpSession(session, nowMs, 'stopped');
        else tickTcpSession(session, nowMs);
      }
    },
    stop(nowMs, graceMs, keepsDatagrams) {
      stopAtMs = nowMs + graceMs;
      runtime.stopping = true;
      if (keepsDatagrams) return;
      for (const listener of listeners.values()) endUdpSessions(runtime, listener);
    },
    sessions: () =>
      [...listeners.values()].reduce((sum, { udp }) => sum + udp.size, runtime.tcp.size),
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
    const { byServerName, drainTimeoutMs, idleTimeoutMs, responses, sessionsMax } = layer4;
    const settings = {
      name,
      byServerName,
      drainTimeoutMs,
      idleTimeoutMs,
      responses,
      sessionsMax,
      routes: compileRoutes(routes),
      counterBase: listenerBase(index),
    };
    const present = listeners.get(name);
    gone.delete(name);
    if (present) Object.assign(present, settings);
    else listeners.set(name, { ...settings, ...fresh() });
  }
  for (const [name, listener] of gone) {
    listener.counterBase = COUNTER_SCRATCH;
    listener.draining = true;
    listener.routes = compileRoutes([]);
    listeners.delete(name);
  }
  return gone.values();
}

const fresh = () => ({
  draining: false,
  udp: new Map<string, UdpSession>(),
  leaving: new Set<UdpSession>(),
  failed: undefined,
});
