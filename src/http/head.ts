import { bytesOf, CR, endOfValue, isDigit, LF, SPACE, TOKEN, textOf } from './ascii.ts';
import type { Fields, Framing, HeadProblem } from './fields.ts';
import { createFields, FIELD, onlyField, parseFields, readFraming } from './fields.ts';
import type { Target } from './target.ts';
import { createTarget, isAuthority, parseTarget } from './target.ts';

/**
 * Heads of HTTP/1.1 messages, read in place (RFC 9112 sections 2 to 6). A head object is made once
 * and filled again for every message; it holds offsets into the caller's bytes and is valid as long
 * as those are. Strict on purpose: what is not exactly allowed is a `HeadProblem`, a value that
 * says which status to answer with.
 */

/** Start line and fields together, with the empty line. */
export const HEAD_BYTES_MAX = 32 * 1024;
export const TARGET_BYTES_MAX = 8 * 1024;
export const METHOD_BYTES_MAX = 32;

/** `findHeadEnd` has seen no empty line yet. */
export const HEAD_INCOMPLETE = -1;
/** `findHeadEnd` has seen a line that ends without CR. */
export const HEAD_MALFORMED = -2;

export type RequestHead = Framing & {
  bytes: Uint8Array;
  method: string;
  targetStart: number;
  targetEnd: number;
  readonly target: Target;
  /** The minor version: 0 or 1. */
  minor: number;
  /** Where the authority lies: in an absolute-form target, else in Host; equal when there is none. */
  hostStart: number;
  hostEnd: number;
  readonly fields: Fields;
};

export type ResponseHead = Framing & {
  bytes: Uint8Array;
  minor: number;
  status: number;
  reasonStart: number;
  reasonEnd: number;
  /** Both Content-Length and Transfer-Encoding came: the length is void, the connection suspect. */
  ambiguous: boolean;
  readonly fields: Fields;
};

export function createRequestHead(): RequestHead {
  return {
    ...emptyFraming(),
    bytes: NO_BYTES,
    method: '',
    targetStart: 0,
    targetEnd: 0,
    target: createTarget(),
    minor: 1,
    hostStart: 0,
    hostEnd: 0,
    fields: createFields(),
  };
}

export function createResponseHead(): ResponseHead {
  return {
    ...emptyFraming(),
    bytes: NO_BYTES,
    minor: 1,
    status: 0,
    reasonStart: 0,
    reasonEnd: 0,
    ambiguous: false,
    fields: createFields(),
  };
}

/**
 * The offset after the empty line that ends a head which begins at `start`.
 * @param scanned octets from `start` that an earlier call has already looked at
 * @returns the offset, `HEAD_INCOMPLETE`, or `HEAD_MALFORMED` for a bare LF (RFC 9112 section 2.2)
 */
export function findHeadEnd(
  bytes: Uint8Array,
  start: number,
  end: number,
  scanned: number,
): number {
  for (let at = start + scanned; at < end; at++) {
    if (bytes[at] !== LF) continue;
    if (at === start || bytes[at - 1] !== CR) return HEAD_MALFORMED;
    if (at - 2 > start && bytes[at - 2] === LF) return at + 1;
  }
  return HEAD_INCOMPLETE;
}

/** Whether `bytes[start..end)` ends with an empty line: then a head that begins at `start` ends within it. */
export function endsWithHead(bytes: Uint8Array, start: number, end: number): boolean {
  return (
    end - start >= 4 &&
    bytes[end - 1] === LF &&
    bytes[end - 2] === CR &&
    bytes[end - 3] === LF &&
    bytes[end - 4] === CR
  );
}

/** Parses the request head that begins at `start` and ends (`head.fields.end`, and two octets) within `end`. */
export function parseRequestHead(
  bytes: Uint8Array,
  start: number,
  end: number,
  head: RequestHead,
): HeadProblem | undefined {
  head.bytes = bytes;
  let at = start;
  while (TOKEN[bytes[at]!] === 1) at++;
  if (at === start || bytes[at] !== SPACE || at - start > METHOD_BYTES_MAX) return BAD_REQUEST_LINE;
  head.method = methodName(bytes, start, at);
  let lineEnd = at;
  while (lineEnd < end && bytes[lineEnd] !== CR) lineEnd++;
  head.targetStart = at + 1;
  const targetEnd = lineEnd - VERSION_LENGTH - 1;
  if (targetEnd - head.targetStart > TARGET_BYTES_MAX) return TARGET_TOO_LONG;
  if (targetEnd <= head.targetStart || bytes[targetEnd] !== SPACE) return BAD_REQUEST_LINE;
  head.targetEnd = targetEnd;
  head.minor = httpMinor(bytes, targetEnd + 1);
  if (head.minor < 0) return head.minor === -2 ? BAD_VERSION : BAD_REQUEST_LINE;
  if (bytes[lineEnd + 1] !== LF) return BAD_REQUEST_LINE;
  parseTarget(bytes, head.targetStart, targetEnd, head.target);
  if (!isTargetAllowed(head)) return BAD_TARGET;
  const problem =
    parseFields(bytes, lineEnd + 2, end, head.fields) ??
    readFraming(bytes, head.fields, head) ??
    readHost(bytes, head);
  if (problem !== undefined) return problem;
  // RFC 9112 section 6.1 allows dropping the length; a request that carries both is an attack.
  if (head.chunked && head.contentLength >= 0) return LENGTH_AND_ENCODING;
  return head.chunked && head.minor === 0 ? ENCODING_ON_1_0 : undefined;
}

/** Parses the response head `bytes[start..end)`; the status of a problem is meaningless here. */
export function parseResponseHead(
  bytes: Uint8Array,
  start: number,
  end: number,
  head: ResponseHead,
): HeadProblem | undefined {
  head.bytes = bytes;
  head.minor = httpMinor(bytes, start);
  if (head.minor < 0 || bytes[start + 8] !== SPACE) return BAD_STATUS_LINE;
  let at = start + 9;
  for (; at < start + 12; at++) if (!isDigit(bytes[at])) return BAD_STATUS_LINE;
  head.status =
    (bytes[at - 3]! - 0x30) * 100 + (bytes[at - 2]! - 0x30) * 10 + bytes[at - 1]! - 0x30;
  if (head.status < 100) return BAD_STATUS_LINE;
  // The blank after the code is required, but an absent one cannot be misread.
  if (bytes[at] === SPACE) at++;
  else if (bytes[at] !== CR) return BAD_STATUS_LINE;
  head.reasonStart = at;
  at = endOfValue(bytes, at, end);
  head.reasonEnd = at;
  if (bytes[at] !== CR || bytes[at + 1] !== LF) return BAD_STATUS_LINE;
  const problem =
    parseFields(bytes, at + 2, end, head.fields) ?? readFraming(bytes, head.fields, head);
  if (problem !== undefined) return problem;
  if (head.chunked && head.minor === 0) return ENCODING_ON_1_0;
  head.ambiguous = head.chunked && head.contentLength >= 0;
  if (head.ambiguous) head.contentLength = -1;
  return undefined;
}

/** Whether the octet can begin a request: anything else is another protocol (TLS begins with 0x16). */
export function canBeginRequest(octet: number): boolean {
  return TOKEN[octet] === 1 || octet === CR;
}

function readHost(bytes: Uint8Array, head: RequestHead): HeadProblem | undefined {
  const index = onlyField(head.fields, FIELD.host);
  // RFC 9112 section 3.2: none, several or an invalid one is 400 on HTTP/1.1.
  if (index === -2 || (index === -1 && head.minor === 1)) return BAD_HOST;
  head.hostStart = head.hostEnd = 0;
  if (index >= 0) {
    head.hostStart = head.fields.spans[4 * index + 2]!;
    head.hostEnd = head.fields.spans[4 * index + 3]!;
    if (!isAuthority(bytes, head.hostStart, head.hostEnd)) return BAD_HOST;
  }
  if (head.target.form === 'absolute') {
    // RFC 9112 section 3.2.2: the absolute-form wins and replaces Host.
    head.hostStart = head.target.authorityStart;
    head.hostEnd = head.target.authorityEnd;
  }
  return undefined;
}

function isTargetAllowed(head: RequestHead): boolean {
  const form = head.target.form;
  if (form === 'invalid') return false;
  if (form === 'asterisk') return head.method === 'OPTIONS';
  return (form === 'authority') === (head.method === 'CONNECT');
}

/** 0 or 1 for `HTTP/1.0` and `HTTP/1.1`; -2 for another version, -1 for no version at all. */
function httpMinor(bytes: Uint8Array, at: number): number {
  for (let index = 0; index < HTTP_SLASH.length; index++) {
    if (bytes[at + index] !== HTTP_SLASH[index]) return -1;
  }
  const major = bytes[at + 5];
  const minor = bytes[at + 7];
  if (!isDigit(major) || bytes[at + 6] !== DOT || !isDigit(minor)) return -1;
  if (major !== 0x31 || minor! > 0x31) return -2;
  return minor! - 0x30;
}

/** Strings of the usual methods are shared; the first octet and the length tell which to compare. */
function methodName(bytes: Uint8Array, start: number, end: number): string {
  for (const method of METHODS) {
    if (method.length !== end - start || method.charCodeAt(0) !== bytes[start]) continue;
    let at = 1;
    while (at < method.length && method.charCodeAt(at) === bytes[start + at]) at++;
    if (at === method.length) return method;
  }
  return textOf(bytes, start, end);
}

function emptyFraming(): Framing {
  return {
    contentLength: -1,
    chunked: false,
    close: false,
    keepAlive: false,
    upgrade: false,
    teTrailers: false,
  };
}

const METHODS = [
  'GET',
  'POST',
  'HEAD',
  'PUT',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'CONNECT',
  'TRACE',
] as const;
const HTTP_SLASH = bytesOf('HTTP/');
const VERSION_LENGTH = 8;
const DOT = 0x2e;
const NO_BYTES = new Uint8Array(0);

const BAD_REQUEST_LINE: HeadProblem = { status: 400, reason: 'invalid request line' };
const BAD_STATUS_LINE: HeadProblem = { status: 502, reason: 'invalid status line' };
const BAD_VERSION: HeadProblem = { status: 505, reason: 'unsupported HTTP version' };
const BAD_TARGET: HeadProblem = { status: 400, reason: 'invalid request target' };
const TARGET_TOO_LONG: HeadProblem = { status: 414, reason: 'request target too long' };
const BAD_HOST: HeadProblem = { status: 400, reason: 'missing, repeated or invalid Host' };
const LENGTH_AND_ENCODING: HeadProblem = {
  status: 400,
  reason: 'both Content-Length and Transfer-Encoding',
};
const ENCODING_ON_1_0: HeadProblem = { status: 400, reason: 'Transfer-Encoding in HTTP/1.0' };
