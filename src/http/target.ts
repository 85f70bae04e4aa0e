import { COLON, HOST, hexValue, isDigit, LOWER, textOf, VISIBLE } from './ascii.ts';

/**
 * Request targets and authorities (RFC 9112 section 3.2, RFC 3986): where the host and the path
 * lie, and a normalised path to route on. The target itself travels on as it came (RFC 9110
 * section 7.7); only decisions are made on the normalised copy.
 */

export type TargetForm = 'origin' | 'absolute' | 'authority' | 'asterisk' | 'invalid';

/** Offsets into the bytes that were parsed; `pathStart === pathEnd` for an empty path. */
export type Target = {
  form: TargetForm;
  authorityStart: number;
  authorityEnd: number;
  /** The path without the query. */
  pathStart: number;
  pathEnd: number;
  /** No escape, dot segment, backslash or double slash: the path is its own normal form. */
  plain: boolean;
};

export function createTarget(): Target {
  return {
    form: 'invalid',
    authorityStart: 0,
    authorityEnd: 0,
    pathStart: 0,
    pathEnd: 0,
    plain: true,
  };
}

/** Reads `bytes[start..end)` into `target`; `form` is `invalid` when it is no request target. */
export function parseTarget(bytes: Uint8Array, start: number, end: number, target: Target): void {
  target.form = 'invalid';
  target.authorityStart = target.authorityEnd = start;
  target.pathStart = target.pathEnd = start;
  if (start === end) return;
  if (bytes[start] === SLASH) {
    if (readPath(bytes, start, end, target)) target.form = 'origin';
    return;
  }
  if (bytes[start] === ASTERISK && end === start + 1) {
    target.plain = true;
    target.form = 'asterisk';
    return;
  }
  const authority = schemeEnd(bytes, start, end);
  target.authorityStart = authority < 0 ? start : authority;
  let at = target.authorityStart;
  while (at < end && bytes[at] !== SLASH && bytes[at] !== QUESTION) at++;
  target.authorityEnd = at;
  if (!isAuthority(bytes, target.authorityStart, at)) return;
  if (authority < 0) target.form = at === end ? 'authority' : 'invalid';
  else if (readPath(bytes, at, end, target)) target.form = 'absolute';
}

/** `host [":" port]`, without userinfo and without a comma; an IPv6 literal in brackets. */
export function isAuthority(bytes: Uint8Array, start: number, end: number): boolean {
  const host = hostEnd(bytes, start, end);
  if (host <= start) return false;
  if (host === end) return true;
  if (bytes[host] !== COLON || end - host > 6) return false;
  let port = 0;
  for (let at = host + 1; at < end; at++) {
    if (!isDigit(bytes[at])) return false;
    port = port * 10 + bytes[at]! - 0x30;
  }
  return port <= 65535;
}

/** Where the host of an authority ends (before the port), or -1 when it is none. */
export function hostEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  if (bytes[at] === BRACKET_OPEN) {
    for (at++; at < end && bytes[at] !== BRACKET_CLOSE; at++) {
      const octet = bytes[at]!;
      if (hexValue(octet) < 0 && octet !== COLON && octet !== DOT) return -1;
    }
    return at < end && at > start + 1 ? at + 1 : -1;
  }
  while (at < end && HOST[bytes[at]!] === 1) at++;
  return at > start ? at : -1;
}

/**
 * The path to route on: escapes of unreserved characters decoded, dot segments and empty segments
 * removed. @returns undefined when the path means different things to different servers: it leaves
 * the root, holds an encoded NUL or a backslash, or a dot segment hides behind an encoded slash
 */
export function normalPath(bytes: Uint8Array, target: Target): string | undefined {
  const raw = textOf(bytes, target.pathStart, target.pathEnd);
  if (target.plain) return raw === '' ? '/' : raw;
  if (raw.includes('\\') || /%(?![0-9a-f]{2})|%00/i.test(raw)) return undefined;
  const decoded = raw.replace(/%[0-9a-f]{2}/gi, decodeUnreserved);
  if (/%(2f|5c)/i.test(decoded)) {
    const segments = decoded.replace(/%(2f|5c)/gi, '/').split('/');
    if (segments.includes('..') || segments.includes('.')) return undefined;
  }
  const kept: string[] = [];
  const segments = decoded.split('/').slice(1);
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    if (segment === '..') {
      if (kept.pop() === undefined) return undefined;
    } else if (segment !== '.' && segment !== '') kept.push(segment);
    if (isLast && kept.length > 0 && (segment === '' || segment === '.' || segment === '..')) {
      kept.push('');
    }
  }
  return `/${kept.join('/')}`;
}

function readPath(bytes: Uint8Array, start: number, end: number, target: Target): boolean {
  let plain = true;
  let at = start;
  for (; at < end && bytes[at] !== QUESTION; at++) {
    const octet = bytes[at]!;
    if (VISIBLE[octet] !== 1 || octet === HASH) return false;
    if (octet === PERCENT || octet === BACKSLASH) plain = false;
    else if ((octet === DOT || octet === SLASH) && at > start && bytes[at - 1] === SLASH)
      plain = false;
  }
  target.pathStart = start;
  target.pathEnd = at;
  target.plain = plain;
  for (; at < end; at++) {
    if (VISIBLE[bytes[at]!] !== 1 || bytes[at] === HASH) return false;
  }
  return true;
}

/** Where the authority begins when the target has the scheme http or https, else -1. */
function schemeEnd(bytes: Uint8Array, start: number, end: number): number {
  for (const scheme of ['http://', 'https://']) {
    if (end - start < scheme.length) continue;
    let at = 0;
    while (at < scheme.length && LOWER[bytes[start + at]!] === scheme.charCodeAt(at)) at++;
    if (at === scheme.length) return start + at;
  }
  return -1;
}

function decodeUnreserved(encoded: string): string {
  const character = String.fromCharCode(Number(`0x${encoded.slice(1)}`));
  return /[A-Za-z0-9\-._~]/.test(character) ? character : encoded.toUpperCase();
}

const SLASH = 0x2f;
const QUESTION = 0x3f;
const ASTERISK = 0x2a;
const HASH = 0x23;
const PERCENT = 0x25;
const BACKSLASH = 0x5c;
const DOT = 0x2e;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;
