import { bytesOf, COMMA, equalsIgnoringCase, textOf } from '../http/ascii.ts';
import type { ByteSink } from '../http/byte-sink.ts';
import { putAll, putBytes, putDecimal, putLineEnd, putText } from '../http/byte-sink.ts';
import type { Fields } from '../http/fields.ts';
import { createFields, FIELD, parseFields } from '../http/fields.ts';
import { claimsIdentity } from '../http/forwarded.ts';
import type { RequestHead, ResponseHead } from '../http/head.ts';
import type { FieldEdits } from './field-edits.ts';
import { putFields } from './field-edits.ts';
import type { Exchange, Session } from './session.ts';
import { judgeTrace, putTrace } from './trace.ts';
import { putClaims } from './trust.ts';

/**
 * Heads on their way out. The order matters: first what must not travel on is left behind (hop by
 * hop, nominated by Connection, claims about the client), then filters' edits apply, and last comes
 * what the balancer itself says, which nothing before can strip or double.
 */

/** Puts the head as the server gets it (RFC 9110 section 7.6, RFC 9112 section 3.2.2). */
export function putRequestHead(
  sink: ByteSink,
  session: Session,
  exchange: Exchange,
  head: RequestHead,
  edits: FieldEdits | undefined,
  target: string | undefined,
): void {
  const { bytes, fields } = head;
  putText(sink, head.method);
  putAll(sink, BLANK);
  putTarget(sink, head, target);
  putAll(sink, VERSION_HOST);
  const { address, port, trace } = session.listener;
  const hasHost = head.hostEnd > head.hostStart;
  if (edits?.host !== undefined) putText(sink, edits.host);
  else if (hasHost) putBytes(sink, bytes, head.hostStart, head.hostEnd);
  else putText(sink, address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`);
  putLineEnd(sink);
  // Judged before anything of it is passed on (request.ts).
  const facts = session.facts!;
  const skipped = facts.isTrusted ? NOT_OF_PROXIES : NOT_OF_STRANGERS;
  const { draw, traceIds } = session.runtime;
  judgeTrace(trace, head, traceIds);
  putFields(sink, bytes, fields, skipped, edits);
  putTrace(sink, trace, traceIds, edits, draw);
  putClaims(sink, facts, head);
  putVia(sink, head.minor, session);
  putRequestFraming(sink, exchange, head);
}

function putVia(sink: ByteSink, minor: number, { listener, runtime }: Session): void {
  if (!listener.trust.sends.via) return;
  putAll(sink, minor === 1 ? runtime.viaLines[1] : runtime.viaLines[0]);
}

/** What filters call the target: origin-form, as received. */
export function originTarget(head: RequestHead): string {
  const path = textOf(head.bytes, head.target.pathStart, head.targetEnd);
  if (head.target.form === 'asterisk') return '*';
  if (head.target.form === 'absolute' && path === '' && head.method === 'OPTIONS') return '*';
  return path.startsWith('/') ? path : `/${path}`;
}

/** Puts the final response's head as the client gets it. */
export function putResponseHead(
  sink: ByteSink,
  session: Session,
  exchange: Exchange,
  head: ResponseHead,
  edits: FieldEdits | undefined,
  date: string,
): void {
  putStatusLine(sink, head);
  putFields(sink, head.bytes, head.fields, NOT_IN_RESPONSES, edits);
  if (!hasField(head.fields, FIELD.date)) putText(sink, `Date: ${date}\r\n`);
  putVia(sink, head.minor, session);
  const describesChunked = head.chunked && exchange.method === 'HEAD' && exchange.minor === 1;
  if (exchange.chunkedToClient || describesChunked) putText(sink, 'Transfer-Encoding: chunked\r\n');
  else if (head.contentLength >= 0 && head.status !== 204) {
    putLength(sink, head.contentLength);
  }
  if (exchange.closeAfter) putText(sink, 'Connection: close\r\n');
  else if (exchange.minor === 0) putText(sink, 'Connection: keep-alive\r\n');
  putLineEnd(sink);
}

function putLength(sink: ByteSink, length: number): void {
  putAll(sink, CONTENT_LENGTH);
  putDecimal(sink, length);
  putLineEnd(sink);
}

/** Puts an interim response; `upgrade` is the protocol switched to, empty unless it is a 101. */
export function putInterimHead(
  sink: ByteSink,
  head: ResponseHead,
  upgrade: string,
  edits: FieldEdits | undefined,
): void {
  putStatusLine(sink, head);
  putFields(sink, head.bytes, head.fields, NOT_IN_RESPONSES, edits);
  if (upgrade !== '') putText(sink, `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`);
  putLineEnd(sink);
}

/**
 * Puts the end of a chunked body: the last chunk and the trailers that may travel on.
 * @returns false when the trailer section is malformed; nothing has been put then
 */
export function putLastChunk(
  sink: ByteSink,
  trailers: Uint8Array,
  length: number,
  nominated: readonly string[],
): boolean {
  const fields = length > 2 ? createFields() : undefined;
  if (fields) {
    if (parseFields(trailers, 0, length, fields) !== undefined) return false;
    for (let index = 0; index < fields.count; index++) {
      const start = fields.spans[4 * index]!;
      const name = textOf(trailers, start, fields.spans[4 * index + 1]!).toLowerCase();
      // RFC 9110 section 6.5.1: nothing that decides on framing, routing or identity comes late.
      const isPlain = fields.codes[index] === FIELD.other && !nominated.includes(name);
      if (!isPlain) fields.dropped[index] = 1;
    }
  }
  putText(sink, '0\r\n');
  if (fields) putFields(sink, trailers, fields, NOTHING, undefined);
  putLineEnd(sink);
  return true;
}

/** The names that Connection nominates, lower case, for the trailers that come when the head is gone. */
export function nominatedNames(bytes: Uint8Array, fields: Fields): readonly string[] {
  const names: string[] = [];
  for (let index = 0; index < fields.count; index++) {
    if (fields.codes[index] !== FIELD.connection) continue;
    const value = textOf(bytes, fields.spans[4 * index + 2]!, fields.spans[4 * index + 3]!);
    for (const option of value.split(',')) names.push(option.trim().toLowerCase());
  }
  return names;
}

/** The value of the first field of this name that has no code. @param name lower case */
export function fieldText(bytes: Uint8Array, fields: Fields, name: Uint8Array): string | undefined {
  for (let index = 0; index < fields.count; index++) {
    const [start, end] = [fields.spans[4 * index]!, fields.spans[4 * index + 1]!];
    if (!equalsIgnoringCase(bytes, start, end, name)) continue;
    return textOf(bytes, fields.spans[4 * index + 2]!, fields.spans[4 * index + 3]!);
  }
  return undefined;
}

/** Every value of a list field as lower-case members. */
export function listMembers(bytes: Uint8Array, fields: Fields, code: number): readonly string[] {
  const members: string[] = [];
  for (let index = 0; index < fields.count; index++) {
    if (fields.codes[index] !== code) continue;
    let start = fields.spans[4 * index + 2]!;
    const end = fields.spans[4 * index + 3]!;
    for (let at = start; at <= end; at++) {
      if (at < end && bytes[at] !== COMMA) continue;
      const member = textOf(bytes, start, at).trim().toLowerCase();
      if (member !== '') members.push(member);
      start = at + 1;
    }
  }
  return members;
}

/** What Max-Forwards allows (RFC 9110 section 7.6.2), as far as this is counted; undefined when it says no number. */
export function hopsLeft({ bytes, fields }: RequestHead): number | undefined {
  const [hops = ''] = listMembers(bytes, fields, FIELD.maxForwards);
  return /^\d+$/.test(hops) ? Math.min(Number(hops), HOPS_MAX) : undefined;
}
const HOPS_MAX = 1_000_000_000;

function putTarget(sink: ByteSink, head: RequestHead, target: string | undefined): void {
  if (target !== undefined) putText(sink, target);
  else if (head.target.form === 'origin') {
    putBytes(sink, head.bytes, head.targetStart, head.targetEnd);
  } else putText(sink, originTarget(head));
}

function putRequestFraming(sink: ByteSink, exchange: Exchange, head: RequestHead): void {
  if (head.chunked) putText(sink, 'Transfer-Encoding: chunked\r\n');
  else if (head.contentLength >= 0) putLength(sink, head.contentLength);
  // HTTP/1.0 clients cannot mean it, and without a body there is nothing to wait for.
  const expects = hasField(head.fields, FIELD.expect) && head.minor === 1 && !exchange.requestDone;
  if (expects) putText(sink, 'Expect: 100-continue\r\n');
  if (exchange.upgrade.length > 0) {
    putText(sink, `Connection: Upgrade\r\nUpgrade: ${exchange.upgrade.join(', ')}\r\n`);
  } else if (head.teTrailers && head.minor === 1) {
    putText(sink, 'TE: trailers\r\nConnection: TE\r\n');
  }
  const hops = head.method === 'OPTIONS' ? hopsLeft(head) : undefined;
  if (hops !== undefined) putText(sink, `Max-Forwards: ${hops - 1}\r\n`);
  putLineEnd(sink);
}

function putStatusLine(sink: ByteSink, head: ResponseHead): void {
  putAll(sink, VERSION);
  putDecimal(sink, head.status);
  putAll(sink, BLANK);
  putBytes(sink, head.bytes, head.reasonStart, head.reasonEnd);
  putLineEnd(sink);
}

export function hasField(fields: Fields, code: number): boolean {
  for (let index = 0; index < fields.count; index++) {
    if (fields.codes[index] === code) return true;
  }
  return false;
}

/** Fields that the balancer writes itself. `putFields` never sees hop-by-hop ones. */
const NOT_OF_STRANGERS: Uint8Array = Uint8Array.from({ length: 256 }, (_, code) =>
  code === FIELD.host ||
  code === FIELD.contentLength ||
  code === FIELD.expect ||
  code === FIELD.maxForwards ||
  claimsIdentity(code)
    ? 1
    : 0,
);
/** A trusted proxy has judged the certificate, and may say so. */
const NOT_OF_PROXIES: Uint8Array = NOT_OF_STRANGERS.with(FIELD.clientCert, 0);
const NOT_IN_RESPONSES: Uint8Array = Uint8Array.from({ length: 256 }, (_, code) =>
  code === FIELD.contentLength ? 1 : 0,
);
const NOTHING = new Uint8Array(256);

const BLANK = bytesOf(' ');
const VERSION = bytesOf('HTTP/1.1 ');
const VERSION_HOST = bytesOf(' HTTP/1.1\r\nHost: ');
const CONTENT_LENGTH = bytesOf('Content-Length: ');
