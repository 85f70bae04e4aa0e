/** Which EDNS options a reply has besides the client subnet: what the query asks for and the node knows. */
import {
  COOKIE_ABSENT,
  COOKIE_BAD,
  COOKIE_GOOD,
  checkCookie,
  writeServerCookie,
} from '../dns/cookie.ts';
import {
  offerCookie,
  offerKeepalive,
  offerNsid,
  offerPadding,
  offerReportChannel,
} from '../dns/edns.ts';
import { COOKIE_CLIENT_LENGTH } from '../dns/message.ts';
import { type Client, TRANSPORT_HTTPS, TRANSPORT_TLS, TRANSPORT_UDP } from './client.ts';
import { COUNT_COOKIES_BAD, COUNT_COOKIES_GOOD } from './counters.ts';
import type { ServerIdentity } from './snapshot.ts';
import type { WorkerState } from './worker-state.ts';

/** Lengths of encrypted replies are multiples of this (RFC 8467 4.1). */
export const PADDING_BLOCK = 468;
/** Largest timeout that the option can say, in units of 100 ms (RFC 7828 3.1). */
const KEEPALIVE_MAX = 0xffff;

/**
 * Sets aside room for all of them; called between beginReply() and the first record, while the query
 * may still be read. Leaves in `worker.cookie` what the query's cookie is worth.
 */
export function offerEdns(
  worker: WorkerState,
  identity: ServerIdentity,
  client: Client,
  bytes: Uint8Array,
  nowMs: number,
): void {
  const { query, reply } = worker;
  if (!query.hasEdns) return;
  if (query.hasCookie) answerCookie(worker, client, bytes, Math.floor(nowMs / 1000));
  if (query.hasNsid && identity.id !== undefined) offerNsid(reply, identity.id);
  if (identity.reportChannel !== undefined) offerReportChannel(reply, identity.reportChannel);
  if (client.transport === TRANSPORT_UDP) return;
  // Of a connection over HTTP its own protocol tells (RFC 7828 is for TCP and TLS).
  if (query.hasTcpKeepalive && client.transport !== TRANSPORT_HTTPS) {
    offerKeepalive(reply, Math.min(Math.floor(identity.idleTimeoutMs / 100), KEEPALIVE_MAX));
  }
  const isEncrypted = client.transport === TRANSPORT_TLS || client.transport === TRANSPORT_HTTPS;
  if (query.hasPadding && isEncrypted) offerPadding(reply, PADDING_BLOCK);
}

/** A good cookie is sent back as it is, else a new one is made (RFC 7873 5.2, RFC 9018 4.3). */
function answerCookie(
  worker: WorkerState,
  client: Client,
  bytes: Uint8Array,
  nowSeconds: number,
): void {
  const { cookies, counters, query, reply } = worker;
  if (cookies === undefined) return;
  const { cookieLength, cookieOffset } = query;
  const length = client.family === 4 ? 4 : 16;
  const { address } = client;
  worker.cookie = checkCookie(
    bytes,
    cookieOffset,
    cookieLength,
    cookies,
    address,
    length,
    nowSeconds,
  );
  if (worker.cookie !== COOKIE_ABSENT) {
    const slot = isProved(worker) ? COUNT_COOKIES_GOOD : COUNT_COOKIES_BAD;
    counters[slot] = counters[slot]! + 1;
  }
  if (!offerCookie(reply)) return;
  const { cookie } = reply;
  const isKept = worker.cookie === COOKIE_GOOD;
  const kept = isKept ? cookie.length : COOKIE_CLIENT_LENGTH;
  for (let index = 0; index < kept; index += 1) cookie[index] = bytes[cookieOffset + index]!;
  if (isKept) return;
  const { current } = cookies;
  writeServerCookie(cookie, COOKIE_CLIENT_LENGTH, cookie, 0, current, address, length, nowSeconds);
}

/** Whether the client has shown that it receives what is sent to its address (RFC 7873 5.2.4). */
export function isProved({ cookie }: WorkerState): boolean {
  return cookie > COOKIE_BAD;
}
