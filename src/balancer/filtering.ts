import type { FilterExchange, FilterReply, FilterResponse } from '../filter/filter.ts';
import { textOf } from '../http/ascii.ts';
import type { RequestHead, ResponseHead } from '../http/head.ts';
import { createRequestHead, parseRequestHead } from '../http/head.ts';
import type { FieldEdits } from './field-edits.ts';
import { createFieldEdits, editableFields } from './field-edits.ts';
import { originTarget } from './rewrite.ts';
import { groupsOfPath, type Route } from './route.ts';
import type { Exchange, Session } from './session.ts';

/** Between two ticks of a worker. */
const PAGE_REPORTS_MAX = 1000;

/** What a chain of filters decided about a request. */
export type FilterVerdict =
  | {
      readonly kind: 'forward';
      readonly head: RequestHead;
      readonly edits: FieldEdits;
      readonly target: string | undefined;
    }
  | { readonly kind: 'answer'; readonly reply: FilterReply };

/**
 * Runs a route's filters. `decide` is called exactly once, perhaps before this returns, perhaps
 * later; for later the head is copied out of the bytes that are about to go away.
 */
export function runFilters(
  session: Session,
  exchange: Exchange,
  route: Route,
  head: RequestHead,
  range: { readonly start: number; readonly end: number; readonly path: string },
  nowMs: number,
  decide: (verdict: FilterVerdict) => void,
): void {
  const edits = createFieldEdits();
  let present = head;
  let target: string | undefined;
  let decided = false;
  const settle = (verdict: FilterVerdict): void => {
    if (decided) return;
    decided = true;
    decide(verdict);
  };
  const view: FilterExchange = {
    nowMs,
    client: { address: session.facts!.address, proto: session.facts!.proto },
    request: {
      method: head.method,
      host: textOf(head.bytes, head.hostStart, head.hostEnd),
      target: originTarget(head),
      path: range.path,
      groups: () => groupsOfPath(route, range.path),
      fields: editableFields(() => present, edits),
      setTarget: (next) => {
        if (/^\/[\x21-\x7e]*$/.test(next)) target = next;
      },
      setHost: (host) => {
        if (/^[\x21-\x7e]+$/.test(host)) edits.host = host;
      },
    },
    onResponse: (handler) => void exchange.responseHandlers.unshift(handler),
    draw: session.runtime.draw,
    wait: (ms, then) => {
      // Another filter may have waited before.
      exchange.wake = { atMs: Math.max(nowMs, exchange.wokenMs) + ms, then };
    },
    report(readings) {
      const { pageReports } = session.runtime;
      if (pageReports.length >= PAGE_REPORTS_MAX) return;
      pageReports.push({ address: session.facts!.address, readings });
    },
    answer: (reply) => settle({ kind: 'answer', reply }),
  };
  const runFrom = (index: number): void => {
    const filter = route.filters[index];
    if (filter === undefined) {
      settle({ kind: 'forward', head: present, edits, target });
      return;
    }
    let called = false;
    filter(view, () => {
      if (called || decided) return;
      called = true;
      runFrom(index + 1);
    });
  };
  runFrom(0);
  if (decided) return;
  present = createRequestHead();
  const copy = head.bytes.slice(range.start, range.end);
  parseRequestHead(copy, 0, copy.length, present);
}

/** Lets the filters that asked for it see and change the response's head. */
export function filterResponse(exchange: Exchange, head: ResponseHead): FieldEdits | undefined {
  if (exchange.responseHandlers.length === 0) return undefined;
  const edits = createFieldEdits();
  const view: FilterResponse = { status: head.status, fields: editableFields(() => head, edits) };
  for (const handler of exchange.responseHandlers) handler(view);
  return edits;
}
