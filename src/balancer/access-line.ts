import { bytesOf, equalsIgnoringCase } from '../http/ascii.ts';
import type { ByteSink } from '../http/byte-sink.ts';
import { putDecimal, putText } from '../http/byte-sink.ts';
import type { RequestHead } from '../http/head.ts';

/**
 * Lines of the access log, octet by octet into a sink: no line is ever a string or an object. What
 * clients sent is escaped, so that a line is one line and stays the JSON that it is.
 */

/** Why a request, tunnel or flow ended. */
export const END_REASONS = [
  'done',
  'filter-answered',
  'refused',
  'client-gone',
  'no-server',
  'connect-failed',
  'connect-timeout',
  'server-closed',
  'response-timeout',
  'head-timeout',
  'body-timeout',
  'write-timeout',
  'filter-timeout',
  'idle-timeout',
  'stopped',
] as const;
export type EndReason = (typeof END_REASONS)[number];

type Form = 'json' | 'combined';

/** Dates are made once a second. */
export type LogClock = { second: number; iso: string; common: string };
export const createLogClock = (): LogClock => ({ second: -1, iso: '', common: '' });

/** RFC 3339 with milliseconds, in UTC. */
export function putIsoTime(sink: ByteSink, clock: LogClock, nowMs: number): void {
  setClock(clock, nowMs);
  putText(sink, clock.iso);
  const ms = Math.floor(nowMs) % 1000;
  putText(sink, ms < 10 ? '.00' : ms < 100 ? '.0' : '.');
  putDecimal(sink, ms);
  putText(sink, 'Z');
}

/** As Apache's Common Log Format has it, in UTC. */
export function putCommonTime(sink: ByteSink, clock: LogClock, nowMs: number): void {
  setClock(clock, nowMs);
  putText(sink, clock.common);
}

function setClock(clock: LogClock, nowMs: number): void {
  const second = Math.floor(nowMs / 1000);
  if (second === clock.second) return;
  clock.second = second;
  const iso = new Date(second * 1000).toISOString();
  clock.iso = iso.slice(0, 19);
  const month = MONTHS.slice(3 * Number(iso.slice(5, 7)) - 3, 3 * Number(iso.slice(5, 7)));
  clock.common = `[${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000]`;
}

/** A member of a JSON object with a comma before it. */
export function putMember(sink: ByteSink, name: string, text: string): void {
  putText(sink, `,"${name}":"`);
  for (let at = 0; at < text.length; at++) putEscaped(sink, text.charCodeAt(at), 'json');
  putText(sink, '"');
}

export function putMemberBytes(
  sink: ByteSink,
  name: string,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  putText(sink, `,"${name}":"`);
  putOctets(sink, bytes, start, end, 'json');
  putText(sink, '"');
}

/** Milliseconds with three places. */
export function putMsMember(sink: ByteSink, name: string, ms: number): void {
  putText(sink, `,"${name}":`);
  const us = Math.max(0, Math.round(ms * 1000));
  putDecimal(sink, Math.floor(us / 1000));
  const rest = us % 1000;
  if (rest === 0) return;
  putText(sink, rest < 10 ? '.00' : rest < 100 ? '.0' : '.');
  putDecimal(sink, rest);
}

export function putNumberMember(sink: ByteSink, name: string, value: number): void {
  putText(sink, `,"${name}":`);
  putDecimal(sink, value);
}

/** A quoted text of the combined format. */
export function putQuoted(sink: ByteSink, bytes: Uint8Array, start: number, end: number): void {
  putText(sink, '"');
  if (start === end) putText(sink, '-');
  else putOctets(sink, bytes, start, end, 'combined');
  putText(sink, '"');
}

export function putOctets(
  sink: ByteSink,
  bytes: Uint8Array,
  start: number,
  end: number,
  form: Form,
): void {
  for (let at = start; at < end; at++) putEscaped(sink, bytes[at]!, form);
}

/** Index of the first field with this name, -1 when there is none. */
export function fieldIndex({ bytes, fields }: RequestHead, lowerName: Uint8Array): number {
  for (let index = 0; index < fields.count; index++) {
    const [start, end] = [fields.spans[4 * index]!, fields.spans[4 * index + 1]!];
    if (equalsIgnoringCase(bytes, start, end, lowerName)) return index;
  }
  return -1;
}

function putEscaped(sink: ByteSink, unit: number, form: Form): void {
  if (unit >= 0x20 && unit < 0x7f && unit !== QUOTE && unit !== BACKSLASH) {
    if (sink.length === sink.bytes.length) putText(sink, String.fromCharCode(unit));
    else sink.bytes[sink.length++] = unit;
    return;
  }
  putText(sink, form === 'json' ? '\\u' : '\\x');
  putText(sink, unit.toString(16).padStart(form === 'json' ? 4 : 2, '0'));
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec';
export const USER_AGENT = bytesOf('user-agent');
export const REFERER = bytesOf('referer');
