import { bytesOf, COMMA, equalsIgnoringCase, SPACE, TAB } from '../http/ascii.ts';
import type { ServerId } from './server-id.ts';
import type { CookieClaim } from './session-cookie.ts';
import { COOKIE_GOOD } from './session-cookie.ts';

/** What a response says about its session: as little as possible (HAProxy: `insert indirect nocache`). */

/** Whether the client is to be given a cookie: it has no good one for the server that answered. */
export function needsSetCookie(claim: CookieClaim, answered: ServerId): boolean {
  const { word, high, low } = claim;
  return word !== COOKIE_GOOD || high !== answered.high || low !== answered.low;
}

/**
 * Whether a Cache-Control field value leaves a shared cache free to store the response, so that one that sets a
 * cookie needs `Cache-Control: private` beside it: else the cache would give everybody this client's
 * cookie. Private with field names (RFC 9111 section 5.2.2.7) forbids only to store those. A response
 * without the field always needs it: caches store by heuristics too.
 */
export function allowsSharedStorage(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    const from = skipBlanks(bytes, at, end);
    const stop = directiveEnd(bytes, from, end);
    if (isWord(bytes, from, stop, PRIVATE) || isWord(bytes, from, stop, NO_STORE)) return false;
    at = stop + 1;
  }
  return true;
}

const PRIVATE = bytesOf('private');
const NO_STORE = bytesOf('no-store');
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

function skipBlanks(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
  return at;
}

/** The comma after a directive; those within quotes belong to its argument. */
function directiveEnd(bytes: Uint8Array, start: number, end: number): number {
  let isQuoted = false;
  for (let at = start; at < end; at++) {
    if (isQuoted && bytes[at] === BACKSLASH) at++;
    else if (bytes[at] === QUOTE) isQuoted = !isQuoted;
    else if (bytes[at] === COMMA && !isQuoted) return at;
  }
  return end;
}

/** The directive alone, without an argument. */
function isWord(bytes: Uint8Array, start: number, stop: number, word: Uint8Array): boolean {
  if (!equalsIgnoringCase(bytes, start, Math.min(stop, start + word.length), word)) return false;
  return skipBlanks(bytes, start + word.length, stop) === stop;
}
