import { isBelow, shareOf } from '../balancing/bounded-load.ts';
import { bytesOf, equalsIgnoringCase, textOf } from '../http/ascii.ts';
import { FIELD } from '../http/fields.ts';
import type { RequestHead, ResponseHead } from '../http/head.ts';
import { findCookie, stripCookie } from '../sessions/cookie-field.ts';
import { allowsSharedStorage, needsSetCookie } from '../sessions/cookie-reply.ts';
import type { ServerIds } from '../sessions/server-id.ts';
import { cookieServerIndex } from '../sessions/server-id.ts';
import type { CookieClaim, CookiePolicy } from '../sessions/session-cookie.ts';
import {
  COOKIE_GOOD,
  cookieAttributes,
  cookieKeyOf,
  createCookieClaim,
  makeSessionCookie,
  readSessionCookie,
} from '../sessions/session-cookie.ts';
import type { FieldEdits } from './field-edits.ts';
import { createFieldEdits } from './field-edits.ts';
import { isFull } from './room.ts';
import type { UpstreamSnapshot } from './snapshot.ts';
import { keepsHolders } from './standing.ts';
import { serverIdsOf } from './table-affinity.ts';
import type { Upstream, UpstreamServer } from './upstream.ts';

/**
 * Keeps a client on its server by a cookie: taken out of the request, so that the application never sees it, and put
 * into the response when the client has none that names the server that answered (HAProxy: `cookie insert
 * indirect nocache`). An upstream without it costs a request one comparison.
 */
export type CookieAffinity = { readonly policy: CookiePolicy; readonly ids: ServerIds };

/** What one request's cookie said. */
export type CookieHold = {
  readonly claim: CookieClaim;
  /** Index of the server that it names, -1 when it names none that is still there. */
  readonly home: number;
};

export function createCookieAffinity(snapshot: UpstreamSnapshot): CookieAffinity | undefined {
  const { affinity, name } = snapshot;
  const cookie = affinity?.cookie;
  if (cookie === undefined) return undefined;
  const keyOf = (secret: string): Uint8Array => cookieKeyOf(secret, name);
  return {
    policy: {
      name: bytesOf(cookie.name),
      key: keyOf(cookie.secret),
      formerKey: cookie.formerSecret === undefined ? undefined : keyOf(cookie.formerSecret),
      maxAgeSeconds: cookie.maxAgeSeconds,
      maxLifeSeconds: cookie.maxLifeSeconds,
      attributes: cookieAttributes(cookie),
    },
    ids: serverIdsOf(snapshot),
  };
}

/** Reads the cookie, and sees to it that the head goes on without it: by edits, made when there are none yet. */
export function takeCookie(
  { policy, ids }: CookieAffinity,
  { bytes, fields }: RequestHead,
  edits: FieldEdits | undefined,
  nowMs: number,
): { readonly hold: CookieHold; readonly edits: FieldEdits | undefined } {
  const claim = createCookieClaim();
  let isThere = false;
  for (let index = 0; index < fields.count; index++) {
    if (fields.codes[index] !== FIELD.cookie) continue;
    const [start, end] = [fields.spans[4 * index + 2]!, fields.spans[4 * index + 3]!];
    readSessionCookie(bytes, start, end, policy, Math.floor(nowMs / 1000), claim);
    isThere ||= findCookie(bytes, start, end, policy.name, place) >= 0;
  }
  const hold = { claim, home: claim.word < COOKIE_GOOD ? -1 : cookieServerIndex(ids, claim) };
  if (!isThere) return { hold, edits };
  const stripped = edits ?? createFieldEdits();
  // A filter that wants the field gone, or another in its place, has been heard already.
  const isKept = !stripped.removed.has('cookie');
  // All Cookie fields are written anew, or the others would come before what is left of this one.
  for (let index = 0; index < fields.count; index++) {
    if (fields.codes[index] !== FIELD.cookie || fields.dropped[index] === 1) continue;
    fields.dropped[index] = 1;
    const [start, end] = [fields.spans[4 * index + 2]!, fields.spans[4 * index + 3]!];
    const rest = new Uint8Array(end - start);
    const length = stripCookie(bytes, start, end, policy.name, rest, 0);
    if (isKept && length > 0) stripped.added.push(['Cookie', textOf(rest, 0, length)]);
  }
  return { hold, edits: stripped };
}

/**
 * The server that the request is kept on, unless it is unusable, or full, or has failed this request.
 * @param home its index; -1 when there is none
 */
export function heldServer(
  { room, servers, standing, usable }: Upstream,
  home: number,
  tried: readonly UpstreamServer[],
): UpstreamServer | undefined {
  // No element has such an index: to look for one would cost as much as the rest of a request's way here.
  if (home < 0) return undefined;
  const server = servers[home];
  if (server === undefined || tried.includes(server)) return undefined;
  if (room && isFull(room)) return undefined;
  // One that drains takes nobody new, and keeps whom it has.
  const { index } = server;
  return usable[index] === 1 || keepsHolders(standing, index) ? server : undefined;
}

/** Whether the server has more to do than `affinity.loadFactor` lets sessions give it. */
export function isOverShare(
  { servers, settings, standing }: Upstream,
  { index }: UpstreamServer,
): boolean {
  const loadFactor = settings.affinity?.loadFactor;
  if (loadFactor === undefined) return false;
  const level = standing.levels[standing.levelOf[index]!]!;
  return !isBelow(level, index, shareOf(servers, level, loadFactor));
}

/** Puts the cookie of the server that answered into the response, where the client needs one. */
export function giveCookie(
  { policy, ids }: CookieAffinity,
  hold: CookieHold,
  server: UpstreamServer,
  head: ResponseHead,
  edits: FieldEdits | undefined,
  nowMs: number,
): FieldEdits | undefined {
  const id = ids.ids[server.index];
  const { claim } = hold;
  if (id === undefined || !needsSetCookie(claim, id) || setsItself(head, policy)) return edits;
  const given = edits ?? createFieldEdits();
  const nowSeconds = Math.floor(nowMs / 1000);
  given.added.push(['Set-Cookie', makeSessionCookie(policy, id, nowSeconds, claim)]);
  if (mayBeShared(head, given)) given.added.push(['Cache-Control', 'private']);
  return given;
}

/** Whether the application has its own word on our cookie: it may end a session (HAProxy: `preserve`). */
function setsItself({ bytes, fields }: ResponseHead, { name }: CookiePolicy): boolean {
  for (let index = 0; index < fields.count; index++) {
    const at = 4 * index;
    const [nameStart, nameEnd] = [fields.spans[at]!, fields.spans[at + 1]!];
    if (!equalsIgnoringCase(bytes, nameStart, nameEnd, SET_COOKIE)) continue;
    const [start, end] = [fields.spans[at + 2]!, fields.spans[at + 3]!];
    if (bytes[start + name.length] !== EQUALS || start + name.length >= end) continue;
    if (name.every((octet, offset) => bytes[start + offset] === octet)) return true;
  }
  return false;
}

/** Whether nothing in the response keeps shared caches from storing it. */
function mayBeShared({ bytes, fields }: ResponseHead, { added, removed }: FieldEdits): boolean {
  for (const [name, value] of added) {
    if (name.toLowerCase() !== 'cache-control') continue;
    if (!allowsSharedStorage(bytesOf(value), 0, value.length)) return false;
  }
  if (removed.has('cache-control')) return true;
  for (let index = 0; index < fields.count; index++) {
    const at = 4 * index;
    const [nameStart, nameEnd] = [fields.spans[at]!, fields.spans[at + 1]!];
    if (!equalsIgnoringCase(bytes, nameStart, nameEnd, CACHE_CONTROL)) continue;
    if (!allowsSharedStorage(bytes, fields.spans[at + 2]!, fields.spans[at + 3]!)) return false;
  }
  return true;
}

const EQUALS = 0x3d;
const SET_COOKIE = bytesOf('set-cookie');
const CACHE_CONTROL = bytesOf('cache-control');
const place = { start: 0, end: 0 };
