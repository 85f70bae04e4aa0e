import type { Connection } from '../io/stream.ts';
import { parseAddress } from '../ip/address.ts';
import { formatPrefix, networkOf } from '../ip/prefix.ts';
import {
  COUNT_CLOSED_IDLE,
  COUNT_CONNECTIONS,
  COUNT_CONNECTIONS_REFUSED,
  COUNT_STREAM_LIMITED,
} from '../nameserver/counters.ts';

/**
 * The connections that a stream worker has, each at a bounded cost: their number, their number per
 * client, how long one may be idle, and how many queries a client may ask in a second over all of its.
 */
export type SessionLimits = {
  readonly connectionsMax: number;
  readonly perClientMax: number;
  readonly idleTimeoutMs: number;
  /** Of one client; 0 = as many as it likes. */
  readonly queriesPerSecond: number;
};

export type Session = {
  readonly connection: Connection;
  readonly client: ClientAccount;
  /** When it was last of use: only answers count, not bytes. */
  lastActiveMs: number;
  /** Called when the client may ask again; set by who waits for it. */
  wake: () => void;
};

/**
 * What all connections of one client share: of an IPv4 address, or of an IPv6 /64, of which one host has all the
 * addresses.
 */
export type ClientAccount = {
  readonly name: string;
  connections: number;
  /** Queries that may be asked at once. */
  credit: number;
  creditMs: number;
};

export type Sessions = {
  /** Undefined when there is no room: the connection is then destroyed. */
  open(connection: Connection, nowMs: number): Session | undefined;
  /** Takes one query from the client's credit; false when it has to wait. */
  spend(session: Session, nowMs: number): boolean;
  forget(session: Session): void;
  /**
   * Closes what is idle: those that take a query apart into single bytes, half-open ones and slow
   * readers too. Wakes those that waited for credit.
   */
  sweep(nowMs: number): void;
  /** Ends all in order. */
  endAll(): void;
};

const IPV6_CLIENT_BITS = 64;

/** @param count adds one to a counter by its slot */
export function createSessions(
  limits: SessionLimits,
  count: (slot: number) => void = () => {},
): Sessions {
  const sessions = new Set<Session>();
  const clients = new Map<string, ClientAccount>();
  const { queriesPerSecond } = limits;

  const forget = (session: Session): void => {
    if (!sessions.delete(session)) return;
    session.client.connections -= 1;
    if (session.client.connections === 0) clients.delete(session.client.name);
  };
  return {
    open(connection, nowMs) {
      const name = clientNameOf(connection.remoteAddress);
      const known = clients.get(name);
      const isFull = sessions.size >= limits.connectionsMax;
      if (isFull || (known?.connections ?? 0) >= limits.perClientMax) {
        connection.destroy();
        count(COUNT_CONNECTIONS_REFUSED);
        return undefined;
      }
      const client = known ?? { name, connections: 0, credit: queriesPerSecond, creditMs: nowMs };
      client.connections += 1;
      clients.set(name, client);
      count(COUNT_CONNECTIONS);
      const session: Session = { connection, client, lastActiveMs: nowMs, wake() {} };
      sessions.add(session);
      return session;
    },
    spend({ client }, nowMs) {
      if (queriesPerSecond === 0) return true;
      const earned = (Math.max(0, nowMs - client.creditMs) * queriesPerSecond) / 1000;
      client.credit = Math.min(queriesPerSecond, client.credit + earned);
      client.creditMs = nowMs;
      if (client.credit < 1) {
        count(COUNT_STREAM_LIMITED);
        return false;
      }
      client.credit -= 1;
      return true;
    },
    forget,
    sweep(nowMs) {
      const oldest = nowMs - limits.idleTimeoutMs;
      for (const session of sessions) {
        if (session.lastActiveMs >= oldest) {
          session.wake();
          continue;
        }
        forget(session);
        session.connection.destroy();
        count(COUNT_CLOSED_IDLE);
      }
    },
    endAll() {
      for (const { connection } of sessions) connection.end();
    },
  };
}

function clientNameOf(remoteAddress: string): string {
  if (!remoteAddress.includes(':')) return remoteAddress;
  const zone = remoteAddress.indexOf('%');
  const address = parseAddress(zone < 0 ? remoteAddress : remoteAddress.slice(0, zone));
  return address ? formatPrefix(networkOf(address, IPV6_CLIENT_BITS)) : remoteAddress;
}
