import type { Connection } from '../io/stream.ts';
import { parseAddress } from '../ip/address.ts';
import { formatPrefix, networkOf } from '../ip/prefix.ts';
import {
  COUNT_CLOSED_FOR_OTHERS,
  COUNT_CLOSED_HANDSHAKE,
  COUNT_CLOSED_IDLE,
  COUNT_CONNECTIONS,
  COUNT_CONNECTIONS_REFUSED,
  COUNT_STREAM_LIMITED,
} from '../nameserver/counters.ts';

/**
 * The connections that a stream worker has, each at a bounded cost: their number, their number per
 * client, how long one may be idle, how many of them a client may begin in a second and how many queries it may ask
 * over all of its. When there
 * is room for no more, the one that was of no use for longest makes room (RFC 7766 6.2.3): a flood of
 * connections that ask nothing passes, and who asks at once is answered.
 */
export type SessionLimits = {
  readonly connectionsMax: number;
  readonly perClientMax: number;
  readonly idleTimeoutMs: number;
  /** Of one client; 0 = as many as it likes. */
  readonly queriesPerSecond: number;
  /** New ones of one client; 0 = as many as it likes. */
  readonly connectionsPerSecond: number;
};

export type Session = {
  readonly connection: Connection;
  readonly client: ClientAccount;
  /** The handshake of TLS, where there is one, is done. */
  isBegun: boolean;
  /** When it was last of use: touch(). */
  lastActiveMs: number;
  /** Called when the client may ask again; set by who waits for it. */
  wake: () => void;
  /** Called once, when it is forgotten, whoever ended it; set by who has anything to give up. */
  gone: () => void;
};

/**
 * What all connections of one client share: of an IPv4 address, or of an IPv6 /64, of which one host has all the
 * addresses.
 */
export type ClientAccount = {
  readonly name: string;
  connections: number;
  /** Zones on their way to it. */
  transfers: number;
  /** Queries that may be asked at once. */
  readonly queries: Credit;
  /** Connections that may be begun at once. */
  readonly beginnings: Credit;
};

/** What was left at a time. */
type Credit = { left: number; sinceMs: number };

export type Sessions = {
  /** Undefined when the client has too many: the connection is then destroyed. */
  open(connection: Connection, nowMs: number): Session | undefined;
  /** It was of use: only answers count, not bytes. */
  touch(session: Session, nowMs: number): void;
  /** A connection whose client nobody has named yet; one of all, idle like others. */
  greet(connection: Connection, nowMs: number): void;
  /** It has been named, or is gone. */
  dismiss(connection: Connection): void;
  /** Counts one that nobody may have. */
  refuse(connection: Connection): void;
  /** Takes one query from the client's credit; false when it has to wait. */
  spend(session: Session, nowMs: number): boolean;
  forget(session: Session): void;
  /** It has ended of itself; in the middle of a handshake is counted. */
  leave(session: Session): void;
  /**
   * Closes what is idle: those that take a query apart into single bytes, half-open ones and slow
   * readers too. Wakes those that waited for credit.
   */
  sweep(nowMs: number): void;
  /** Ends all in order. */
  endAll(): void;
};

const IPV6_CLIENT_BITS = 64;
/** Clients that have gone and are remembered, so that a new connection brings no new credit. */
export const GONE_CLIENTS_MAX = 4096;

/** @param count adds one to a counter by its slot */
export function createSessions(
  limits: SessionLimits,
  count: (slot: number) => void = () => {},
): Sessions {
  /** The one that was of no use for longest is first; likewise the guests. */
  const sessions = new Set<Session>();
  const guests = new Map<Connection, number>();
  const accounts = createAccounts(limits);
  const close = (session: Session, slot: number): void => {
    forget(session);
    session.connection.destroy();
    count(slot);
  };
  const turnOut = (guest: Connection, slot: number): void => {
    guests.delete(guest);
    guest.destroy();
    count(slot);
  };
  const makeRoom = (): void => {
    if (sessions.size + guests.size < limits.connectionsMax) return;
    const [session] = sessions;
    const [[guest, sinceMs = 0] = []] = guests;
    const isOlder = session === undefined || sinceMs < session.lastActiveMs;
    if (guest !== undefined && isOlder) turnOut(guest, COUNT_CLOSED_FOR_OTHERS);
    else if (session !== undefined) close(session, COUNT_CLOSED_FOR_OTHERS);
  };
  const refuse = (connection: Connection): void => {
    connection.destroy();
    count(COUNT_CONNECTIONS_REFUSED);
  };
  const forget = (session: Session): void => {
    if (!sessions.delete(session)) return;
    session.gone();
    accounts.leave(session.client);
  };
  return {
    open(connection, nowMs) {
      const client = accounts.enter(clientNameOf(connection.remoteAddress), nowMs);
      if (client === undefined) {
        refuse(connection);
        return undefined;
      }
      makeRoom();
      count(COUNT_CONNECTIONS);
      const fresh = { isBegun: false, lastActiveMs: nowMs, wake() {}, gone() {} };
      const session: Session = { connection, client, ...fresh };
      sessions.add(session);
      return session;
    },
    touch(session, nowMs) {
      session.lastActiveMs = nowMs;
      if (sessions.delete(session)) sessions.add(session);
    },
    greet(connection, nowMs) {
      makeRoom();
      guests.set(connection, nowMs);
    },
    dismiss: (connection) => void guests.delete(connection),
    refuse,
    spend({ client }, nowMs) {
      if (limits.queriesPerSecond === 0 || accounts.spend(client, nowMs)) return true;
      count(COUNT_STREAM_LIMITED);
      return false;
    },
    forget,
    leave(session) {
      if (sessions.has(session) && !session.isBegun) count(COUNT_CLOSED_HANDSHAKE);
      forget(session);
    },
    sweep(nowMs) {
      const oldest = nowMs - limits.idleTimeoutMs;
      // Who is woken may be of use at once, and is then last: all are looked at once.
      let left = sessions.size;
      for (const session of sessions) {
        if (left-- === 0) break;
        // A clock that was set back makes nobody last longer.
        session.lastActiveMs = Math.min(session.lastActiveMs, nowMs);
        if (session.lastActiveMs < oldest) close(session, COUNT_CLOSED_IDLE);
        else session.wake();
      }
      for (const [guest, sinceMs] of guests) {
        if (sinceMs < oldest) turnOut(guest, COUNT_CLOSED_IDLE);
        else if (sinceMs > nowMs) guests.set(guest, nowMs);
      }
      accounts.sweep(nowMs);
    },
    endAll() {
      for (const { connection } of sessions) connection.end();
      for (const guest of guests.keys()) guest.destroy();
    },
  };
}

/** What a credit has grown to, of so much in a second and at once. */
function creditOf({ left, sinceMs }: Credit, perSecond: number, nowMs: number): number {
  const earned = (Math.max(0, nowMs - sinceMs) * perSecond) / 1000;
  return Math.min(perSecond, left + earned);
}

/** Takes one; false when there is less. */
function take(credit: Credit, perSecond: number, nowMs: number): boolean {
  credit.left = creditOf(credit, perSecond, nowMs);
  credit.sinceMs = nowMs;
  if (credit.left < 1) return false;
  credit.left -= 1;
  return true;
}

function createAccounts(limits: SessionLimits) {
  const { connectionsMax, connectionsPerSecond, perClientMax, queriesPerSecond } = limits;
  const clients = new Map<string, ClientAccount>();
  return {
    /** One connection more; undefined when the client has too many. */
    enter(name: string, nowMs: number): ClientAccount | undefined {
      const known = clients.get(name);
      if ((known?.connections ?? 0) >= perClientMax) return undefined;
      const client = known ?? {
        name,
        connections: 0,
        transfers: 0,
        queries: { left: queriesPerSecond, sinceMs: nowMs },
        beginnings: { left: connectionsPerSecond, sinceMs: nowMs },
      };
      if (connectionsPerSecond > 0 && !take(client.beginnings, connectionsPerSecond, nowMs)) {
        return undefined;
      }
      client.connections += 1;
      clients.set(name, client);
      return client;
    },
    leave(client: ClientAccount): void {
      client.connections -= 1;
      if (client.connections > 0) return;
      // Who has spent anything is remembered until it is earned again: else the next connection brings it all back.
      const { beginnings, queries } = client;
      const isWhole = queries.left >= queriesPerSecond && beginnings.left >= connectionsPerSecond;
      const isRoom = clients.size <= connectionsMax + GONE_CLIENTS_MAX;
      if (isWhole || !isRoom) clients.delete(client.name);
    },
    spend(client: ClientAccount, nowMs: number): boolean {
      return take(client.queries, queriesPerSecond, nowMs);
    },
    /** Forgets those that have gone and have all their credit again. */
    sweep(nowMs: number): void {
      for (const client of clients.values()) {
        if (client.connections > 0) continue;
        const { beginnings, queries } = client;
        const isFull =
          creditOf(queries, queriesPerSecond, nowMs) >= queriesPerSecond &&
          creditOf(beginnings, connectionsPerSecond, nowMs) >= connectionsPerSecond;
        if (isFull) clients.delete(client.name);
      }
    },
  };
}

function clientNameOf(remoteAddress: string): string {
  if (!remoteAddress.includes(':')) return remoteAddress;
  const zone = remoteAddress.indexOf('%');
  const address = parseAddress(zone < 0 ? remoteAddress : remoteAddress.slice(0, zone));
  return address ? formatPrefix(networkOf(address, IPV6_CLIENT_BITS)) : remoteAddress;
}
