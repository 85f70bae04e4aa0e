import type { SessionKeySource, TableAffinityConfig } from '../config/affinity-config.ts';
import type { RequestHead } from '../http/head.ts';
import { NO_SERVER, serverIndexOf } from '../sessions/server-id.ts';
import { COOKIE_ABSENT, COOKIE_BAD } from '../sessions/session-cookie.ts';
import { sessionKeySecretOf } from '../sessions/session-key.ts';
import {
  createSessionTable,
  expiryOf,
  serverOf,
  sessionTableBytes,
} from '../sessions/session-table.ts';
import { createCookieAffinity, takeCookie } from './cookie-affinity.ts';
import { createSessionKeyReader, readSessionKey } from './session-key-reader.ts';
import type { UpstreamSnapshot } from './snapshot.ts';
import { secondsOf, serverIdsOf } from './table-affinity.ts';

/** What keeps a request on a server beside the algorithm, as the functions that serve see it. */
export type ExplainedSession = {
  /** What it is found by, as it is written in the configuration. */
  readonly by: string;
  /** Of the table: 16 hexadecimal digits; absent where the request shows none. */
  readonly key: string | undefined;
  /** The server that has it, usable or not. */
  readonly server: string | undefined;
  readonly why: string;
};

/** What is known of sessions besides the configuration. */
export type SessionFacts = {
  readonly nowMs: number;
  /** The table of an upstream, where it is served. */
  readonly memoryOf: (upstream: string) => SharedArrayBuffer | undefined;
};

/** @param address the client's. @returns undefined where the upstream has no affinity */
export function explainSession(
  settings: UpstreamSnapshot,
  head: RequestHead,
  address: string,
  facts: SessionFacts,
): ExplainedSession | undefined {
  const byCookie = explainCookie(settings, head, facts.nowMs);
  const table = settings.affinity?.table;
  if (table === undefined || byCookie?.server !== undefined) return byCookie;
  return explainTable(settings, table, head, address, facts);
}

function explainCookie(
  settings: UpstreamSnapshot,
  head: RequestHead,
  nowMs: number,
): ExplainedSession | undefined {
  const cookie = createCookieAffinity(settings);
  const name = settings.affinity?.cookie?.name;
  if (cookie === undefined || name === undefined) return undefined;
  const { claim, home } = takeCookie(cookie, head, undefined, nowMs).hold;
  const server = settings.servers[home]?.name;
  const told = { by: 'cookie', key: undefined, server };
  if (server !== undefined) return { ...told, why: `the cookie ${name} names ${server}` };
  if (claim.word === COOKIE_ABSENT) {
    return { ...told, why: `no cookie ${name}: the response sets one` };
  }
  const wrong = claim.word === COOKIE_BAD ? 'is forged, misspelt or past' : 'names no server here';
  return { ...told, why: `the cookie ${name} ${wrong}: the response sets another` };
}

function explainTable(
  settings: UpstreamSnapshot,
  { key: source, secret, sessionsMax, shared }: TableAffinityConfig,
  head: RequestHead,
  address: string,
  { memoryOf, nowMs }: SessionFacts,
): ExplainedSession {
  const by = wordOf(source);
  const key = { high: 0, low: 0 };
  const reader = createSessionKeyReader(source, sessionKeySecretOf(secret, settings.name));
  if (!readSessionKey(reader, head, address, key)) {
    const why = `by ${by}, which the request does not have`;
    return { by, key: undefined, server: undefined, why };
  }
  const digits = [key.high, key.low].map((half) => half.toString(16).padStart(8, '0')).join('');
  const told = { by, key: digits, server: undefined };
  const memory = memoryOf(settings.name);
  if (memory?.byteLength !== sessionTableBytes(sessionsMax)) {
    return {
      ...told,
      why: `by ${by}: session ${digits}; only a node that serves knows where it is`,
    };
  }
  const table = createSessionTable(sessionsMax, memory);
  const nowSeconds = secondsOf(nowMs);
  const id = serverOf(table, key.high, key.low, nowSeconds);
  if (id === NO_SERVER) {
    const other = shared ? '; Redis is asked first' : '';
    return { ...told, why: `by ${by}: session ${digits} is not in the table here${other}` };
  }
  const server = settings.servers[serverIndexOf(serverIdsOf(settings), id)]?.name;
  const where = server === undefined ? 'was on a server that is gone' : `is on ${server}`;
  const left = expiryOf(table, key.high, key.low) - nowSeconds;
  return { ...told, server, why: `by ${by}: session ${digits} ${where}, ${left} s if not used` };
}

/** As it is written. */
function wordOf(source: SessionKeySource): string {
  switch (source.kind) {
    case 'client':
      return `source /${source.prefix4}, /${source.prefix6}`;
    case 'header':
      return `header ${source.name}`;
    case 'query':
      return `parameter ${source.name}`;
    case 'cookie':
      return `applicationCookie ${source.name}`;
  }
}
