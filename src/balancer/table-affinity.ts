import type { RequestHead, ResponseHead } from '../http/head.ts';
import type { ServerIds } from '../sessions/server-id.ts';
import { createServerIds, NO_SERVER, serverIndexOf } from '../sessions/server-id.ts';
import type { SessionDesk } from '../sessions/session-desk.ts';
import { seekSession, settleSession, UNKNOWN_HERE } from '../sessions/session-desk.ts';
import type { SessionDirectory } from '../sessions/session-directory.ts';
import type { SessionKey } from '../sessions/session-key.ts';
import { sessionKeySecretOf } from '../sessions/session-key.ts';
import { createSessionTable, serverOf } from '../sessions/session-table.ts';
import { findPair, isName, SEMICOLON } from './affinity-key.ts';
import { UPSTREAM_COUNTER, WORKER_COUNTER } from './counters.ts';
import type { Exchange } from './session.ts';
import type { SessionKeyReader } from './session-key-reader.ts';
import { createSessionKeyReader, readSessionKey, readValueKey } from './session-key-reader.ts';
import type { UpstreamSnapshot } from './snapshot.ts';
import type { SharedSessions } from './surroundings.ts';
import type { Upstream, UpstreamServer } from './upstream.ts';

/**
 * Keeps a client on its server by a table of sessions: a request's session is found by what the client shows, and the
 * table names the server (HAProxy: `stick on`). An upstream without it costs a request one comparison; with it a
 * request leaves three integers in its exchange, and no object.
 */
export type TableAffinity = {
  readonly desk: SessionDesk;
  readonly ids: ServerIds;
  readonly reader: SessionKeyReader;
  /** The application's cookie: a server that sets it has the session. Undefined where something else is the key. */
  readonly learntFrom: string | undefined;
  /** What is counted already. */
  readonly told: { hits: number; misses: number; inserted: number; evicted: number };
  /** Of the upstream, in the row of the snapshot. */
  counterBase: number;
};

/** @param former of the snapshot before: its table goes on when it is as large */
export function createTableAffinity(
  snapshot: UpstreamSnapshot,
  former: Upstream | undefined,
  directory: SessionDirectory | undefined,
): TableAffinity | undefined {
  const { affinity, name, sessionMemory } = snapshot;
  const settings = affinity?.table;
  if (settings === undefined) return undefined;
  const { key, secret, sessionsMax, shared, ttlSeconds } = settings;
  const isAsLarge = former?.settings.affinity?.table?.sessionsMax === sessionsMax;
  const memory = sessionMemory ?? (isAsLarge ? former.sessions?.desk.table.memory : undefined);
  return {
    desk: {
      table: createSessionTable(sessionsMax, memory),
      directory: shared ? directory : undefined,
      ttlSeconds,
    },
    ids: serverIdsOf(snapshot),
    reader: createSessionKeyReader(key, sessionKeySecretOf(secret, name)),
    learntFrom: key.kind === 'cookie' ? key.name : undefined,
    told: { hits: 0, misses: 0, inserted: 0, evicted: 0 },
    counterBase: 0,
  };
}

export const serverIdsOf = ({ name, servers }: UpstreamSnapshot): ServerIds =>
  createServerIds(
    name,
    servers.map((server) => server.name),
  );

/**
 * Notes in the exchange of which session the request is, and which server the table here names.
 * @param address the client's
 * @returns whether the table of all nodes may know more
 */
export function findHome(
  { desk, reader }: TableAffinity,
  exchange: Exchange,
  head: RequestHead,
  address: string,
  nowMs: number,
): boolean {
  // The cookie names a server: that is enough.
  if (exchange.hold !== undefined && exchange.hold.home >= 0) return false;
  if (!readSessionKey(reader, head, address, key)) return false;
  noteKey(exchange, key);
  const server = seekSession(desk, key, secondsOf(nowMs));
  if (server === UNKNOWN_HERE) return true;
  exchange.sessionServer = server | 0;
  return false;
}

/** Index of the server that the request is kept on by cookie or table; -1 when there is none. */
export function homeOf({ sessions }: Upstream, { hold, sessionServer }: Exchange): number {
  if (hold !== undefined && hold.home >= 0) return hold.home;
  if (sessions === undefined || sessionServer === NO_SERVER) return -1;
  return serverIndexOf(sessions.ids, sessionServer >>> 0);
}

/** The request goes to `server`, and so will its session. */
export function settleHome(
  { desk, ids }: TableAffinity,
  exchange: Exchange,
  server: UpstreamServer,
  nowMs: number,
): void {
  const id = ids.ids[server.index];
  if (id === undefined || !hasKey(exchange)) return;
  key.high = exchange.sessionHigh >>> 0;
  key.low = exchange.sessionLow >>> 0;
  settleSession(desk, key, exchange.sessionServer >>> 0, id.high, secondsOf(nowMs));
  exchange.sessionServer = id.high | 0;
}

/** The server has answered: where it set the application's cookie, that session is on it from now on. */
export function learnHome(
  { desk, ids, learntFrom, reader }: TableAffinity,
  server: UpstreamServer,
  head: ResponseHead,
  nowMs: number,
): void {
  const id = ids.ids[server.index];
  if (learntFrom === undefined || id === undefined) return;
  const nowSeconds = secondsOf(nowMs);
  let field = nextLearnt(reader, learntFrom, head, 0, key);
  while (field >= 0) {
    const former = serverOf(desk.table, key.high, key.low, nowSeconds);
    settleSession(desk, key, former, id.high, nowSeconds);
    field = nextLearnt(reader, learntFrom, head, field + 1, key);
  }
}

/**
 * Writes the key of the next cookie of this name that the response sets to `out`.
 * @param from index of the field to begin with
 * @returns that of its field, -1 when there is none
 */
export function nextLearnt(
  reader: SessionKeyReader,
  name: string,
  { bytes, fields }: ResponseHead,
  from: number,
  out: SessionKey,
): number {
  for (let index = from; index < fields.count; index++) {
    const at = 4 * index;
    if (!isName(bytes, fields.spans[at]!, fields.spans[at + 1]!, 'set-cookie')) continue;
    const [start, end] = [fields.spans[at + 2]!, fields.spans[at + 3]!];
    // What follows the first semicolon are attributes.
    let stop = start;
    while (stop < end && bytes[stop] !== SEMICOLON) stop++;
    if (!findPair(bytes, start, stop, SEMICOLON, name, place)) continue;
    if (readValueKey(reader, bytes, place.start, place.end, out)) return index;
  }
  return -1;
}

/** Brings what was counted since the last time into the row. */
export function tellTable(
  { counterBase, desk, told }: TableAffinity,
  counters: Float64Array,
): void {
  const { counters: now } = desk.table;
  for (const [place, name] of COUNTED.entries()) {
    counters[counterBase + UPSTREAM_COUNTER.sessionHits + place]! += now[name] - told[name];
    told[name] = now[name];
  }
}

/** The same for the table of all nodes. */
export function tellDirectory({ directory, told }: SharedSessions, counters: Float64Array): void {
  const { counters: now } = directory;
  counters[WORKER_COUNTER.sessionsLinked] = directory.isWell() ? 1 : 0;
  for (const [place, name] of ASKED.entries()) {
    counters[WORKER_COUNTER.sessionsAsked + place]! += now[name] - told[name];
    told[name] = now[name];
  }
}

/** In the order of `WORKER_COUNTER`, from `sessionsAsked` on. */
const ASKED = ['asked', 'found', 'late', 'skipped', 'written', 'dropped'] as const;
/** In the order of `UPSTREAM_COUNTER`, from `sessionHits` on. */
const COUNTED = ['hits', 'misses', 'inserted', 'evicted'] as const;

export const hasKey = ({ sessionHigh, sessionLow }: Exchange): boolean =>
  sessionHigh !== 0 || sessionLow !== 0;

/** Small integers: numbers above 2^31 would be objects. */
function noteKey(exchange: Exchange, { high, low }: SessionKey): void {
  exchange.sessionHigh = high | 0;
  exchange.sessionLow = low | 0;
}

export const secondsOf = (nowMs: number): number => Math.floor(nowMs / 1000);

const key: SessionKey = { high: 0, low: 0 };
const place = { start: 0, end: 0 };
