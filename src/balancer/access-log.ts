import type { ByteSink } from '../http/byte-sink.ts';
import { createByteSink, putBytes, putDecimal, putText } from '../http/byte-sink.ts';
import type { RequestHead } from '../http/head.ts';
import {
  createLogClock,
  type EndReason,
  fieldIndex,
  type LogClock,
  putCommonTime,
  putIsoTime,
  putMember,
  putMemberBytes,
  putMsMember,
  putNumberMember,
  putOctets,
  putQuoted,
  REFERER,
  USER_AGENT,
} from './access-line.ts';
import { countEnd } from './request-counts.ts';
import type { Exchange, Session } from './session.ts';
import type { AccessLogSnapshot } from './snapshot.ts';

/**
 * The access log of one worker: a line for each request when it ends, gathered in one run of octets that
 * somebody fetches ten times a second. What there is no room for is dropped and counted: a slow disk
 * slows no request.
 */
export type AccessLog = {
  readonly settings: AccessLogSnapshot;
  readonly batch: ByteSink;
  readonly clock: LogClock;
  /** Since the batch was fetched. */
  lines: number;
  dropped: number;
  /** Memory of requests that have ended. */
  readonly spare: AccessEntry[];
};

/** A request under way, as far as its line is known. Times are 0 until they are. */
export type AccessEntry = {
  /** What is known from the head; of the combined format the part from `split` on comes after the status. */
  readonly head: ByteSink;
  split: number;
  /** The one that its head was written in. */
  format: AccessLogSnapshot['format'];
  isSampled: boolean;
  sinceMs: number;
  headMs: number;
  attemptMs: number;
  sentMs: number;
  firstByteMs: number;
  attempts: number;
  upstream: string;
  server: string;
};

/** Between two fetches. */
export const BATCH_BYTES_MAX = 4 * 1024 * 1024;
const SPARE_MAX = 1024;
const HEAD_BYTES = 512;

export function createAccessLog(
  settings: AccessLogSnapshot | undefined,
  former: AccessLog | undefined,
): AccessLog | undefined {
  if (settings === undefined) return undefined;
  if (former) return { ...former, settings };
  const batch = createByteSink(64 * 1024);
  return { settings, batch, clock: createLogClock(), lines: 0, dropped: 0, spare: [] };
}

export type LogBatch = {
  readonly bytes: Uint8Array;
  readonly lines: number;
  readonly dropped: number;
};

/** Undefined when there is nothing new. */
export function takeBatch(log: AccessLog): LogBatch | undefined {
  const { batch, dropped, lines } = log;
  if (lines + dropped === 0) return undefined;
  const bytes = batch.bytes.slice(0, batch.length);
  batch.length = log.lines = log.dropped = 0;
  return { bytes, lines, dropped };
}

/** A request's head was read: from here on it has a line. */
export function beginEntry(session: Session, head: RequestHead, nowMs: number): void {
  const { accessLog, draw } = session.runtime;
  if (accessLog === undefined) return;
  const entry = accessLog.spare.pop() ?? createEntry();
  const { format } = accessLog.settings;
  resetEntry(entry, session, nowMs);
  entry.isSampled = isDrawn(accessLog, draw);
  const address = session.facts?.address ?? session.client.remoteAddress;
  entry.format = format;
  session.entry = entry;
  if (format === 'json') putJsonHead(accessLog, entry.head, session, address, head, nowMs);
  else {
    putCommonStart(accessLog, entry.head, address, nowMs);
    putText(entry.head, ` "${head.method} `);
    putOctets(entry.head, head.bytes, head.targetStart, head.targetEnd, 'combined');
    putText(entry.head, ` HTTP/1.${head.minor}" `);
    entry.split = entry.head.length;
    for (const name of [REFERER, USER_AGENT]) {
      const at = fieldIndex(head, name);
      const { spans } = head.fields;
      putText(entry.head, ' ');
      putQuoted(
        entry.head,
        head.bytes,
        at < 0 ? 0 : spans[4 * at + 2]!,
        at < 0 ? 0 : spans[4 * at + 3]!,
      );
    }
  }
}

/** Something else to say of it, in JSON. */
export function noteText({ entry }: Session, name: string, text: string): void {
  if (entry?.format === 'json' && text !== '') putMember(entry.head, name, text);
}

export function noteAttempt({ entry }: Session, exchange: Exchange, nowMs: number): void {
  if (entry === undefined) return;
  entry.attempts += 1;
  entry.attemptMs = nowMs;
  entry.sentMs = entry.firstByteMs = 0;
  entry.upstream = exchange.upstream?.settings.name ?? '';
  entry.server = exchange.server?.name ?? '';
}

/** Another attempt is the one that is waited for. @param known of it so far; 0 = it is not sent, or not answered */
export function noteFront(
  { entry }: Session,
  exchange: Exchange,
  known: Pick<AccessEntry, 'sentMs' | 'firstByteMs'>,
): void {
  if (entry === undefined) return;
  entry.attemptMs = exchange.attemptMs;
  entry.sentMs = known.sentMs;
  entry.firstByteMs = known.firstByteMs;
  entry.server = exchange.server?.name ?? '';
}

export function noteSent({ entry }: Session, nowMs: number): void {
  if (entry) entry.sentMs = nowMs;
}

export function noteFirstByte({ entry }: Session, nowMs: number): void {
  if (entry && entry.firstByteMs === 0) entry.firstByteMs = nowMs;
}

/** The first reason stands: what follows, follows from it. */
export function noteEnd({ exchange }: Session, reason: EndReason): void {
  if (exchange) exchange.end ??= reason;
}

/** The balancer answers itself; why, its phase and the status say. Without a request it is a line at once. */
export function noteReply(
  session: Session,
  status: number,
  isOfFilter: boolean,
  nowMs: number,
): void {
  const { accessLog } = session.runtime;
  const reason = isOfFilter ? 'filter-answered' : reasonOfReply(session.phase, status);
  if (session.exchange === undefined) {
    countEnd(session.runtime.counters, session.listener, reason);
    if (accessLog) writeRefusal(accessLog, session, status, reason, nowMs);
    return;
  }
  session.exchange.status = status;
  noteEnd(session, reason);
}

/** The request is over: its line is written, if it is to be. */
export function endEntry(
  session: Session,
  entry: AccessEntry,
  exchange: Exchange,
  reason: EndReason,
  bytesOut: number,
  nowMs: number,
): void {
  const { accessLog } = session.runtime;
  session.entry = undefined;
  if (accessLog === undefined) return;
  if ((entry.isSampled || isError(exchange.status, reason)) && hasRoom(accessLog)) {
    const { batch } = accessLog;
    if (entry.format === 'json') putJsonEnd(batch, entry, exchange, reason, bytesOut, nowMs);
    else putCommonEnd(batch, entry, exchange.status, bytesOut);
  }
  if (accessLog.spare.length < SPARE_MAX && entry.head.bytes.length <= 8 * HEAD_BYTES) {
    accessLog.spare.push(entry);
  }
}

/** A flow of layer 4 that has ended. */
export type FlowEnd = {
  readonly protocol: 'tcp' | 'udp';
  readonly listener: string;
  readonly client: string;
  readonly serverName: string;
  readonly upstream: string;
  readonly server: string;
  readonly attempts: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly reason: EndReason;
};

export function logFlow(log: AccessLog, flow: FlowEnd, draw: () => number): void {
  const { format } = log.settings;
  const isKept = flow.reason !== 'done' || isDrawn(log, draw);
  if (!isKept || !hasRoom(log)) return;
  const { batch } = log;
  if (format === 'combined') {
    putCommonStart(log, batch, flow.client, flow.startedMs);
    putText(batch, ` "${flow.protocol.toUpperCase()} ${flow.serverName || '-'} -" 000 `);
    putDecimal(batch, flow.bytesOut);
    putText(batch, ' "-" "-"\n');
    return;
  }
  putText(batch, '{"time":"');
  putIsoTime(batch, log.clock, flow.startedMs);
  putText(batch, '"');
  putMember(batch, 'listener', flow.listener);
  putMember(batch, 'protocol', flow.protocol);
  putMember(batch, 'client', flow.client);
  if (flow.serverName !== '') putMember(batch, 'serverName', flow.serverName);
  if (flow.server !== '') {
    putMember(batch, 'upstream', flow.upstream);
    putMember(batch, 'server', flow.server);
  }
  putNumberMember(batch, 'attempts', flow.attempts);
  putNumberMember(batch, 'bytesIn', flow.bytesIn);
  putNumberMember(batch, 'bytesOut', flow.bytesOut);
  putMsMember(batch, 'totalMs', flow.endedMs - flow.startedMs);
  putMember(batch, 'end', flow.reason);
  putText(batch, '}\n');
}

function putJsonHead(
  log: AccessLog,
  sink: ByteSink,
  { listener }: Session,
  address: string,
  head: RequestHead,
  nowMs: number,
): void {
  putText(sink, '{"time":"');
  putIsoTime(sink, log.clock, nowMs);
  putText(sink, '"');
  putMember(sink, 'listener', listener.name);
  putMember(sink, 'client', address);
  putMember(sink, 'method', head.method);
  putMemberBytes(sink, 'host', head.bytes, head.hostStart, head.hostEnd);
  putMemberBytes(sink, 'target', head.bytes, head.targetStart, head.targetEnd);
  putText(sink, head.minor === 1 ? ',"version":"1.1"' : ',"version":"1.0"');
  putFieldMember(sink, 'referer', head, REFERER);
  putFieldMember(sink, 'userAgent', head, USER_AGENT);
}

function putFieldMember(sink: ByteSink, name: string, head: RequestHead, field: Uint8Array): void {
  const at = fieldIndex(head, field);
  if (at < 0) return;
  const { spans } = head.fields;
  putMemberBytes(sink, name, head.bytes, spans[4 * at + 2]!, spans[4 * at + 3]!);
}

function putJsonEnd(
  batch: ByteSink,
  entry: AccessEntry,
  { bytesIn, status }: Exchange,
  reason: EndReason,
  bytesOut: number,
  nowMs: number,
): void {
  putBytes(batch, entry.head.bytes, 0, entry.head.length);
  if (entry.attempts > 0) {
    putMember(batch, 'upstream', entry.upstream);
    putMember(batch, 'server', entry.server);
  }
  putNumberMember(batch, 'attempts', entry.attempts);
  putNumberMember(batch, 'status', status);
  putNumberMember(batch, 'bytesIn', bytesIn);
  putNumberMember(batch, 'bytesOut', bytesOut);
  putMsMember(batch, 'headMs', entry.headMs - entry.sinceMs);
  if (entry.attempts > 0) {
    putMsMember(batch, 'waitMs', entry.attemptMs - entry.headMs);
    if (entry.sentMs > 0) putMsMember(batch, 'connectMs', entry.sentMs - entry.attemptMs);
    if (entry.firstByteMs > 0) putMsMember(batch, 'firstByteMs', entry.firstByteMs - entry.sentMs);
  }
  putMsMember(batch, 'totalMs', nowMs - entry.sinceMs);
  putMember(batch, 'end', reason);
  putText(batch, '}\n');
}

function putCommonStart(log: AccessLog, sink: ByteSink, address: string, nowMs: number): void {
  putText(sink, `${address} - - `);
  putCommonTime(sink, log.clock, nowMs);
}

function putCommonEnd(
  batch: ByteSink,
  { head, split }: AccessEntry,
  status: number,
  bytesOut: number,
): void {
  putBytes(batch, head.bytes, 0, split);
  putText(batch, status === 0 ? '000' : `${status}`);
  putText(batch, ' ');
  putDecimal(batch, bytesOut);
  putBytes(batch, head.bytes, split, head.length);
  putText(batch, '\n');
}

/** What came was no request, or not in time. */
function writeRefusal(
  log: AccessLog,
  session: Session,
  status: number,
  reason: EndReason,
  nowMs: number,
): void {
  if (!isError(status, reason) && !isDrawn(log, session.runtime.draw)) return;
  if (!hasRoom(log)) return;
  const { batch } = log;
  const address = session.client.remoteAddress;
  if (log.settings.format === 'combined') {
    putCommonStart(log, batch, address, nowMs);
    putText(batch, ` "-" ${status} 0 "-" "-"\n`);
    return;
  }
  putText(batch, '{"time":"');
  putIsoTime(batch, log.clock, nowMs);
  putText(batch, '"');
  putMember(batch, 'listener', session.listener.name);
  putMember(batch, 'client', address);
  putNumberMember(batch, 'status', status);
  putMember(batch, 'end', reason);
  putText(batch, '}\n');
}

function reasonOfReply(phase: Session['phase'], status: number): EndReason {
  switch (status) {
    case 408:
      return phase === 'head' ? 'head-timeout' : 'body-timeout';
    case 502:
      return phase === 'connect' ? 'connect-failed' : 'server-closed';
    case 503:
      return 'no-server';
    case 504:
      if (phase === 'filter') return 'filter-timeout';
      return phase === 'connect' ? 'connect-timeout' : 'response-timeout';
    default:
      return 'refused';
  }
}

/** Whether it is among the share that is kept. */
const isDrawn = ({ settings: { percent } }: AccessLog, draw: () => number): boolean =>
  percent >= 100 || 100 * draw() < percent;

const isError = (status: number, reason: EndReason): boolean =>
  status >= 500 || (reason !== 'done' && reason !== 'filter-answered' && reason !== 'refused');

/** Counts the line that is about to be written, or dropped. */
function hasRoom(log: AccessLog): boolean {
  const isFull = log.batch.length >= BATCH_BYTES_MAX;
  if (isFull) log.dropped += 1;
  else log.lines += 1;
  return !isFull;
}

function createEntry(): AccessEntry {
  return {
    head: createByteSink(HEAD_BYTES),
    split: 0,
    format: 'json',
    isSampled: true,
    sinceMs: 0,
    headMs: 0,
    attemptMs: 0,
    sentMs: 0,
    firstByteMs: 0,
    attempts: 0,
    upstream: '',
    server: '',
  };
}

function resetEntry(entry: AccessEntry, session: Session, nowMs: number): void {
  entry.head.length = entry.split = entry.attemptMs = entry.sentMs = entry.firstByteMs = 0;
  entry.attempts = 0;
  entry.sinceMs = session.headSinceMs;
  entry.headMs = nowMs;
  entry.upstream = entry.server = '';
}
