import { NO_SERVER } from './server-id.ts';
import type { SessionDirectory } from './session-directory.ts';
import type { SessionKey } from './session-key.ts';
import type { SessionRecord } from './session-record.ts';
import type { SessionTable } from './session-table.ts';
import {
  changeSession,
  confirmSession,
  doubtSessions,
  expiryOf,
  findSession,
  isConfirmed,
  putSession,
} from './session-table.ts';

/**
 * Which server a session is on, and what to note once its request has one. The local table answers; only a session
 * that is not in it is asked for in the shared one, and only while that answers in time. What a request
 * then got is offered to the others as a claim: if a session of theirs is found, it stays where it is, and the
 * next request here goes there too.
 */
export type SessionDesk = {
  readonly table: SessionTable;
  /** Undefined: sessions are this worker's alone. */
  readonly directory: SessionDirectory | undefined;
  /** A session ends so long after its last use. */
  readonly ttlSeconds: number;
};

/** `seekSession` does not know: `askSession` may. */
export const UNKNOWN_HERE = -1;

/** @returns first half of the server's id, `NO_SERVER`, or `UNKNOWN_HERE` */
export function seekSession(desk: SessionDesk, key: SessionKey, nowSeconds: number): number {
  const { table, directory } = desk;
  const place = findSession(table, key.high, key.low, nowSeconds);
  if (place < 0) return directory?.isAsking() ? UNKNOWN_HERE : NO_SERVER;
  if (!isConfirmed(table, place) && directory?.isAsking()) {
    // One request asks for all, and does not wait for it: the session hardly ever has moved.
    confirmSession(table, place);
    reaffirm(desk, key, table.servers[place]!, table.expiries[place]!, nowSeconds);
  }
  return table.servers[place]!;
}

/** Asks about a session that is in doubt; a store that came back empty is told of it. */
function reaffirm(
  desk: SessionDesk,
  { high, low }: SessionKey,
  server: number,
  expiresSeconds: number,
  nowSeconds: number,
): void {
  askSession(desk, { high, low }, nowSeconds, (found) => {
    if (found !== NO_SERVER) return;
    // A claim: if it is there after all, and elsewhere, that counts.
    desk.directory?.write({ high, low, server, expiresSeconds, from: undefined });
  });
}

/** Calls back once with the id or `NO_SERVER`, within the bound of the shared table, perhaps at once. */
export function askSession(
  { directory, table }: SessionDesk,
  { high, low }: SessionKey,
  nowSeconds: number,
  answer: (server: number) => void,
): void {
  if (directory === undefined) {
    answer(NO_SERVER);
    return;
  }
  directory.find({ high, low }, (found) => {
    const isThere = found !== undefined && found.expiresSeconds > nowSeconds;
    if (isThere) putSession(table, high, low, found.server, found.expiresSeconds, nowSeconds);
    answer(isThere ? found.server : NO_SERVER);
  });
}

/**
 * The session's request goes to `server`.
 * @param former the server that the session was on before, `NO_SERVER` when it is new
 */
export function settleSession(
  { directory, table, ttlSeconds }: SessionDesk,
  { high, low }: SessionKey,
  former: number,
  server: number,
  nowSeconds: number,
): void {
  const isSame = former === server;
  if (isSame) {
    // It is renewed once half its time is over, not with each request.
    if (expiryOf(table, high, low) - nowSeconds > ttlSeconds / 2) return;
  }
  const expiresSeconds = nowSeconds + ttlSeconds;
  putSession(table, high, low, server, expiresSeconds, nowSeconds);
  const from = isSame || former === NO_SERVER ? undefined : former;
  directory?.write({ high, low, server, expiresSeconds, from });
}

/** Another node has moved the session, or had it first. */
export function hearSession({ table }: SessionDesk, record: SessionRecord): void {
  changeSession(table, record.high, record.low, record.server, record.expiresSeconds);
}

/** News may have been missed: whatever is asked for from now on is asked about again, without waiting. */
export function missSessions({ table }: SessionDesk): void {
  doubtSessions(table);
}
