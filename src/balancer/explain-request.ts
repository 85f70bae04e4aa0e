import { textOf } from '../http/ascii.ts';
import { createRequestHead, parseRequestHead, type RequestHead } from '../http/head.ts';
import { hostEnd, normalPath } from '../http/target.ts';
import { parseAddress } from '../ip/address.ts';
import { type BodyFields, bodyKind, lookAtBody } from './body-look.ts';
import { type ExplainedFilter, explainFilters } from './explain-filters.ts';
import { type ExplainedRoute, explainRoutes } from './explain-routes.ts';
import type { SessionFacts } from './explain-session.ts';
import {
  type ExplainedSplit,
  type ExplainedUpstream,
  explainSplit,
  explainUpstream,
  type ServerView,
} from './explain-upstream.ts';
import { AMBIGUOUS_PATH, isLastHop, judge } from './judge.ts';
import { compileRoutes, type Route } from './route.ts';
import type { BalancerSnapshot, ListenerSnapshot } from './snapshot.ts';

/**
 * What becomes of a request, in words, without sending it: the functions that serve requests
 * (`parseRequestHead`, `judge`, `findRoute`, the filters, the split, the algorithm) are called on a head
 * that is made of the question.
 */
export type RequestQuestion = {
  readonly method: string;
  /** `http://HOST[:PORT]/PATH?QUERY`. */
  readonly url: string;
  /** `Name: value`. A Host is told in place of the URL's. */
  readonly headers: readonly string[];
  /** Of a request with one; its Content-Type is among the headers, its length is not. */
  readonly body?: string | undefined;
  /** The client's address; absent = this machine. */
  readonly from?: string | undefined;
  /** The listener's name; absent = the one that is on the URL's port. */
  readonly listener?: string | undefined;
};

export type RequestExplanation = {
  readonly request: {
    readonly method: string;
    readonly host: string;
    readonly target: string;
    /** In normal form, which routes look at. */
    readonly path: string;
    readonly from: string;
  };
  readonly listener: { readonly name: string; readonly region: string; readonly why: string };
  /** In the order in which this request meets them; empty when it is refused before. */
  readonly routes: readonly ExplainedRoute[];
  /** How many routes the listener has. */
  readonly routesTotal: number;
  readonly filters: readonly ExplainedFilter[];
  /** What the balancer itself answers; absent = a server does. */
  readonly answer: { readonly status: number; readonly why: string } | undefined;
  readonly split: ExplainedSplit | undefined;
  /** Who gets copies. */
  readonly mirror: { readonly upstream: string; readonly percent: number } | undefined;
  /** What the server is asked for. */
  readonly asked: { readonly host: string; readonly target: string } | undefined;
  readonly upstream: ExplainedUpstream | undefined;
};

export type RequestProblem = { readonly wrong: string; readonly hint: string };
/** What is known besides the configuration. */
export type RequestFacts = {
  readonly server: ServerView;
  /** How the value of a field that the configuration sets may be shown. */
  readonly shown: (name: string, value: string) => string;
  readonly sessions: SessionFacts;
};

const FROM_DEFAULT = '127.0.0.1';
const PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

export function explainRequest(
  snapshot: BalancerSnapshot,
  question: RequestQuestion,
  facts: RequestFacts,
): RequestExplanation | RequestProblem {
  const { from = FROM_DEFAULT } = question;
  if (parseAddress(from) === undefined) {
    return { wrong: `"${from}" is not an IP address`, hint: 'for instance 192.0.2.7' };
  }
  const url = URL.parse(question.url);
  if (url === null || PORTS[url.protocol] === undefined) {
    const hint = 'for instance http://www.example.com/path?query';
    return { wrong: `"${question.url}" is not the URL of a request`, hint };
  }
  const chosen = chooseListener(snapshot, url, question.listener);
  if ('wrong' in chosen) return chosen;
  const { listener, why } = chosen;
  const head = createRequestHead();
  const bytes = headBytes(question, url);
  if (bytes === undefined) {
    return { wrong: 'a header is not "Name: value" on one line', hint: 'for instance "A: b"' };
  }
  const malformed = parseRequestHead(bytes, 0, bytes.length, head);
  const path = malformed === undefined ? normalPath(bytes, head.target) : undefined;
  const told = {
    request: {
      method: question.method,
      host: malformed ? url.host : textOf(bytes, head.hostStart, head.hostEnd),
      target: targetOf(question.url),
      path: path ?? '',
      from,
    },
    listener: { name: listener.name, region: listener.region, why },
  };
  const refused = malformed ?? (path === undefined ? AMBIGUOUS_PATH : refusalOf(snapshot, head));
  if (refused !== undefined || path === undefined) {
    const { reason, status } = refused ?? AMBIGUOUS_PATH;
    return { ...told, ...nothing(listener), answer: { status, why: reason } };
  }
  const body = fieldsOf(head, question.body ?? '');
  return { ...told, ...explainWay(snapshot, listener, head, path, from, body, facts) };
}

function fieldsOf(head: RequestHead, text: string): BodyFields | undefined {
  const kind = bodyKind(head);
  const bytes = new TextEncoder().encode(text);
  const body = kind && lookAtBody(head, kind, bytes, 0, bytes.length);
  return typeof body === 'number' ? undefined : body;
}

type Way = Omit<RequestExplanation, 'request' | 'listener'>;

/** From the routes to the server. */
function explainWay(
  snapshot: BalancerSnapshot,
  listener: ListenerSnapshot,
  head: RequestHead,
  path: string,
  from: string,
  body: BodyFields | undefined,
  facts: RequestFacts,
): Way {
  const table = compileRoutes(listener.routes);
  const host = textOf(head.bytes, head.hostStart, hostEndOf(head)).toLowerCase();
  const { routes, taken } = explainRoutes(listener.routes, table, head, path, host, from, body);
  const way = { ...nothing(listener), routes };
  if (taken === undefined) return { ...way, answer: { status: 404, why: 'no route takes it' } };
  const kinds = listener.routes[taken.index]!.filters.map(({ kind }) => kind);
  const { answer, filters, ...asked } = explainFilters(taken, kinds, head, path, from, facts.shown);
  if (answer) {
    const why = `the filter ${filters.at(-1)!.kind} answers`;
    return { ...way, filters, answer: { status: answer.status, why } };
  }
  return { ...way, filters, ...explainEnd(snapshot, taken, head, from, asked, facts) };
}

function explainEnd(
  { upstreams }: BalancerSnapshot,
  { mirror, split, upstream }: Route,
  head: RequestHead,
  from: string,
  asked: { readonly host: string; readonly target: string },
  facts: RequestFacts,
): Pick<Way, 'answer' | 'split' | 'mirror' | 'asked' | 'upstream'> {
  // Which port a client will have, nobody knows before.
  const client = { remoteAddress: from, remotePort: 0 };
  const chosen = split && explainSplit(split, upstreams, head, client);
  const settings = upstreams[chosen?.taken ?? upstream];
  if (settings === undefined) {
    const answer = { status: 503, why: 'the route has no upstream' };
    const none = { split: undefined, mirror: undefined, asked: undefined, upstream: undefined };
    return { answer, ...none };
  }
  const explained = explainUpstream(settings, head, client, facts.server, facts.sessions);
  return {
    answer: undefined,
    split: chosen?.split,
    mirror: mirror && { ...mirror, upstream: upstreams[mirror.upstream]!.name },
    asked,
    upstream: explained,
  };
}

const nothing = (listener: ListenerSnapshot): Way => ({
  routes: [],
  routesTotal: listener.routes.length,
  filters: [],
  answer: undefined,
  split: undefined,
  mirror: undefined,
  asked: undefined,
  upstream: undefined,
});

function refusalOf({ limits, via }: BalancerSnapshot, head: RequestHead) {
  const lastHop = { status: 204, reason: 'Max-Forwards says that the balancer answers itself' };
  return judge(head, limits, via) ?? (isLastHop(head) ? lastHop : undefined);
}

/** The listener by its name, else by the URL's port and address. */
function chooseListener(
  { listeners }: BalancerSnapshot,
  url: URL,
  name: string | undefined,
): { readonly listener: ListenerSnapshot; readonly why: string } | RequestProblem {
  const ours = listeners.filter(({ layer4 }) => layer4 === undefined);
  const hint = `name one with "listener": ${ours.map((each) => each.name).join(', ')}`;
  if (name !== undefined) {
    const listener = ours.find((each) => each.name === name);
    if (listener) return { listener, why: 'as asked' };
    return { wrong: `there is no HTTP listener "${name}"`, hint };
  }
  if (ours.length === 0) {
    return { wrong: 'there is no HTTP listener', hint: 'see balancer.listeners' };
  }
  const port = url.port === '' ? PORTS[url.protocol]! : Number(url.port);
  const literal = url.hostname.replace(/^\[|\]$/g, '');
  const atPort = ours.filter((each) => each.port === port);
  const atAddress = atPort.filter(({ address }) => address === literal);
  const fitting = atAddress.length > 0 ? atAddress : atPort;
  if (fitting.length === 1) return { listener: fitting[0]!, why: `the one on port ${port}` };
  if (fitting.length > 1) return { wrong: `several listeners are on port ${port}`, hint };
  if (ours.length > 1) return { wrong: `no listener is on port ${port}`, hint };
  return { listener: ours[0]!, why: `the only one, although not on port ${port}` };
}

/** @returns undefined when a header could be more than one */
function headBytes({ body, headers, method, url }: RequestQuestion, { host }: URL) {
  if ([method, url, ...headers].some((text) => /[\r\n\0]/.test(text))) return undefined;
  if (headers.some((text) => !/^[^:\s]+:/.test(text))) return undefined;
  const hasHost = headers.some((text) => /^host:/i.test(text));
  const lines = [
    `${method} ${targetOf(url)} HTTP/1.1`,
    ...(hasHost ? [] : [`Host: ${host}`]),
    ...headers,
    ...(body === undefined ? [] : [`Content-Length: ${new TextEncoder().encode(body).length}`]),
  ];
  return new TextEncoder().encode(`${lines.join('\r\n')}\r\n\r\n`);
}

/** As it is written: an URL object would resolve dots, which is part of what is asked. */
function targetOf(url: string): string {
  const rest = /^[^:]+:\/\/[^/?#]*([^#]*)/.exec(url)?.[1] ?? '';
  return rest.startsWith('/') ? rest : `/${rest}`;
}

const hostEndOf = ({ bytes, hostEnd: end, hostStart }: RequestHead): number =>
  Math.max(hostStart, hostEnd(bytes, hostStart, end));
