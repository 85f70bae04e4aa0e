import { CR, LF } from '../http/ascii.ts';
import { putChunkSize, putLineEnd, putText } from '../http/byte-sink.ts';
import {
  createChunkedDecoder,
  decodeChunked,
  isChunkedDone,
  isChunkedInvalid,
} from '../http/chunked.ts';
import { FIELD } from '../http/fields.ts';
import type { RequestHead } from '../http/head.ts';
import {
  canBeginRequest,
  endsWithHead,
  findHeadEnd,
  HEAD_BYTES_MAX,
  HEAD_INCOMPLETE,
  HEAD_MALFORMED,
  parseRequestHead,
  TARGET_BYTES_MAX,
} from '../http/head.ts';
import { normalPath } from '../http/target.ts';
import { admits } from '../resilience/admission.ts';
import { beginEntry, noteEnd, noteText } from './access-log.ts';
import { affinityKey } from './affinity-key.ts';
import { beginOrWait } from './attempt.ts';
import { type BodyFields, bodyKind, lookAtBody } from './body-look.ts';
import { takeCookie } from './cookie-affinity.ts';
import { UPSTREAM_COUNTER } from './counters.ts';
import type { FilterVerdict } from './filtering.ts';
import { runFilters } from './filtering.ts';
import { keepHead } from './head-copy.ts';
import { hedgeLaneOf } from './hedge-lane.ts';
import { AMBIGUOUS_PATH, isLastHop, judge } from './judge.ts';
import { beginMirror, mirrorBody, mirrorEnd } from './mirror.ts';
import { passToUpstream } from './outgoing.ts';
import { keepBody, keepLastChunk } from './replay.ts';
import { replyForFilter, replyWithProblem } from './reply.ts';
import { beginCounting, countRoute } from './request-counts.ts';
import { hasField, listMembers, nominatedNames, putLastChunk, putRequestHead } from './rewrite.ts';
import type { Route } from './route.ts';
import { dependsOnBody, findRoute } from './route.ts';
import { seekHome } from './seeking.ts';
import type { Exchange, Session } from './session.ts';
import { createExchange, cutClient } from './session.ts';
import { armOf } from './split.ts';
import { findHome } from './table-affinity.ts';
import { type ClientFacts, clientFacts } from './trust.ts';
import { awaitAnswer, type Upstream } from './upstream.ts';

/** The client's half of an exchange: heads are read, judged and sent on, bodies follow. */

/** `readRequestHead` needs more bytes. */
export const NEED_MORE = -1;

/**
 * Reads the head that begins at `start`, and begins its exchange or refuses it.
 * @returns the offset after the head, or `NEED_MORE`
 */
export function readRequestHead(
  session: Session,
  bytes: Uint8Array,
  start: number,
  end: number,
  resume: (session: Session, nowMs: number) => void,
  nowMs: number,
): number {
  if (session.headSinceMs === 0) session.headSinceMs = nowMs;
  if (end - start < session.bodyAwaited) return NEED_MORE;
  // RFC 9112 section 2.2: one empty line before a request is ignored, for clients that add it.
  if (bytes[start] === CR && !session.skippedEmptyLine) {
    if (end - start < 2) return NEED_MORE;
    if (bytes[start + 1] !== LF) return refuse(session, 400, 'invalid request line', end, nowMs);
    session.skippedEmptyLine = true;
    session.headScanned = 0;
    return start + 2;
  }
  if (!canBeginRequest(bytes[start]!)) return refuse(session, 400, 'not HTTP/1.1', end, nowMs);
  const { requestHead: head } = session.runtime;
  // One look is enough for a request that comes whole and alone, as most do.
  const isRead =
    session.headScanned === 0 &&
    endsWithHead(bytes, start, end) &&
    parseRequestHead(bytes, start, end, head) === undefined;
  const headEnd = isRead
    ? head.fields.end + 2
    : findHeadEnd(bytes, start, end, session.headScanned);
  if (headEnd === HEAD_MALFORMED) return refuse(session, 400, 'line ends without CR', end, nowMs);
  if (headEnd === HEAD_INCOMPLETE) {
    if (end - start > TARGET_BYTES_MAX + LINE_SLACK && !bytes.subarray(start, end).includes(LF)) {
      return refuse(session, 414, 'request target too long', end, nowMs);
    }
    if (end - start > HEAD_BYTES_MAX) return refuse(session, 431, 'head too large', end, nowMs);
    session.headScanned = end - start;
    return NEED_MORE;
  }
  if (headEnd - start > HEAD_BYTES_MAX) return refuse(session, 431, 'head too large', end, nowMs);
  const problem = isRead ? undefined : parseRequestHead(bytes, start, headEnd, head);
  if (problem !== undefined) return refuse(session, problem.status, problem.reason, end, nowMs);
  const body = bodyFor(session, head, bytes, headEnd, end);
  if (typeof body === 'number') {
    session.bodyAwaited = end - start + body;
    return NEED_MORE;
  }
  session.bodyAwaited = 0;
  const hasNominated = head.chunked && hasField(head.fields, FIELD.connection);
  const nominated = hasNominated ? nominatedNames(bytes, head.fields) : NO_NAMES;
  const exchange = createExchange(head, nominated, nowMs);
  session.exchange = exchange;
  beginCounting(session, exchange, headEnd - start);
  begin(session, exchange, head, { start, end: headEnd }, body, resume, nowMs);
  return headEnd;
}

/**
 * The body's fields where a route asks for them; a client that waits for a word to send it gets one.
 * @returns as `lookAtBody`
 */
function bodyFor(
  session: Session,
  head: RequestHead,
  bytes: Uint8Array,
  from: number,
  to: number,
): BodyFields | number | undefined {
  const { routes } = session.listener;
  const kind = routes.asksForBody ? bodyKind(head) : undefined;
  if (kind === undefined) return undefined;
  const path = head.target.plain ? undefined : normalPath(head.bytes, head.target);
  if (path === undefined && !head.target.plain) return undefined;
  if (!dependsOnBody(routes, head, kind, path, knowClient(session, head).address)) return undefined;
  const body = lookAtBody(head, kind, bytes, from, to);
  const isFirstLook = typeof body === 'number' && session.bodyAwaited === 0;
  if (isFirstLook && head.minor === 1 && hasField(head.fields, FIELD.expect)) {
    putText(session.runtime.toClient, 'HTTP/1.1 100 Continue\r\n\r\n');
  }
  return body;
}

/** Sends on what of `bytes[from..to)` belongs to the request's body. @returns where the rest begins */
export function forwardRequestBody(
  session: Session,
  exchange: Exchange,
  bytes: Uint8Array,
  from: number,
  to: number,
  nowMs: number,
): number {
  if (exchange.requestMode === 'length') {
    const length = Math.min(exchange.requestRemaining, to - from);
    keepBody(session.runtime, exchange, bytes, from, from + length, false);
    passToUpstream(session, bytes, from, from + length, nowMs);
    mirrorBody(session, exchange, bytes, from, from + length);
    exchange.requestRemaining -= length;
    if (exchange.requestRemaining === 0) {
      endBody(exchange, nowMs);
      mirrorEnd(session, exchange, nowMs);
    }
    return from + length;
  }
  return forwardChunks(session, exchange, bytes, from, to, nowMs);
}

function forwardChunks(
  session: Session,
  exchange: Exchange,
  bytes: Uint8Array,
  from: number,
  to: number,
  nowMs: number,
): number {
  const { runtime } = session;
  const decoder = exchange.requestDecoder ?? createChunkedDecoder();
  exchange.requestDecoder = decoder;
  let at = from;
  while (at < to) {
    at = decodeChunked(decoder, bytes, at, to);
    if (decoder.dataEnd > decoder.dataStart) {
      exchange.requestBodyBytes += decoder.dataEnd - decoder.dataStart;
      if (exchange.requestBodyBytes > runtime.limits.requestBodyBytesMax) {
        return failBody(session, exchange, 413, 'body too large', to, nowMs);
      }
      keepBody(runtime, exchange, bytes, decoder.dataStart, decoder.dataEnd, true);
      putChunkSize(runtime.toUpstream, decoder.dataEnd - decoder.dataStart);
      passToUpstream(session, bytes, decoder.dataStart, decoder.dataEnd, nowMs);
      putLineEnd(runtime.toUpstream);
      mirrorBody(session, exchange, bytes, decoder.dataStart, decoder.dataEnd);
    }
    if (isChunkedInvalid(decoder)) {
      return failBody(session, exchange, 400, 'invalid chunked body', to, nowMs);
    }
    if (!isChunkedDone(decoder)) continue;
    const { trailers, trailerBytes } = decoder;
    if (!putLastChunk(runtime.toUpstream, trailers, trailerBytes, exchange.nominated)) {
      return failBody(session, exchange, 400, 'invalid trailer', to, nowMs);
    }
    keepLastChunk(runtime, exchange, trailers, trailerBytes);
    endBody(exchange, nowMs);
    mirrorEnd(session, exchange, nowMs);
    return at;
  }
  return at;
}

/** The request is whole: now it is the server's time that runs. */
function endBody(exchange: Exchange, nowMs: number): void {
  exchange.requestDone = true;
  exchange.wholeMs = nowMs;
  if (exchange.server && !exchange.responseStarted) awaitAnswer(exchange.server, nowMs);
  if (exchange.hedge) awaitAnswer(exchange.hedge.server, nowMs);
  exchange.deadlineMs = nowMs + (exchange.upstream?.settings.totalTimeoutMs ?? 0);
}

/** The body is broken: the server must not take what it got for whole, nor the client the answer. */
function failBody(
  session: Session,
  exchange: Exchange,
  status: number,
  reason: string,
  to: number,
  nowMs: number,
): number {
  if (exchange.responseStarted) {
    noteEnd(session, 'refused');
    cutClient(session);
  } else replyWithProblem(session, status, reason, nowMs);
  return to;
}

function refuse(
  session: Session,
  status: number,
  reason: string,
  end: number,
  nowMs: number,
): number {
  replyWithProblem(session, status, reason, nowMs);
  return end;
}

function begin(
  session: Session,
  exchange: Exchange,
  head: RequestHead,
  range: { readonly start: number; readonly end: number },
  body: BodyFields | undefined,
  resume: (session: Session, nowMs: number) => void,
  nowMs: number,
): void {
  const { runtime } = session;
  const facts = knowClient(session, head);
  beginEntry(session, head, nowMs);
  // A plain path is its own normal form: no string is made of it unless somebody asks.
  const path = head.target.plain ? undefined : normalPath(head.bytes, head.target);
  const refusal = judge(head, runtime.limits, runtime.via);
  if ((path === undefined && !head.target.plain) || refusal !== undefined) {
    // Who sends such a thing is not heard any further.
    exchange.keepAlive = false;
    const { status, reason } = refusal ?? AMBIGUOUS_PATH;
    replyWithProblem(session, status, reason, nowMs);
    return;
  }
  if (isLastHop(head)) {
    replyForFilter(session, { status: 204, fields: [], body: '' }, nowMs);
    return;
  }
  const route = findRoute(session.listener.routes, head, path, facts.address, body);
  if (route === undefined) {
    replyWithProblem(session, 404, 'no route', nowMs);
    return;
  }
  countRoute(session, exchange, route.index);
  noteText(session, 'route', route.name);
  exchange.upstream = runtime.upstreams[upstreamIndex(session, route, head)];
  const keySource = exchange.upstream?.keySource;
  if (keySource !== undefined)
    exchange.key = affinityKey(keySource, head, session.client, facts.address);
  exchange.upgrade = upgradeProtocols(exchange, head);
  const hedging = exchange.upstream?.hedging;
  if (hedging !== undefined) exchange.lane = hedgeLaneOf(hedging, route.name, exchange);
  if (route.filters.length === 0) {
    forward(
      session,
      exchange,
      { kind: 'forward', head, edits: undefined, target: undefined },
      route,
      resume,
      nowMs,
    );
    return;
  }
  session.phase = 'filter';
  const pathText = path ?? normalPath(head.bytes, head.target) ?? '/';
  let returned = false;
  runFilters(session, exchange, route, head, { ...range, path: pathText }, nowMs, (verdict) => {
    if (session.exchange !== exchange || session.phase !== 'filter') return;
    const decidedMs = Math.max(nowMs, exchange.wokenMs);
    if (verdict.kind === 'answer') replyForFilter(session, verdict.reply, decidedMs);
    else forward(session, exchange, verdict, route, resume, decidedMs);
    if (returned) resume(session, decidedMs);
  });
  returned = true;
}

type Forward = {
  readonly kind: 'forward';
  readonly head: RequestHead;
  readonly edits: Extract<FilterVerdict, { kind: 'forward' }>['edits'] | undefined;
  readonly target: string | undefined;
};

function forward(
  session: Session,
  exchange: Exchange,
  verdict: Forward,
  { mirror }: Route,
  resume: (session: Session, nowMs: number) => void,
  nowMs: number,
): void {
  const { runtime } = session;
  if (exchange.upstream === undefined) {
    replyWithProblem(session, 503, 'the route has no upstream', nowMs);
    return;
  }
  const sink = runtime.toUpstream;
  const start = sink.length;
  let { edits } = verdict;
  if (exchange.upstream.cookie !== undefined) {
    const taken = takeCookie(exchange.upstream.cookie, verdict.head, edits, nowMs);
    exchange.hold = taken.hold;
    edits = taken.edits;
  }
  const { sessions } = exchange.upstream;
  const mayBeElsewhere =
    sessions !== undefined &&
    findHome(sessions, exchange, verdict.head, session.facts!.address, nowMs);
  putRequestHead(sink, session, exchange, verdict.head, edits, verdict.target);
  noteText(session, 'traceId', runtime.traceIds.traceId);
  noteText(session, 'requestId', runtime.traceIds.requestId);
  keepHead(exchange.head, sink, start, runtime.spareHeads);
  if (exchange.requestDone) endBody(exchange, nowMs);
  exchange.upstream.retryBudget.deposit(nowMs);
  if (isShed(exchange.upstream, runtime.draw, nowMs)) {
    sink.length = start;
    runtime.counters[exchange.upstream.place.base + UPSTREAM_COUNTER.shed]!++;
    replyWithProblem(session, 503, 'too much of late has failed', nowMs);
    return;
  }
  const goesOn =
    (mayBeElsewhere && seekHome(session, exchange, sessions, resume, nowMs)) ||
    beginOrWait(session, exchange, nowMs, true);
  // It goes out later, or never.
  if (session.phase !== 'exchange') sink.length = start;
  if (!goesOn) {
    replyWithProblem(session, 503, 'no server is available', nowMs);
    return;
  }
  if (mirror) beginMirror(session, exchange, mirror, nowMs);
}

/** Whether the request is refused so that the upstream gets the air to recover. */
function isShed({ admission, settings }: Upstream, draw: () => number, nowMs: number): boolean {
  if (admission === undefined || settings.shedding === undefined) return false;
  return !admits(admission, settings.shedding, nowMs, draw());
}

/** A stranger is who he is for the whole connection; a proxy speaks for another client each time. */
function knowClient(session: Session, head: RequestHead): ClientFacts {
  const { client, facts, listener, runtime } = session;
  if (facts?.trust === listener.trust && !facts.isTrusted) return facts;
  const ends = { address: client.remoteAddress, port: listener.port, via: runtime.via };
  session.facts = clientFacts(listener.trust, ends, head);
  return session.facts;
}

/** -1: the filters answer. */
function upstreamIndex(
  { client, facts, runtime }: Session,
  route: Route,
  head: RequestHead,
): number {
  const { split, upstream } = route;
  if (split === undefined) return upstream;
  const key = split.key === undefined ? 0 : affinityKey(split.key, head, client, facts!.address);
  return armOf(split.arms, key, runtime.draw());
}

/**
 * The protocols to offer the server. Never h2c (the balancer would lose sight of the requests), nor
 * with a body, whose end both sides would have to agree on first.
 */
function upgradeProtocols(exchange: Exchange, head: RequestHead): readonly string[] {
  if (!head.upgrade || head.minor === 0 || !exchange.requestDone) return NO_NAMES;
  return listMembers(head.bytes, head.fields, FIELD.upgrade).filter(
    (protocol) => protocol !== 'h2c' && protocol !== 'h2',
  );
}

const NO_NAMES: readonly string[] = [];
/** Method, version and blanks around the longest target. */
const LINE_SLACK = 64;
