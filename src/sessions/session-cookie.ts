import { createHmac } from 'node:crypto';
import { sipHash } from '../dns/siphash.ts';
import { bytesOf, textOf } from '../http/ascii.ts';
import type { CookieValue } from './cookie-field.ts';
import { findCookie } from './cookie-field.ts';
import type { ServerId } from './server-id.ts';

/**
 * The cookie that keeps a client on its server: `v1.<server id>.<expiry>.<tag>`, as bytes; where a client may keep its
 * server for a limited time, `v1.<server id>.<expiry>.<end>.<tag>`. The id and the tag are eight octets in base64url
 * without padding, expiry and end are decimal seconds since 1970 (expiry 0 = none). The tag is
 * SipHash-2-4 over everything before its dot, under a key of the upstream's own: a function made for short
 * messages and tags of 64 bits (Aumasson and Bernstein 2012), and forty times faster than HMAC of node:crypto.
 * Each cookie has exactly one spelling, so that nothing can be changed in it without notice.
 */

/** What `makeSessionCookie` needs to know, and what a reader believes. */
export type CookiePolicy = {
  /** A token (RFC 6265 section 4.1.1). */
  readonly name: Uint8Array;
  readonly key: Uint8Array;
  /** Still believed, never used for new cookies: for as long as cookies of it are about. */
  readonly formerKey: Uint8Array | undefined;
  /** A cookie lasts so long after it was made; 0 = until the browser is closed. */
  readonly maxAgeSeconds: number;
  /** A client keeps its server so long, however often its cookie is made anew; 0 = for ever. */
  readonly maxLifeSeconds: number;
  /** From `cookieAttributes`. */
  readonly attributes: string;
};

/** What a cookie says, written into by `readSessionCookie`; `word` says whether to believe it. */
export type CookieClaim = {
  word: CookieWord;
  high: number;
  low: number;
  expiresSeconds: number;
  /** When its server is chosen anew; 0 = never. */
  endSeconds: number;
};

export type CookieWord =
  | typeof COOKIE_ABSENT
  | typeof COOKIE_BAD
  | typeof COOKIE_GOOD
  | typeof COOKIE_AGEING;
/** No cookie of the name. */
export const COOKIE_ABSENT = 0;
/** There is one, but it is forged, misspelt or past. */
export const COOKIE_BAD = 1;
export const COOKIE_GOOD = 2;
/** Good, but to be made anew: signed with the former key, or more than half of its time is over. */
export const COOKIE_AGEING = 3;

export const createCookieClaim = (): CookieClaim => ({
  word: COOKIE_ABSENT,
  high: 0,
  low: 0,
  expiresSeconds: 0,
  endSeconds: 0,
});

/** Cookies of one name whose tags are checked; a client that sends more of them is up to something. */
export const COOKIES_TRIED_MAX = 4;
/** A date further ahead than any cookie made now has is not believed; clocks may differ by this much. */
export const CLOCK_SLACK_SECONDS = 24 * 3600;

/**
 * Reads the field value `bytes[start..end)` of a Cookie field; of several cookies the first good one counts.
 * @param claim unchanged when it is already good, from a Cookie field before
 */
export function readSessionCookie(
  bytes: Uint8Array,
  start: number,
  end: number,
  policy: CookiePolicy,
  nowSeconds: number,
  claim: CookieClaim,
): void {
  let from = start;
  for (let tries = 0; tries < COOKIES_TRIED_MAX && claim.word < COOKIE_GOOD; tries++) {
    from = findCookie(bytes, from, end, policy.name, place);
    if (from < 0) return;
    claim.word = judge(bytes, place.start, place.end, policy, nowSeconds, claim);
  }
}

/**
 * The whole value of a Set-Cookie field.
 * @param former what the client's cookie said: as long as it stays on a server, the end of that stays, too
 */
export function makeSessionCookie(
  policy: CookiePolicy,
  id: ServerId,
  nowSeconds: number,
  former?: CookieClaim,
): string {
  const { maxAgeSeconds, maxLifeSeconds } = policy;
  const end = maxLifeSeconds === 0 ? 0 : formerEnd(id, former) || nowSeconds + maxLifeSeconds;
  const expires = maxAgeSeconds === 0 ? 0 : Math.min(nowSeconds + maxAgeSeconds, end || Infinity);
  const octets = Buffer.alloc(TAG_OCTETS);
  octets.writeUInt32BE(id.high, 0);
  octets.writeUInt32BE(id.low, 4);
  const times = end === 0 ? `${expires}` : `${expires}.${end}`;
  const claim = `v1.${octets.toString('base64url')}.${times}`;
  sipHash(policy.key, bytesOf(claim), 0, claim.length, octets, 0);
  const name = textOf(policy.name, 0, policy.name.length);
  return `${name}=${claim}.${octets.toString('base64url')}${policy.attributes}`;
}

function formerEnd({ high, low }: ServerId, former: CookieClaim | undefined): number {
  if (former === undefined || former.word < COOKIE_GOOD) return 0;
  return former.high === high && former.low === low ? former.endSeconds : 0;
}

export type CookieAttributes = {
  readonly path: string;
  readonly maxAgeSeconds: number;
  readonly secure: boolean;
  readonly httpOnly: boolean;
  readonly sameSite: 'Lax' | 'Strict' | 'None';
};

/** What follows the value (RFC 6265 section 4.1.2, SameSite: RFC 6265bis). */
export function cookieAttributes(attributes: CookieAttributes): string {
  const { path, maxAgeSeconds, secure, httpOnly, sameSite } = attributes;
  const words = [`Path=${path}`];
  if (maxAgeSeconds > 0) words.push(`Max-Age=${maxAgeSeconds}`);
  if (httpOnly) words.push('HttpOnly');
  if (secure) words.push('Secure');
  words.push(`SameSite=${sameSite}`);
  return words.map((word) => `; ${word}`).join('');
}

/** The key of one upstream, from what the operator keeps secret: a cookie of one upstream is none of another. */
export function cookieKeyOf(secret: string, upstream: string): Uint8Array {
  const purpose = `meridian session cookie v1\n${upstream}`;
  return createHmac('sha256', secret).update(purpose).digest().subarray(0, KEY_OCTETS);
}

const KEY_OCTETS = 16;
const TAG_OCTETS = 8;
/** Eight octets in base64url. */
const TAG_CHARACTERS = 11;
const SECONDS_DIGITS_MAX = 10;
const DOT = 0x2e;
const DIGIT_0 = 0x30;
const PREFIX = bytesOf('v1.');
const SHORTEST = PREFIX.length + TAG_CHARACTERS + 3 + TAG_CHARACTERS;
const LONGEST = SHORTEST - 1 + SECONDS_DIGITS_MAX + 1 + SECONDS_DIGITS_MAX;

const place: CookieValue = { start: 0, end: 0 };
const idOctets = new Uint8Array(TAG_OCTETS);
const saidTag = new Uint8Array(TAG_OCTETS);
const ownTag = new Uint8Array(TAG_OCTETS);

function judge(
  bytes: Uint8Array,
  start: number,
  end: number,
  policy: CookiePolicy,
  nowSeconds: number,
  claim: CookieClaim,
): CookieWord {
  const length = end - start;
  if (length < SHORTEST || length > LONGEST) return COOKIE_BAD;
  for (let at = 0; at < PREFIX.length; at++)
    if (bytes[start + at] !== PREFIX[at]) return COOKIE_BAD;
  const idEnd = start + PREFIX.length + TAG_CHARACTERS;
  const claimEnd = end - TAG_CHARACTERS - 1;
  if (bytes[idEnd] !== DOT || bytes[claimEnd] !== DOT) return COOKIE_BAD;
  if (!decodeOctets(bytes, start + PREFIX.length, idOctets)) return COOKIE_BAD;
  if (!decodeOctets(bytes, claimEnd + 1, saidTag)) return COOKIE_BAD;
  if (!readTimes(bytes, idEnd + 1, claimEnd)) return COOKIE_BAD;
  let isFormer = false;
  if (!hasTag(policy.key, bytes, start, claimEnd)) {
    if (policy.formerKey === undefined) return COOKIE_BAD;
    if (!hasTag(policy.formerKey, bytes, start, claimEnd)) return COOKIE_BAD;
    isFormer = true;
  }
  const { expires, ends } = times;
  const life = judgeLife(ends, policy.maxLifeSeconds, nowSeconds);
  // One that ends with its server's time cannot be made to last longer.
  const age =
    expires > 0 && expires === ends
      ? COOKIE_GOOD
      : judgeAge(expires, policy.maxAgeSeconds, nowSeconds);
  if (life === COOKIE_BAD || age === COOKIE_BAD) return COOKIE_BAD;
  claim.high = readWord(idOctets, 0);
  claim.low = readWord(idOctets, 4);
  claim.expiresSeconds = expires;
  claim.endSeconds = ends;
  return isFormer || life === COOKIE_AGEING ? COOKIE_AGEING : age;
}

function judgeLife(ends: number, maxLifeSeconds: number, nowSeconds: number): CookieWord {
  if (ends !== 0 && ends <= nowSeconds) return COOKIE_BAD;
  // It was made when clients kept their servers for ever and now they do not, or the other way round.
  if ((ends === 0) !== (maxLifeSeconds === 0)) return COOKIE_AGEING;
  return ends > nowSeconds + maxLifeSeconds + CLOCK_SLACK_SECONDS ? COOKIE_BAD : COOKIE_GOOD;
}

function judgeAge(expires: number, maxAgeSeconds: number, nowSeconds: number): CookieWord {
  // It was made when cookies lasted for a session and now they do not, or the other way round.
  if (expires === 0 || maxAgeSeconds === 0) {
    if (expires === maxAgeSeconds) return COOKIE_GOOD;
    return expires !== 0 && expires <= nowSeconds ? COOKIE_BAD : COOKIE_AGEING;
  }
  const left = expires - nowSeconds;
  if (left <= 0 || left > maxAgeSeconds + CLOCK_SLACK_SECONDS) return COOKIE_BAD;
  return left < maxAgeSeconds / 2 ? COOKIE_AGEING : COOKIE_GOOD;
}

/** Compares all octets, however early they differ: the time taken tells nothing of a right tag. */
function hasTag(key: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  sipHash(key, bytes, start, end, ownTag, 0);
  let difference = 0;
  for (let at = 0; at < TAG_OCTETS; at++) difference |= ownTag[at]! ^ saidTag[at]!;
  return difference === 0;
}

/** Expiry, and end where there is one; false when they are not spelt as we do. */
function readTimes(bytes: Uint8Array, start: number, end: number): boolean {
  let dot = start;
  while (dot < end && bytes[dot] !== DOT) dot++;
  times.expires = readSeconds(bytes, start, dot);
  times.ends = dot === end ? 0 : readSeconds(bytes, dot + 1, end);
  return times.expires >= 0 && (dot === end || times.ends > 0);
}

const times = { expires: 0, ends: 0 };

/** Seconds in decimal without leading zeros; -1 when it is something else. */
function readSeconds(bytes: Uint8Array, start: number, end: number): number {
  if (start === end || end - start > SECONDS_DIGITS_MAX) return -1;
  if (bytes[start] === DIGIT_0 && end - start > 1) return -1;
  let seconds = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - DIGIT_0;
    if (digit < 0 || digit > 9) return -1;
    seconds = 10 * seconds + digit;
  }
  return seconds;
}

/** Eight octets from eleven characters; false when they are not what an encoder writes. */
function decodeOctets(bytes: Uint8Array, start: number, out: Uint8Array): boolean {
  let bits = 0;
  let held = 0;
  let written = 0;
  for (let at = start; at < start + TAG_CHARACTERS; at++) {
    const sextet = SEXTETS[bytes[at]!]!;
    if (sextet === NO_SEXTET) return false;
    held = ((held << 6) | sextet) & 0x3fff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out[written++] = held >>> bits;
    }
  }
  // Two bits are left over, and zero in the one spelling that counts.
  return (held & 3) === 0;
}

const NO_SEXTET = 64;
const SEXTETS = new Uint8Array(256).fill(NO_SEXTET);
for (const [value, character] of [
  ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_',
].entries()) {
  SEXTETS[character.charCodeAt(0)] = value;
}

const readWord = (octets: Uint8Array, at: number): number =>
  ((octets[at]! << 24) | (octets[at + 1]! << 16) | (octets[at + 2]! << 8) | octets[at + 3]!) >>> 0;
