import { bytesOf } from '../http/ascii.ts';
import { putBytes, putChunkSize, putLineEnd } from '../http/byte-sink.ts';
import {
  createChunkedDecoder,
  decodeChunked,
  isChunkedDone,
  isChunkedInvalid,
} from '../http/chunked.ts';
import { FIELD } from '../http/fields.ts';
import type { ResponseHead } from '../http/head.ts';
import {
  findHeadEnd,
  HEAD_BYTES_MAX,
  HEAD_INCOMPLETE,
  HEAD_MALFORMED,
  parseResponseHead,
} from '../http/head.ts';
import { OUTCOME, outcomeOfStatus } from '../resilience/outlier.ts';
import type { RetryFailure } from '../resilience/retry-rules.ts';
import { noteEnd, noteFirstByte } from './access-log.ts';
import { beginTunnel, endAttempt, retry, sparedMs, waitedSince } from './attempt.ts';
import { giveCookie } from './cookie-affinity.ts';
import { SERVER_COUNTER } from './counters.ts';
import type { FieldEdits } from './field-edits.ts';
import { filterResponse } from './filtering.ts';
import { concludeHedging } from './hedge.ts';
import { fillInbox, inboxLength, takeFromInbox } from './inbox.ts';
import { passToClient } from './outgoing.ts';
import { httpDate, replyWithProblem } from './reply.ts';
import { countAnswer } from './request-counts.ts';
import {
  fieldText,
  hasField,
  listMembers,
  nominatedNames,
  putInterimHead,
  putLastChunk,
  putResponseHead,
} from './rewrite.ts';
import type { BodyMode, Exchange, Session } from './session.ts';
import { countStatus, cutClient, dropConnection, leaveExchange, mayKeepClient } from './session.ts';
import { learnHome } from './table-affinity.ts';
import { endAwaiting } from './upstream.ts';
import { learnAnnouncement, releaseConnection } from './upstream-connection.ts';

/** The server's half of an exchange: its answer is judged as strictly as requests, then sent on. */

/** Interim responses that one request may draw; more is a server gone mad. */
const INTERIM_RESPONSES_MAX = 32;

/** Takes what came from the server. */
export function readResponse(
  session: Session,
  exchange: Exchange,
  bytes: Uint8Array,
  nowMs: number,
): void {
  const { connection, responseInbox } = exchange;
  if (connection === undefined) return;
  exchange.responseSeen = true;
  noteFirstByte(session, nowMs);
  exchange.upstreamMs = nowMs;
  session.runtime.counters[connection.server.counterBase + SERVER_COUNTER.bytesIn]! += bytes.length;
  if (inboxLength(responseInbox) === 0) {
    const used = readFrom(session, exchange, bytes, 0, bytes.length, nowMs);
    if (used < bytes.length) fillInbox(responseInbox, bytes, used, bytes.length);
    return;
  }
  fillInbox(responseInbox, bytes, 0, bytes.length);
  const { start, end } = responseInbox;
  const used = readFrom(session, exchange, responseInbox.bytes, start, end, nowMs);
  takeFromInbox(responseInbox, used - start);
}

/** The server has finished its direction, or the connection is gone (`problem` then says why). */
export function endResponse(
  session: Session,
  exchange: Exchange,
  problem: string,
  nowMs: number,
): void {
  if (exchange.responseStarted && exchange.responseMode === 'close' && problem === '') {
    exchange.upstreamReusable = false;
    finishResponse(session, exchange, nowMs);
    return;
  }
  failResponse(session, exchange, 'closed', 502, 'the server closed the connection', nowMs);
}

/**
 * The server has failed. Before the response has begun another attempt or a reply is possible; after,
 * the client must see a broken response: its connection is cut, so that nothing looks complete.
 */
export function failResponse(
  session: Session,
  exchange: Exchange,
  failure: RetryFailure,
  status: number,
  reason: string,
  nowMs: number,
): void {
  if (exchange.responseStarted) {
    noteEnd(session, status === 504 ? 'response-timeout' : 'server-closed');
    endAttempt(session, exchange, OUTCOME.local, nowMs, failure);
    cutClient(session);
    return;
  }
  const goesOn = retry(session, exchange, failure, undefined, nowMs);
  if (!goesOn) replyWithProblem(session, status, reason, nowMs);
}

function readFrom(
  session: Session,
  exchange: Exchange,
  bytes: Uint8Array,
  from: number,
  to: number,
  nowMs: number,
): number {
  const { connection } = exchange;
  let at = from;
  while (at < to && !exchange.responseDone) {
    if (exchange.responseStarted) at = readBody(session, exchange, bytes, at, to, nowMs);
    else {
      const next = readHead(session, exchange, bytes, at, to, nowMs);
      if (next < 0) return at;
      at = next;
    }
    // A failure, a retry or an upgrade has changed what the bytes are.
    if (session.exchange !== exchange || session.phase !== 'exchange') break;
    if (exchange.connection !== connection) break;
  }
  if (session.phase === 'tunnel') {
    putBytes(session.runtime.toClient, bytes, at, to);
    return to;
  }
  if (exchange.responseDone && session.exchange === exchange && session.phase === 'exchange') {
    // Bytes after the end answer nothing that was asked.
    if (at < to) exchange.upstreamReusable = false;
    finishResponse(session, exchange, nowMs);
  }
  return to;
}

/** @returns the offset after the head, or -1 when more is needed */
function readHead(
  session: Session,
  exchange: Exchange,
  bytes: Uint8Array,
  start: number,
  end: number,
  nowMs: number,
): number {
  const headEnd = findHeadEnd(bytes, start, end, exchange.responseScanned);
  if (headEnd === HEAD_INCOMPLETE && end - start <= HEAD_BYTES_MAX) {
    exchange.responseScanned = end - start;
    return -1;
  }
  exchange.responseScanned = 0;
  const head = session.runtime.responseHead;
  const invalid =
    headEnd === HEAD_MALFORMED ||
    headEnd === HEAD_INCOMPLETE ||
    headEnd - start > HEAD_BYTES_MAX ||
    parseResponseHead(bytes, start, headEnd, head) !== undefined;
  if (invalid) {
    failResponse(session, exchange, 'closed', 502, 'the server sent an invalid response', nowMs);
    return end;
  }
  if (isRetriedStatus(exchange, head) && retry(session, exchange, 'status', head, nowMs))
    return end;
  if (head.status >= 200) startResponse(session, exchange, head, nowMs);
  else if (head.status === 101) switchProtocols(session, exchange, head, nowMs);
  else if (++exchange.interimResponses > INTERIM_RESPONSES_MAX) {
    failResponse(session, exchange, 'closed', 502, 'too many interim responses', nowMs);
    return end;
  } else if (exchange.minor === 1) putInterimHead(session.runtime.toClient, head, '', undefined);
  return headEnd;
}

function isRetriedStatus({ upstream }: Exchange, { status }: ResponseHead): boolean {
  return status >= 400 && upstream?.retryRules.statuses.has(status) === true;
}

function startResponse(
  session: Session,
  exchange: Exchange,
  head: ResponseHead,
  nowMs: number,
): void {
  const { runtime } = session;
  const mode = bodyMode(exchange, head);
  exchange.status = head.status;
  if (head.status >= 429) exchange.retryAfterMs = sparedMs(head, nowMs);
  exchange.responseStarted = true;
  if (exchange.lane !== undefined) concludeHedging(session, exchange, head.status, nowMs);
  exchange.answerMs = nowMs - waitedSince(exchange);
  const { server } = exchange;
  if (server) countAnswer(session, server, head.status, exchange.answerMs);
  if (server && exchange.requestDone) endAwaiting(server, waitedSince(exchange));
  exchange.responseMode = mode;
  exchange.responseRemaining = Math.max(0, head.contentLength);
  exchange.responseDone = mode === 'none' || (mode === 'length' && head.contentLength === 0);
  const persistent = head.minor === 1 ? !head.close : head.keepAlive && !head.close;
  exchange.upstreamReusable = persistent && !head.ambiguous && mode !== 'close';
  const unbounded = mode === 'chunked' || mode === 'close';
  exchange.chunkedToClient = unbounded && exchange.minor === 1;
  exchange.isEvents = unbounded && isEventStream(head);
  // An HTTP/1.0 client knows the end of such a body only by the end of the connection.
  exchange.closeAfter = !mayKeepClient(session, exchange) || (unbounded && exchange.minor === 0);
  if (hasField(head.fields, FIELD.connection) && mode === 'chunked') {
    exchange.responseNominated = nominatedNames(head.bytes, head.fields);
  }
  if (hasField(head.fields, FIELD.keepAlive) && exchange.server) {
    learnAnnouncement(exchange.server, announcedTimeoutMs(head));
  }
  const edits = addCookie(exchange, head, filterResponse(exchange, head), nowMs);
  const date = httpDate(runtime, nowMs);
  putResponseHead(runtime.toClient, session, exchange, head, edits, date);
  countStatus(session, head.status);
}

/** The client is told its server, where cookies do that and it does not know yet; a table learns from a cookie. */
function addCookie(
  { hold, isAway, server, upstream }: Exchange,
  head: ResponseHead,
  edits: FieldEdits | undefined,
  nowMs: number,
): FieldEdits | undefined {
  if (upstream?.sessions?.learntFrom !== undefined && server !== undefined) {
    learnHome(upstream.sessions, server, head, nowMs);
  }
  const cookie = upstream?.cookie;
  if (cookie === undefined || hold === undefined || server === undefined) return edits;
  // Where another one answers this once, the client stays with its own.
  if (isAway) return edits;
  return giveCookie(cookie, hold, server, head, edits, nowMs);
}

/** The HTML standard, section 9.2: servers may say nothing for as long as nothing happens. */
function isEventStream({ bytes, fields }: ResponseHead): boolean {
  const type = fieldText(bytes, fields, CONTENT_TYPE);
  return type !== undefined && EVENT_STREAM.test(type);
}

const CONTENT_TYPE = bytesOf('content-type');
const EVENT_STREAM = /^text\/event-stream(?![^\t ;])/i;

/** RFC 9112 section 6.3. */
function bodyMode(exchange: Exchange, head: ResponseHead): BodyMode {
  if (exchange.method === 'HEAD' || head.status === 204 || head.status === 304) return 'none';
  if (head.chunked) return 'chunked';
  return head.contentLength >= 0 ? 'length' : 'close';
}

function readBody(
  session: Session,
  exchange: Exchange,
  bytes: Uint8Array,
  from: number,
  to: number,
  nowMs: number,
): number {
  if (exchange.responseMode === 'chunked') {
    return readChunks(session, exchange, bytes, from, to, nowMs);
  }
  const isLength = exchange.responseMode === 'length';
  const length = isLength ? Math.min(exchange.responseRemaining, to - from) : to - from;
  passBody(session, exchange, bytes, from, from + length, nowMs);
  exchange.responseRemaining -= length;
  exchange.responseDone = isLength && exchange.responseRemaining === 0;
  return from + length;
}

function readChunks(
  session: Session,
  exchange: Exchange,
  bytes: Uint8Array,
  from: number,
  to: number,
  nowMs: number,
): number {
  const decoder = exchange.responseDecoder ?? createChunkedDecoder();
  exchange.responseDecoder = decoder;
  let at = from;
  while (at < to && !isChunkedDone(decoder) && !isChunkedInvalid(decoder)) {
    at = decodeChunked(decoder, bytes, at, to);
    if (decoder.dataEnd === decoder.dataStart) continue;
    passBody(session, exchange, bytes, decoder.dataStart, decoder.dataEnd, nowMs);
  }
  exchange.responseDone = isChunkedDone(decoder);
  if (isChunkedInvalid(decoder)) {
    noteEnd(session, 'server-closed');
    endAttempt(session, exchange, OUTCOME.local, exchange.upstreamMs);
    cutClient(session);
  }
  return at;
}

/** Part of the body, as a chunk where the client gets it in chunks. */
function passBody(
  session: Session,
  { chunkedToClient }: Exchange,
  bytes: Uint8Array,
  from: number,
  to: number,
  nowMs: number,
): void {
  const { toClient } = session.runtime;
  if (chunkedToClient) putChunkSize(toClient, to - from);
  passToClient(session, bytes, from, to, nowMs);
  if (chunkedToClient) putLineEnd(toClient);
}

/** The response is complete: settle accounts, give the connection back, go on with the client. */
function finishResponse(session: Session, exchange: Exchange, nowMs: number): void {
  if (exchange.chunkedToClient && !putEnd(session, exchange)) {
    noteEnd(session, 'server-closed');
    endAttempt(session, exchange, OUTCOME.local, nowMs);
    cutClient(session);
    return;
  }
  endAttempt(session, exchange, outcomeOfStatus(exchange.status), nowMs);
  const { connection } = exchange;
  if (connection && exchange.upstreamReusable && exchange.requestDone) {
    exchange.connection = undefined;
    releaseConnection(connection, nowMs);
  } else dropConnection(session);
  leaveExchange(session, !exchange.closeAfter && exchange.requestDone, nowMs);
}

function putEnd(session: Session, exchange: Exchange): boolean {
  const decoder = exchange.responseDecoder;
  const length = decoder?.trailerBytes ?? 0;
  return putLastChunk(
    session.runtime.toClient,
    decoder?.trailers ?? NO_BYTES,
    length,
    exchange.responseNominated,
  );
}

/** 101: from here on both sides speak something else, if it is what the client asked for. */
function switchProtocols(
  session: Session,
  exchange: Exchange,
  head: ResponseHead,
  nowMs: number,
): void {
  const chosen = listMembers(head.bytes, head.fields, FIELD.upgrade);
  const asked =
    chosen.length > 0 && chosen.every((protocol) => exchange.upgrade.includes(protocol));
  if (!asked || !head.upgrade) {
    failResponse(session, exchange, 'closed', 502, 'the server switched protocols unasked', nowMs);
    return;
  }
  const edits = addCookie(exchange, head, undefined, nowMs);
  putInterimHead(session.runtime.toClient, head, chosen.join(', '), edits);
  countStatus(session, 101);
  if (exchange.server) countAnswer(session, exchange.server, 101, nowMs - waitedSince(exchange));
  beginTunnel(session, exchange, nowMs);
  exchange.responseStarted = true;
  exchange.status = 101;
  session.phase = 'tunnel';
}

/** The `timeout` parameter of Keep-Alive, which most servers send; 0 when there is none. */
function announcedTimeoutMs(head: ResponseHead): number {
  for (const member of listMembers(head.bytes, head.fields, FIELD.keepAlive)) {
    const seconds = /^timeout=(\d{1,6})$/.exec(member)?.[1];
    if (seconds !== undefined) return Number(seconds) * 1000;
  }
  return 0;
}

const NO_BYTES = new Uint8Array(0);
