import type { PageReading } from '../clients/page-report.ts';
import type { FilterResponse } from '../filter/filter.ts';
import type { ByteSink } from '../http/byte-sink.ts';
import { createByteSink } from '../http/byte-sink.ts';
import type { ChunkedDecoder } from '../http/chunked.ts';
import type { RequestHead, ResponseHead } from '../http/head.ts';
import { createRequestHead, createResponseHead } from '../http/head.ts';
import type { EndReason } from './access-line.ts';
import type { AccessEntry, AccessLog } from './access-log.ts';
import type { CookieHold } from './cookie-affinity.ts';
import { type CounterPlace, LISTENER_COUNTER } from './counters.ts';
import { createHeadCopy, dropHead, type HeadCopy, type SpareHeads } from './head-copy.ts';
import type { Hedge } from './hedge.ts';
import type { HedgeLane } from './hedge-lane.ts';
import type { Inbox } from './inbox.ts';
import { createInbox, inboxLength } from './inbox.ts';
import type { Mirror } from './mirror.ts';
import { dropReplay } from './replay.ts';
import { endExchange, type RouteCounters } from './request-counts.ts';
import { GONE, type Roll } from './roll.ts';
import type { RouteTable } from './route.ts';
import type { SlowReader } from './slow-reader.ts';
import type { BalancerLimits, TraceSnapshot } from './snapshot.ts';
import type { ServerEvent } from './standing.ts';
import type { BalancerSurroundings, SharedSessions } from './surroundings.ts';
import type { TraceIds } from './trace.ts';
import { type ClientFacts, type Trust, viaLines } from './trust.ts';
import type { Upstream, UpstreamServer } from './upstream.ts';
import type { Connect, UpstreamConnection } from './upstream-connection.ts';
import { discardConnection } from './upstream-connection.ts';
import type { Wire, WireHandlers } from './wire.ts';

/**
 * The state of one client connection and of the exchange that is under way on it; `exchange.ts`
 * drives it. Plain records: every transition is an assignment in one of the few files that know
 * them.
 *
 *   head     waiting for a request or in the middle of its head
 *   filter   a filter has not called back yet
 *   seek     waiting for the table of all nodes to say on which server the session is (5 ms at most)
 *   connect  waiting for a connection to a server
 *   queue    waiting for a server with room
 *   wait     a while before the next attempt
 *   exchange request and response under way, in either order, perhaps both at once
 *   tunnel   after 101: bytes both ways, no protocol
 *   linger   told to go; what still comes is read and dropped, so that our last words are not lost
 *            to a reset (RFC 9112 section 9.6)
 *   closed   nothing any more
 */
export type Phase =
  | 'head'
  | 'filter'
  | 'seek'
  | 'connect'
  | 'queue'
  | 'wait'
  | 'exchange'
  | 'tunnel'
  | 'linger'
  | 'closed';

/** What the page of a client says of its ways. */
export type PageReport = { readonly address: string; readonly readings: readonly PageReading[] };

export type Session = {
  readonly runtime: BalancerRuntime;
  readonly listener: Listener;
  readonly client: Wire;
  /** Among all sessions (roll.ts). */
  place: number;
  /** For connections to servers; set once, when the session is there. */
  upstreamHandlers: WireHandlers;
  phase: Phase;
  /** Client bytes that could not be used yet. */
  readonly inbox: Inbox;
  /** Octets of the inbox in which no end of head was found. */
  headScanned: number;
  skippedEmptyLine: boolean;
  /** Octets of a head and its body that must have come before its route can be chosen; 0 = no such wait. */
  bodyAwaited: number;
  /** When the first octet of the present head came; 0 between requests. */
  headSinceMs: number;
  idleSinceMs: number;
  /** Whether a request was ever answered here. */
  requests: number;
  clientEnded: boolean;
  /** The client does not take what was written. */
  clientBlocked: boolean;
  clientPaused: boolean;
  /** The response broke off: the client must see a reset, never an orderly end. */
  cut: boolean;
  /** Our side is to be finished once what was put has been written. */
  endAfterFlush: boolean;
  /** Last byte from, and last progress towards, the client. */
  clientReadMs: number;
  clientWriteMs: number;
  readonly reader: SlowReader;
  lingerUntilMs: number;
  lingerBytes: number;
  exchange: Exchange | undefined;
  /** Its line in the access log; undefined when there is none. */
  entry: AccessEntry | undefined;
  /** Octets written to the client. */
  bytesOut: number;
  /** Who the client is (trust.ts), from the first request on. */
  facts: ClientFacts | undefined;
};

export type BodyMode = 'none' | 'length' | 'chunked' | 'close';

/** One request and its response. */
export type Exchange = {
  readonly method: string;
  readonly minor: number;
  readonly nominated: readonly string[];
  /** The client wants to keep the connection. */
  keepAlive: boolean;
  /** Protocols of an Upgrade that was passed on, lower case; empty when none was. */
  upgrade: readonly string[];
  readonly startedMs: number;
  requestMode: BodyMode;
  requestRemaining: number;
  requestBodyBytes: number;
  requestDone: boolean;
  requestDecoder: ChunkedDecoder | undefined;
  /** For a retry. */
  readonly head: HeadCopy;
  /** What a filter waits for. */
  wake: { readonly atMs: number; readonly then: () => void } | undefined;
  /** When it was woken; 0 = it was not. */
  wokenMs: number;
  responseHandlers: ((response: FilterResponse) => void)[];
  /** A copy that is gathered; undefined when there is none. */
  mirror: Mirror | undefined;
  upstream: Upstream | undefined;
  /** Hash of what the request is kept on its server by; 0 = it is not. */
  key: number;
  /** What its cookie says of the server; undefined where the upstream has no cookies. */
  hold: CookieHold | undefined;
  /** Its session in a table: the halves of the key as int32, both 0 = none, and the server it was on, 0 = none. */
  sessionHigh: number;
  sessionLow: number;
  sessionServer: number;
  server: UpstreamServer | undefined;
  connection: UpstreamConnection | undefined;
  connectUntilMs: number;
  attemptMs: number;
  isTunnel: boolean;
  /** Its response is a stream of events, which may be silent for long. */
  isEvents: boolean;
  /** Where it waits to be hedged, at the time after; undefined when it cannot be, or is answered. */
  lane: HedgeLane | undefined;
  hedgeAtMs: number;
  /** A second attempt; undefined when there is none. */
  hedge: Hedge | undefined;
  /** Attempts that count for the limit of retries, and all of them. */
  attempts: number;
  sends: number;
  /** Its first attempt went where its session was before. */
  wasHome: boolean;
  /** That server lives, but could not answer it: another one does this time, and the session stays. */
  isAway: boolean;
  /** Where earlier attempts failed. */
  tried: readonly UpstreamServer[];
  /** The attempt that is under way was taken out of the budget. */
  isRetry: boolean;
  /** In the queue of the upstream; -1 = it does not wait there. */
  ticket: number;
  /** When the present wait ends. */
  waitUntilMs: number;
  /** When the request had come whole. */
  wholeMs: number;
  /** The response must have begun by then; infinite until the request has come whole. */
  deadlineMs: number;
  /** All of the body that was sent on is at hand. */
  bodyReplayable: boolean;
  replay: ByteSink | undefined;
  replayBytes: number;
  /** Last sign of life of the server, or of us towards it. */
  upstreamMs: number;
  upstreamBlocked: boolean;
  responseInbox: Inbox;
  responseScanned: number;
  /** A byte of a response to the present attempt has come. */
  responseSeen: boolean;
  interimResponses: number;
  /** The final head has gone to the client. */
  responseStarted: boolean;
  responseDone: boolean;
  responseMode: BodyMode;
  responseRemaining: number;
  responseDecoder: ChunkedDecoder | undefined;
  responseNominated: readonly string[];
  /** The client gets the body in the chunked coding. */
  chunkedToClient: boolean;
  closeAfter: boolean;
  upstreamReusable: boolean;
  /** What the client got, or gets; 0 = nothing yet. */
  status: number;
  /** How long the response took to begin. */
  answerMs: number;
  /** Where its route is counted; undefined until there is one, or where nobody counts. */
  place: CounterPlace | undefined;
  /** Why it ended, as soon as that is known. */
  end: EndReason | undefined;
  /** Octets from the client; those that the connection had sent before. */
  bytesIn: number;
  bytesOutBefore: number;
  /** How long the server wants to be spared (`sparedMs`); -1 = it has not said so. */
  retryAfterMs: number;
};

export type Listener = {
  readonly name: string;
  address: string;
  port: number;
  routes: RouteTable;
  /** Who has finished its side has left. */
  abortOnClose: boolean;
  trust: Trust;
  trace: TraceSnapshot;
  counterBase: number;
  /** By place in its list; empty where routes are not counted. */
  routeCounters: readonly CounterPlace[];
  draining: boolean;
};

/** What sessions of one worker share. */
export type BalancerRuntime = {
  readonly connect: Connect;
  /** A random number in [0, 1). */
  readonly draw: () => number;
  limits: BalancerLimits;
  via: string;
  /** Whole lines of Via for messages of HTTP/1.0 and HTTP/1.1 that come. */
  viaLines: readonly [Uint8Array, Uint8Array];
  /** Undefined = off. */
  accessLog: AccessLog | undefined;
  /** Sessions that nodes share; undefined = nobody to ask. */
  readonly shared: SharedSessions | undefined;
  upstreams: readonly Upstream[];
  counters: Float64Array;
  readonly routeCounters: RouteCounters;
  stopping: boolean;
  /** Of the last tick, for what happens between events. */
  nowMs: number;
  /** What is to be told of servers. */
  readonly events: ServerEvent[];
  /** What pages have said since the last tick. */
  readonly pageReports: PageReport[];
  /** Sessions in the phase `wait`. */
  readonly waiting: Set<Session>;
  /** Lanes that somebody waits in. */
  readonly hedgeLanes: HedgeLane[];
  /** Sessions in the phase `queue`. */
  queued: number;
  /** Those who wait are being seen to. */
  isServingQueues: boolean;
  /** Asks to be called back in so many milliseconds, for what cannot wait for a tick. */
  readonly wakeAfter: (ms: number) => void;
  /** Octets of bodies that are kept to be sent once more. */
  replayBytes: number;
  readonly sessions: Roll;
  readonly mirrors: Set<Mirror>;
  /** Scratch: heads and sinks are used within one event only. */
  readonly requestHead: RequestHead;
  readonly responseHead: ResponseHead;
  readonly toClient: ByteSink;
  readonly toUpstream: ByteSink;
  readonly spareHeads: SpareHeads;
  /** Of the head that was put last. */
  readonly traceIds: TraceIds;
  dateSecond: number;
  dateText: string;
};

export function createRuntimeState(
  connect: Connect,
  draw: () => number,
  limits: BalancerLimits,
  { outboxes, shared, wakeAfter = () => {} }: BalancerSurroundings,
): BalancerRuntime {
  return {
    connect,
    draw,
    limits,
    via: '',
    viaLines: viaLines(''),
    accessLog: undefined,
    shared,
    upstreams: [],
    counters: new Float64Array(0),
    routeCounters: new Map(),
    stopping: false,
    nowMs: 0,
    events: [],
    pageReports: [],
    waiting: new Set(),
    hedgeLanes: [],
    queued: 0,
    isServingQueues: false,
    wakeAfter,
    replayBytes: 0,
    sessions: [],
    mirrors: new Set(),
    requestHead: createRequestHead(),
    responseHead: createResponseHead(),
    toClient: outboxes?.[0] ?? createByteSink(SINK_BYTES),
    toUpstream: outboxes?.[1] ?? createByteSink(SINK_BYTES),
    spareHeads: [],
    traceIds: { traceId: '', requestId: '' },
    dateSecond: -1,
    dateText: '',
  };
}

export function createSession(
  runtime: BalancerRuntime,
  listener: Listener,
  client: Wire,
  nowMs: number,
): Session {
  return {
    runtime,
    listener,
    client,
    place: GONE,
    upstreamHandlers: DEAF,
    phase: 'head',
    inbox: createInbox(),
    headScanned: 0,
    skippedEmptyLine: false,
    bodyAwaited: 0,
    headSinceMs: 0,
    idleSinceMs: nowMs,
    requests: 0,
    clientEnded: false,
    clientBlocked: false,
    clientPaused: false,
    cut: false,
    endAfterFlush: false,
    clientReadMs: nowMs,
    clientWriteMs: nowMs,
    reader: { taken: 0, askMs: 0 },
    lingerUntilMs: 0,
    lingerBytes: 0,
    exchange: undefined,
    entry: undefined,
    bytesOut: 0,
    facts: undefined,
  };
}

export function createExchange(
  head: RequestHead,
  nominated: readonly string[],
  nowMs: number,
): Exchange {
  const mode: BodyMode = head.chunked ? 'chunked' : head.contentLength > 0 ? 'length' : 'none';
  return {
    method: head.method,
    minor: head.minor,
    nominated,
    keepAlive: !head.close && (head.minor === 1 || head.keepAlive),
    upgrade: [],
    startedMs: nowMs,
    requestMode: mode,
    requestRemaining: Math.max(0, head.contentLength),
    requestBodyBytes: 0,
    requestDone: mode === 'none',
    requestDecoder: undefined,
    head: createHeadCopy(),
    wake: undefined,
    wokenMs: 0,
    responseHandlers: [],
    mirror: undefined,
    upstream: undefined,
    hold: undefined,
    sessionHigh: 0,
    sessionLow: 0,
    sessionServer: 0,
    key: 0,
    server: undefined,
    connection: undefined,
    connectUntilMs: 0,
    attemptMs: nowMs,
    isTunnel: false,
    isEvents: false,
    lane: undefined,
    hedgeAtMs: 0,
    hedge: undefined,
    attempts: 1,
    sends: 0,
    wasHome: false,
    isAway: false,
    tried: NO_SERVERS,
    isRetry: false,
    ticket: -1,
    waitUntilMs: 0,
    wholeMs: 0,
    deadlineMs: Number.POSITIVE_INFINITY,
    bodyReplayable: true,
    replay: undefined,
    replayBytes: 0,
    upstreamMs: nowMs,
    upstreamBlocked: false,
    responseInbox: createInbox(),
    responseScanned: 0,
    responseSeen: false,
    interimResponses: 0,
    responseStarted: false,
    responseDone: false,
    responseMode: 'none',
    responseRemaining: 0,
    responseDecoder: undefined,
    responseNominated: [],
    chunkedToClient: false,
    closeAfter: false,
    upstreamReusable: false,
    status: 0,
    answerMs: 0,
    place: undefined,
    end: undefined,
    bytesIn: 0,
    bytesOutBefore: 0,
    retryAfterMs: -1,
  };
}

/** Lets go of the connection to the server without reuse; what was put for it is void. */
export function dropConnection(session: Session): void {
  const connection = session.exchange?.connection;
  session.runtime.toUpstream.length = 0;
  if (session.exchange) session.exchange.connection = undefined;
  if (connection) discardConnection(connection);
}

/** What the exchange has kept to be sent once more is void. */
export function dropExchange(session: Session): void {
  const { exchange, runtime } = session;
  if (exchange === undefined) return;
  dropHead(exchange.head, runtime.spareHeads);
  if (exchange.replay) dropReplay(runtime, exchange);
  session.exchange = undefined;
}

/** Marks the end of the exchange and goes on to the next head, or out. */
export function leaveExchange(session: Session, keep: boolean, nowMs: number): void {
  if (session.exchange) endExchange(session, session.exchange, 'done', nowMs);
  dropExchange(session);
  session.requests++;
  session.headSinceMs = 0;
  session.headScanned = 0;
  session.skippedEmptyLine = false;
  session.idleSinceMs = nowMs;
  if (keep) {
    session.phase = 'head';
    return;
  }
  startLinger(session, nowMs);
}

/** Finishes our side and reads on for a while, or the client might lose the end of the response. */
export function startLinger(session: Session, nowMs: number): void {
  session.phase = 'linger';
  session.endAfterFlush = true;
  session.lingerUntilMs = nowMs + session.runtime.limits.lingerTimeoutMs;
  session.lingerBytes = session.inbox.end - session.inbox.start;
  session.inbox.start = session.inbox.end = 0;
}

/** Cuts the connection in the middle of a response. */
export function cutClient(session: Session): void {
  dropConnection(session);
  session.cut = true;
  session.phase = 'closed';
}

/** Whether a response that starts now may leave the client connection open. */
export function mayKeepClient(session: Session, exchange: Exchange): boolean {
  return (
    exchange.keepAlive &&
    exchange.requestDone &&
    (!session.clientEnded || inboxLength(session.inbox) > 0) &&
    !session.listener.draining &&
    !session.runtime.stopping
  );
}

export function countStatus(session: Session, status: number): void {
  const { counters } = session.runtime;
  const digit = Math.min(5, Math.floor(status / 100));
  counters[session.listener.counterBase + LISTENER_COUNTER.status + digit]!++;
}

const DEAF: WireHandlers = { onOpen() {}, onData() {}, onEnd() {}, onDrain() {}, onClose() {} };
const NO_SERVERS: readonly UpstreamServer[] = [];
const SINK_BYTES = 80 * 1024;
