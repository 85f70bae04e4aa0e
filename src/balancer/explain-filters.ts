import type { EditableFields, FilterExchange, FilterReply } from '../filter/filter.ts';
import { textOf } from '../http/ascii.ts';
import type { RequestHead } from '../http/head.ts';
import { createFieldEdits, editableFields } from './field-edits.ts';
import { originTarget } from './rewrite.ts';
import { groupsOfPath, type Route } from './route.ts';

/** A filter as a request met it: what it changed, in words. */
export type ExplainedFilter = { readonly kind: string; readonly effects: readonly string[] };
export type FilterEffects = {
  readonly filters: readonly ExplainedFilter[];
  /** What the filters answer; undefined when the request goes on. */
  readonly answer: FilterReply | undefined;
  /** What the server is asked for. */
  readonly host: string;
  readonly target: string;
};

/**
 * Runs a route's own filters on a request that is not sent. What only a share of the requests meets,
 * this one does not.
 * @param shown how the value of a field may be shown
 */
export function explainFilters(
  route: Route,
  kinds: readonly string[],
  head: RequestHead,
  path: string,
  client: string,
  shown: (name: string, value: string) => string,
): FilterEffects {
  let answer: FilterReply | undefined;
  let host = textOf(head.bytes, head.hostStart, head.hostEnd);
  let target = originTarget(head);
  const edits = createFieldEdits();
  const received = editableFields(() => head, edits);
  const filters: ExplainedFilter[] = [];
  for (const [place, filter] of route.filters.entries()) {
    const effects: string[] = [];
    let isNext = false;
    const view: FilterExchange = {
      nowMs: 0,
      client: { address: client, proto: 'http' },
      request: {
        method: head.method,
        host: textOf(head.bytes, head.hostStart, head.hostEnd),
        target: originTarget(head),
        path,
        groups: () => groupsOfPath(route, path),
        fields: telling(received, effects, '', shown),
        setTarget: (next) => {
          target = next;
          effects.push(`asks the server for ${next}`);
        },
        setHost: (next) => {
          host = next;
          effects.push(`tells the server the host ${next}`);
        },
      },
      onResponse: (handler) => {
        const none = editableFields(() => head, createFieldEdits());
        handler({ status: 200, fields: telling(none, effects, 'response: ', shown) });
      },
      draw: () => ALMOST_ONE,
      wait: (ms, then) => {
        effects.push(`waits ${ms} ms`);
        then();
      },
      report: (readings) => {
        effects.push(`takes ${readings.length} readings of ways to regions`);
      },
      answer: (reply) => {
        answer ??= reply;
        effects.push(answerWords(reply));
      },
    };
    filter(view, () => {
      isNext = true;
    });
    filters.push({ kind: kinds[place]!, effects });
    if (!isNext) break;
  }
  return { filters, answer, host, target };
}

/** Fields that note what is done to them. */
function telling(
  fields: EditableFields,
  effects: string[],
  whose: string,
  shown: (name: string, value: string) => string,
): EditableFields {
  return {
    get: fields.get,
    set(name, value) {
      effects.push(`${whose}sets ${name}: ${shown(name, value)}`);
      fields.set(name, value);
    },
    add(name, value) {
      effects.push(`${whose}adds ${name}: ${shown(name, value)}`);
      fields.add(name, value);
    },
    remove(name) {
      effects.push(`${whose}removes ${name}`);
      fields.remove(name);
    },
  };
}

function answerWords({ status, fields }: FilterReply): string {
  const location = fields.find(([name]) => name.toLowerCase() === 'location')?.[1];
  return `answers ${status}${location === undefined ? '' : ` to ${location}`}`;
}

/** Of a draw: no share below all of them is met. */
const ALMOST_ONE = 1 - 2 ** -32;
