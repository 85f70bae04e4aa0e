import {
  bytesOf,
  COLON,
  COMMA,
  CR,
  endOfValue,
  equalsIgnoringCase,
  isBlank,
  isDigit,
  LF,
  rangesEqualIgnoringCase,
  TOKEN,
} from './ascii.ts';

/**
 * The field section of a message, parsed in place: four offsets and a code for each field, no
 * objects, so a head costs no garbage. Everything that two parsers could read in two ways is
 * refused, never repaired (RFC 9112 sections 5 and 6; request smuggling lives in repairs).
 */

export const FIELDS_MAX = 128;
/** Connection options in one message; each is compared with every field. */
export const CONNECTION_OPTIONS_MAX = 32;

/** A refusal: the status to answer with, and why, in a few words for logs and the reply's text. */
export type HeadProblem = { readonly status: number; readonly reason: string };

/**
 * `spans` holds name start, name end, value start, value end of each field; `codes` what it is
 * (`FIELD`); `dropped` 1 for what must not travel on: hop-by-hop, nominated by Connection, or with
 * an underscore in its name.
 */
export type Fields = {
  count: number;
  /** Where the line after the last one begins. */
  end: number;
  readonly spans: Uint32Array;
  readonly codes: Uint8Array;
  readonly dropped: Uint8Array;
};

/** What the fields say about framing and the connection. `contentLength` is -1 when absent. */
export type Framing = {
  contentLength: number;
  chunked: boolean;
  /** Connection options. */
  close: boolean;
  keepAlive: boolean;
  upgrade: boolean;
  teTrailers: boolean;
};

/** Codes of the fields that a proxy has to know. */
export const FIELD = {
  other: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  keepAlive: 5,
  proxyConnection: 6,
  te: 7,
  trailer: 8,
  upgrade: 9,
  expect: 10,
  http2Settings: 11,
  proxyAuthenticate: 12,
  proxyAuthorization: 13,
  proxyAuthenticationInfo: 14,
  via: 15,
  xForwardedFor: 16,
  xForwardedProto: 17,
  xForwardedHost: 18,
  xForwardedPort: 19,
  xRealIp: 20,
  forwarded: 21,
  maxForwards: 22,
  date: 23,
  cookie: 24,
  /** Says with which certificate a client came: of strangers it is a lie. */
  clientCert: 25,
  traceparent: 26,
  tracestate: 27,
  xRequestId: 28,
} as const;

const KNOWN: readonly (readonly [string, number])[] = [
  ['host', FIELD.host],
  ['content-length', FIELD.contentLength],
  ['transfer-encoding', FIELD.transferEncoding],
  ['connection', FIELD.connection],
  ['keep-alive', FIELD.keepAlive],
  ['proxy-connection', FIELD.proxyConnection],
  ['te', FIELD.te],
  ['trailer', FIELD.trailer],
  ['upgrade', FIELD.upgrade],
  ['expect', FIELD.expect],
  ['http2-settings', FIELD.http2Settings],
  ['proxy-authenticate', FIELD.proxyAuthenticate],
  ['proxy-authorization', FIELD.proxyAuthorization],
  ['proxy-authentication-info', FIELD.proxyAuthenticationInfo],
  ['via', FIELD.via],
  ['x-forwarded-for', FIELD.xForwardedFor],
  ['x-forwarded-proto', FIELD.xForwardedProto],
  ['x-forwarded-host', FIELD.xForwardedHost],
  ['x-forwarded-port', FIELD.xForwardedPort],
  ['x-real-ip', FIELD.xRealIp],
  ['forwarded', FIELD.forwarded],
  ['max-forwards', FIELD.maxForwards],
  ['date', FIELD.date],
  ['cookie', FIELD.cookie],
  ['traceparent', FIELD.traceparent],
  ['tracestate', FIELD.tracestate],
  ['x-request-id', FIELD.xRequestId],
  // RFC 9440 section 2.4, and the names from before it.
  ['client-cert', FIELD.clientCert],
  ['client-cert-chain', FIELD.clientCert],
  ['x-client-cert', FIELD.clientCert],
  ['x-forwarded-client-cert', FIELD.clientCert],
];

/** Never forwarded, whatever Connection says (RFC 9110 section 7.6.1). */
const HOP_BY_HOP: Uint8Array = codeSet([
  FIELD.connection,
  FIELD.keepAlive,
  FIELD.proxyConnection,
  FIELD.te,
  FIELD.transferEncoding,
  FIELD.upgrade,
  FIELD.http2Settings,
  FIELD.proxyAuthenticate,
  FIELD.proxyAuthorization,
  FIELD.proxyAuthenticationInfo,
]);

/** Names that filters may not touch and trailers may not carry: framing, routing, hop-by-hop. */
export function isReservedFieldName(lowerName: string): boolean {
  const name = bytesOf(lowerName);
  const code = fieldCode(name, 0, name.length);
  return HOP_BY_HOP[code] === 1 || code === FIELD.contentLength || code === FIELD.host;
}

export function createFields(): Fields {
  return {
    count: 0,
    end: 0,
    spans: new Uint32Array(4 * FIELDS_MAX),
    codes: new Uint8Array(FIELDS_MAX),
    dropped: new Uint8Array(FIELDS_MAX),
  };
}

/**
 * Parses field lines from `start` on up to the first empty line, which must lie before `end`.
 * @returns undefined when every line is exactly what RFC 9112 section 5 allows
 */
export function parseFields(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: Fields,
): HeadProblem | undefined {
  fields.count = 0;
  let at = start;
  while (at < end && bytes[at] !== CR) {
    if (fields.count === FIELDS_MAX) return TOO_MANY_FIELDS;
    const nameStart = at;
    let kinds = 0;
    for (; at < end; at++) {
      const kind = IN_NAME[bytes[at]!]!;
      if (kind === 0) break;
      kinds |= kind;
    }
    if (at === nameStart) return isBlank(bytes[at]) ? FOLDED_LINE : BAD_FIELD_NAME;
    if (bytes[at] !== COLON) return isBlank(bytes[at]) ? BLANK_BEFORE_COLON : BAD_FIELD_NAME;
    const nameEnd = at++;
    while (isBlank(bytes[at])) at++;
    const valueStart = at;
    at = endOfValue(bytes, at, end);
    if (bytes[at] !== CR || bytes[at + 1] !== LF) return BAD_FIELD_VALUE;
    let valueEnd = at;
    while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1])) valueEnd--;
    at += 2;
    storeField(bytes, fields, nameStart, nameEnd, valueStart, valueEnd);
    // CGI-like servers read X_Forwarded_For as X-Forwarded-For: an underscore could forge a header.
    if (kinds >= UNDERSCORED) fields.dropped[fields.count - 1] = 1;
  }
  fields.end = at;
  return at + 2 <= end && bytes[at + 1] === LF ? undefined : BAD_FIELD_NAME;
}

/**
 * Reads Content-Length, Transfer-Encoding and Connection, and marks the fields that Connection
 * nominates. Content-Length beside Transfer-Encoding is left to the caller: a request is refused, a
 * response may go on without its length (RFC 9112 section 6.3).
 */
export function readFraming(
  bytes: Uint8Array,
  fields: Fields,
  framing: Framing,
): HeadProblem | undefined {
  framing.contentLength = -1;
  framing.chunked = false;
  framing.close = false;
  framing.keepAlive = false;
  framing.upgrade = false;
  framing.teTrailers = false;
  let options = 0;
  for (let index = 0; index < fields.count; index++) {
    const code = fields.codes[index]!;
    if (code === FIELD.other) continue;
    const from = fields.spans[4 * index + 2]!;
    const to = fields.spans[4 * index + 3]!;
    let problem: HeadProblem | undefined;
    if (code === FIELD.contentLength) problem = readContentLength(bytes, from, to, framing);
    else if (code === FIELD.transferEncoding) problem = readCodings(bytes, from, to, framing);
    else if (code === FIELD.te) framing.teTrailers ||= listHas(bytes, from, to, TRAILERS);
    else if (code === FIELD.connection) {
      options = readOptions(bytes, from, to, fields, framing, options);
      if (options > CONNECTION_OPTIONS_MAX) problem = TOO_MANY_OPTIONS;
      else if (options < 0) problem = BAD_CONNECTION;
    }
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** The index of the only field with this code; -1 when there is none, -2 when there are several. */
export function onlyField(fields: Fields, code: number): number {
  let found = -1;
  for (let index = 0; index < fields.count; index++) {
    if (fields.codes[index] !== code) continue;
    if (found >= 0) return -2;
    found = index;
  }
  return found;
}

/** The code of a field name, `FIELD.other` for all that a proxy need not know. */
export function fieldCode(bytes: Uint8Array, start: number, end: number): number {
  const candidates = KNOWN_BY_LENGTH[end - start];
  if (candidates === undefined) return FIELD.other;
  for (const candidate of candidates) {
    if (equalsIgnoringCase(bytes, start, end, candidate.name)) return candidate.code;
  }
  return FIELD.other;
}

function storeField(
  bytes: Uint8Array,
  fields: Fields,
  nameStart: number,
  nameEnd: number,
  valueStart: number,
  valueEnd: number,
): void {
  const index = fields.count++;
  const code = fieldCode(bytes, nameStart, nameEnd);
  fields.spans[4 * index] = nameStart;
  fields.spans[4 * index + 1] = nameEnd;
  fields.spans[4 * index + 2] = valueStart;
  fields.spans[4 * index + 3] = valueEnd;
  fields.codes[index] = code;
  fields.dropped[index] = HOP_BY_HOP[code]!;
}

/** RFC 9112 section 6.3 rule 5: a list of equal values is one value, anything else is refused. */
function readContentLength(
  bytes: Uint8Array,
  from: number,
  to: number,
  framing: Framing,
): HeadProblem | undefined {
  let at = from;
  for (;;) {
    let value = 0;
    const digits = at;
    while (at < to && isDigit(bytes[at])) value = value * 10 + bytes[at++]! - 0x30;
    if (at === digits || !Number.isSafeInteger(value)) return BAD_CONTENT_LENGTH;
    if (framing.contentLength >= 0 && framing.contentLength !== value) return BAD_CONTENT_LENGTH;
    framing.contentLength = value;
    while (at < to && isBlank(bytes[at])) at++;
    if (at === to) return undefined;
    if (bytes[at++] !== COMMA) return BAD_CONTENT_LENGTH;
    while (at < to && isBlank(bytes[at])) at++;
  }
}

/** The only coding that is understood is `chunked`, exactly once (RFC 9112 section 6.1). */
function readCodings(
  bytes: Uint8Array,
  from: number,
  to: number,
  framing: Framing,
): HeadProblem | undefined {
  let at = from;
  for (;;) {
    const start = at;
    while (at < to && TOKEN[bytes[at]!] === 1) at++;
    if (at === start || framing.chunked) return BAD_TRANSFER_ENCODING;
    if (!equalsIgnoringCase(bytes, start, at, CHUNKED)) return UNKNOWN_CODING;
    framing.chunked = true;
    while (at < to && isBlank(bytes[at])) at++;
    if (at === to) return undefined;
    if (bytes[at++] !== COMMA) return BAD_TRANSFER_ENCODING;
    while (at < to && isBlank(bytes[at])) at++;
  }
}

/** Whether a list has this member, without parameters (RFC 9110 section 5.6.1). */
function listHas(bytes: Uint8Array, from: number, to: number, wanted: Uint8Array): boolean {
  let at = from;
  while (at < to) {
    let end = at;
    while (end < to && bytes[end] !== COMMA) end++;
    let last = end;
    while (at < last && isBlank(bytes[at])) at++;
    while (last > at && isBlank(bytes[last - 1])) last--;
    if (equalsIgnoringCase(bytes, at, last, wanted)) return true;
    at = end + 1;
  }
  return false;
}

/** @returns options seen so far, or -1 for a list that is not one or nominates framing fields */
function readOptions(
  bytes: Uint8Array,
  from: number,
  to: number,
  fields: Fields,
  framing: Framing,
  seen: number,
): number {
  let at = from;
  while (at < to) {
    const start = at;
    while (at < to && TOKEN[bytes[at]!] === 1) at++;
    const end = at;
    while (at < to && isBlank(bytes[at])) at++;
    if (at < to && bytes[at] !== COMMA) return -1;
    at++;
    while (at < to && isBlank(bytes[at])) at++;
    if (end === start) continue;
    if (++seen > CONNECTION_OPTIONS_MAX) return seen;
    if (!applyOption(bytes, start, end, fields, framing)) return -1;
  }
  return seen;
}

function applyOption(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: Fields,
  framing: Framing,
): boolean {
  if (equalsIgnoringCase(bytes, start, end, CLOSE)) framing.close = true;
  else if (equalsIgnoringCase(bytes, start, end, KEEP_ALIVE)) {
    framing.keepAlive = true;
    // The only field that it nominates never travels on.
    return true;
  } else if (equalsIgnoringCase(bytes, start, end, UPGRADE)) framing.upgrade = true;
  const code = fieldCode(bytes, start, end);
  // These are for every recipient; removing them would change what the next hop understands.
  if (code === FIELD.host || code === FIELD.contentLength) return false;
  for (let index = 0; index < fields.count; index++) {
    const nameStart = fields.spans[4 * index]!;
    const nameEnd = fields.spans[4 * index + 1]!;
    if (rangesEqualIgnoringCase(bytes, nameStart, nameEnd, start, end)) fields.dropped[index] = 1;
  }
  return true;
}

function codeSet(codes: readonly number[]): Uint8Array {
  const set = new Uint8Array(256);
  for (const code of codes) set[code] = 1;
  return set;
}

const UNDERSCORED = 2;
/** 0: not in the name of a field. */
const IN_NAME: Uint8Array = TOKEN.with(0x5f, UNDERSCORED);
const CHUNKED = bytesOf('chunked');
const CLOSE = bytesOf('close');
const KEEP_ALIVE = bytesOf('keep-alive');
const UPGRADE = bytesOf('upgrade');
const TRAILERS = bytesOf('trailers');

type KnownField = { readonly name: Uint8Array; readonly code: number };
const KNOWN_BY_LENGTH: readonly (readonly KnownField[] | undefined)[] = Array.from(
  { length: 32 },
  (_, length) => {
    const known = KNOWN.filter(([name]) => name.length === length);
    return known.length === 0
      ? undefined
      : known.map(([name, code]) => ({ name: bytesOf(name), code }));
  },
);

const TOO_MANY_FIELDS: HeadProblem = { status: 431, reason: 'too many header fields' };
const FOLDED_LINE: HeadProblem = { status: 400, reason: 'folded header line' };
const BAD_FIELD_NAME: HeadProblem = { status: 400, reason: 'invalid header name' };
const BLANK_BEFORE_COLON: HeadProblem = { status: 400, reason: 'blank before a colon' };
const BAD_FIELD_VALUE: HeadProblem = { status: 400, reason: 'invalid octet in a header value' };
const TOO_MANY_OPTIONS: HeadProblem = { status: 400, reason: 'too many Connection options' };
const BAD_CONNECTION: HeadProblem = { status: 400, reason: 'invalid Connection' };
const BAD_CONTENT_LENGTH: HeadProblem = { status: 400, reason: 'invalid Content-Length' };
const BAD_TRANSFER_ENCODING: HeadProblem = { status: 400, reason: 'invalid Transfer-Encoding' };
const UNKNOWN_CODING: HeadProblem = { status: 501, reason: 'unknown transfer coding' };
