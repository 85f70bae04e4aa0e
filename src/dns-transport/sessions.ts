import type { Connection } from '../io/stream.ts';

/**
 * The connections that a stream worker has, each at a bounded cost: their number, their number per
 * client, how long one may be idle, and how many queries a client may ask in a second over all of its.
 */
export type SessionLimits = {
  readonly connectionsMax: number;
  readonly perClientMax: number;
  readonly idleTimeoutMs: number;
  /** Of one client address; 0 = as many as it likes. */
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

/** What all connections of one address share. */
export type ClientAccount = {
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

export function createSessions(limits: SessionLimits): Sessions {
  const sessions = new Set<Session>();
  const clients = new Map<string, ClientAccount>();
  const { queriesPerSecond } = limits;

  const forget = (session: Session): void => {
    if (!sessions.delete(session)) return;
    session.client.connections -= 1;
    if (session.client.connections === 0) clients.delete(session.connection.remoteAddress);
  };
  return {
    open(connection, nowMs) {
      const known = clients.get(connection.remoteAddress);
      const isFull = sessions.size >= limits.connectionsMax;
      if (isFull || (known?.connections ?? 0) >= limits.perClientMax) {
        connection.destroy();
        return undefined;
      }
      const client = known ?? { connections: 0, credit: queriesPerSecond, creditMs: nowMs };
      client.connections += 1;
      clients.set(connection.remoteAddress, client);
      const session: Session = { connection, client, lastActiveMs: nowMs, wake() {} };
      sessions.add(session);
      return session;
    },
    spend({ client }, nowMs) {
      if (queriesPerSecond === 0) return true;
      const earned = (Math.max(0, nowMs - client.creditMs) * queriesPerSecond) / 1000;
      client.credit = Math.min(queriesPerSecond, client.credit + earned);
      client.creditMs = nowMs;
      if (client.credit < 1) return false;
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
      }
    },
    endAll() {
      for (const { connection } of sessions) connection.end();
    },
  };
}
