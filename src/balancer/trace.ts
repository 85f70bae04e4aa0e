import { textOf } from '../http/ascii.ts';
import type { ByteSink } from '../http/byte-sink.ts';
import { putText } from '../http/byte-sink.ts';
import { FIELD } from '../http/fields.ts';
import type { RequestHead } from '../http/head.ts';
import { isRequestId, isTracestate, traceIdOf } from '../http/trace-context.ts';
import type { FieldEdits } from './field-edits.ts';
import type { TraceSnapshot } from './snapshot.ts';

/**
 * By which ids a request is found again: the trace that it belongs to (W3C Trace Context), and
 * X-Request-ID. The balancer makes no spans of its own, so a trace that came goes on as it is; one
 * that is malformed is dropped, and its state with it.
 */
export type TraceIds = { traceId: string; requestId: string };

export const NO_TRACE: TraceSnapshot = { start: 0, requestId: 'pass' };

/** Marks the fields of `head` that must not travel on. */
export function judgeTrace(settings: TraceSnapshot, head: RequestHead, ids: TraceIds): void {
  ids.traceId = ids.requestId = '';
  const parent = soleValue(head, FIELD.traceparent);
  if (parent !== undefined) ids.traceId = traceIdOf(parent) ?? '';
  if (ids.traceId === '') {
    drop(head, FIELD.traceparent);
    drop(head, FIELD.tracestate);
  } else {
    const state = listed(head, FIELD.tracestate);
    if (state !== undefined && !isTracestate(state)) drop(head, FIELD.tracestate);
  }
  const id = soleValue(head, FIELD.xRequestId) ?? '';
  if (isRequestId(id) && settings.requestId !== 'replace') ids.requestId = id;
  else if (settings.requestId !== 'pass') drop(head, FIELD.xRequestId);
}

/** Puts what the request should have and has not, and completes `ids`; what filters have said stands. */
export function putTrace(
  sink: ByteSink,
  settings: TraceSnapshot,
  ids: TraceIds,
  edits: FieldEdits | undefined,
  draw: () => number,
): void {
  const { requestId, start } = settings;
  if (ids.traceId === '' && start > 0 && 100 * draw() < start && !edited(edits, 'traceparent')) {
    ids.traceId = hex(16, draw);
    // Sampled: whoever starts one wants to see it.
    putText(sink, `traceparent: 00-${ids.traceId}-${hex(8, draw)}-01\r\n`);
  }
  if (requestId === 'pass' || ids.requestId !== '' || edited(edits, 'x-request-id')) return;
  ids.requestId = hex(16, draw);
  putText(sink, `X-Request-ID: ${ids.requestId}\r\n`);
}

/** So many random octets, never all of them 0, which would be no id. */
function hex(octets: number, draw: () => number): string {
  let text = '';
  while (text.length < 2 * octets) {
    const word = Math.floor(draw() * 2 ** 32) || 1;
    text += word.toString(16).padStart(8, '0');
  }
  return text;
}

function edited(edits: FieldEdits | undefined, name: string): boolean {
  if (edits === undefined) return false;
  return edits.removed.has(name) || edits.added.some(([added]) => added.toLowerCase() === name);
}

/** Undefined when there are none or several. */
function soleValue({ bytes, fields }: RequestHead, code: number): string | undefined {
  let found = -1;
  for (let index = 0; index < fields.count; index++) {
    if (fields.codes[index] !== code) continue;
    if (found >= 0) return undefined;
    found = index;
  }
  if (found < 0) return undefined;
  return textOf(bytes, fields.spans[4 * found + 2]!, fields.spans[4 * found + 3]!);
}

function listed({ bytes, fields }: RequestHead, code: number): string | undefined {
  let list: string | undefined;
  for (let index = 0; index < fields.count; index++) {
    if (fields.codes[index] !== code) continue;
    const value = textOf(bytes, fields.spans[4 * index + 2]!, fields.spans[4 * index + 3]!);
    list = list === undefined ? value : `${list},${value}`;
  }
  return list;
}

function drop({ fields }: RequestHead, code: number): void {
  for (let index = 0; index < fields.count; index++) {
    if (fields.codes[index] === code) fields.dropped[index] = 1;
  }
}
