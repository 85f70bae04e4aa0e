import type { FilterReply } from '../filter/filter.ts';
import { bytesOf } from '../http/ascii.ts';
import { putBytes, putText } from '../http/byte-sink.ts';
import { isReservedFieldName } from '../http/fields.ts';
import { noteReply } from './access-log.ts';
import { endAttempt } from './attempt.ts';
import { endHedging } from './hedge.ts';
import type { BalancerRuntime, Session } from './session.ts';
import {
  countStatus,
  dropConnection,
  leaveExchange,
  mayKeepClient,
  startLinger,
} from './session.ts';

/** Answers that the balancer gives itself: refusals, failures of servers, and filters' replies. */

/**
 * Answers the present request, or the bytes that were not one, with a line of text. The connection
 * is kept only when the request has been read to its end (RFC 9112 section 9.3).
 */
export function replyWithProblem(
  session: Session,
  status: number,
  reason: string,
  nowMs: number,
): void {
  const text = `${status} ${REASON_PHRASES[status] ?? 'Error'}: ${reason}\n`;
  const allow = status === 405 ? 'Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n' : '';
  putReply(session, status, `Content-Type: text/plain\r\n${allow}`, bytesOf(text), false, nowMs);
}

export function replyForFilter(session: Session, reply: FilterReply, nowMs: number): void {
  const fields = reply.fields
    .filter(([name]) => FIELD_NAME.test(name) && !isReservedFieldName(name.toLowerCase()))
    .map(([name, value]) => `${name}: ${value.replace(NOT_IN_A_VALUE, '?')}\r\n`);
  putReply(
    session,
    reply.status,
    fields.join(''),
    new TextEncoder().encode(reply.body),
    true,
    nowMs,
  );
}

/** @param fields complete lines */
function putReply(
  session: Session,
  status: number,
  fields: string,
  body: Uint8Array,
  isOfFilter: boolean,
  nowMs: number,
): void {
  const { runtime, exchange } = session;
  noteReply(session, status, isOfFilter, nowMs);
  const sink = runtime.toClient;
  const keep = exchange !== undefined && mayKeepClient(session, exchange);
  const connection = keep
    ? exchange.minor === 0
      ? 'Connection: keep-alive\r\n'
      : ''
    : 'Connection: close\r\n';
  const bodyless = status === 204 || status === 304;
  const length = bodyless ? '' : `Content-Length: ${body.length}\r\n`;
  putText(
    sink,
    `HTTP/1.1 ${status} ${REASON_PHRASES[status] ?? ''}\r\nDate: ${httpDate(runtime, nowMs)}\r\n`,
  );
  putText(sink, `${fields}${length}${connection}\r\n`);
  if (exchange?.method !== 'HEAD' && !bodyless) putBytes(sink, body, 0, body.length);
  countStatus(session, status);
  if (exchange === undefined) {
    startLinger(session, nowMs);
    return;
  }
  if (exchange.lane !== undefined) endHedging(session, exchange, nowMs);
  endAttempt(session, exchange, undefined, nowMs);
  dropConnection(session);
  leaveExchange(session, keep, nowMs);
}

/** RFC 9110 section 15. */
const REASON_PHRASES: Readonly<Record<number, string>> = {
  200: 'OK',
  204: 'No Content',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  414: 'URI Too Long',
  417: 'Expectation Failed',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
  508: 'Loop Detected',
};

const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NOT_IN_A_VALUE = /[^\t\x20-\x7e\x80-\xff]/g;

/** IMF-fixdate, made once a second. */
export function httpDate(runtime: BalancerRuntime, nowMs: number): string {
  const second = Math.floor(nowMs / 1000);
  if (second !== runtime.dateSecond) {
    runtime.dateSecond = second;
    runtime.dateText = new Date(second * 1000).toUTCString();
  }
  return runtime.dateText;
}
