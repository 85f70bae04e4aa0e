import type {
  EditableFields,
  FilterExchange,
  FilterReply,
  FilterResponse,
} from '../../src/filter/filter.ts';

/** An exchange to show to filters, and what they did to it. */
export type ExchangeDouble = {
  readonly exchange: FilterExchange;
  readonly requestFields: [string, string][];
  /** What the server would be asked for instead. */
  readonly sent: { readonly target?: string; readonly host?: string };
  readonly waits: readonly { readonly ms: number; readonly then: () => void }[];
  answered(): FilterReply | undefined;
  /** Runs the response handlers on a response with these fields and gives the result. */
  respond(status: number, fields: readonly [string, string][]): [string, string][];
};

export function createExchangeDouble(
  request: {
    readonly target?: string;
    readonly host?: string;
    readonly groups?: readonly string[];
    readonly draws?: readonly number[];
    readonly fields?: readonly [string, string][];
  } = {},
): ExchangeDouble {
  const requestFields = [...(request.fields ?? [])];
  const handlers: ((response: FilterResponse) => void)[] = [];
  const sent: { target?: string; host?: string } = {};
  const waits: { ms: number; then: () => void }[] = [];
  const draws = [...(request.draws ?? [])];
  let reply: FilterReply | undefined;
  const target = request.target ?? '/';
  return {
    exchange: {
      nowMs: 0,
      report: () => {},
      client: { address: '192.0.2.1', proto: 'http' },
      request: {
        method: 'GET',
        host: request.host ?? 'example.com',
        target,
        path: target.split('?')[0]!,
        groups: () => request.groups ?? [],
        fields: fieldsOf(requestFields),
        setTarget: (next) => {
          sent.target = next;
        },
        setHost: (next) => {
          sent.host = next;
        },
      },
      onResponse: (handler) => void handlers.unshift(handler),
      draw: () => draws.shift() ?? 0,
      wait: (ms, then) => void waits.push({ ms, then }),
      answer: (given) => {
        reply ??= given;
      },
    },
    requestFields,
    sent,
    waits,
    answered: () => reply,
    respond(status, fields) {
      const list = [...fields];
      for (const handler of handlers) handler({ status, fields: fieldsOf(list) });
      return list;
    },
  };
}

function fieldsOf(list: [string, string][]): EditableFields {
  const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();
  const remove = (name: string): void => {
    for (let at = list.length - 1; at >= 0; at--) if (same(list[at]![0], name)) list.splice(at, 1);
  };
  return {
    get: (name) => list.find(([key]) => same(key, name))?.[1],
    set(name, value) {
      remove(name);
      list.push([name, value]);
    },
    add: (name, value) => void list.push([name, value]),
    remove,
  };
}
