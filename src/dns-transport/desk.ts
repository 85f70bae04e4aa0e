import { EDE_NOT_READY, RCODE_REFUSED, UDP_SIZE_MIN } from '../dns/constants.ts';
import { rejectQuery } from '../dns/edns.ts';
import type { Tap } from '../dnstap/tap.ts';
import type { Connection } from '../io/stream.ts';
import { setSourceAddress } from '../ip/source.ts';
import { ACCESS_DENIED, accessOf } from '../nameserver/access.ts';
import { answerBusy } from '../nameserver/busy.ts';
import {
  type Client,
  createClient,
  setLocalAddress,
  type Transport,
} from '../nameserver/client.ts';
import { COUNT_DENIED } from '../nameserver/counters.ts';
import { countDeferred, type DeferKind, deferKind } from '../nameserver/defer.ts';
import type { Stopwatch } from '../nameserver/durations.ts';
import { DROP, SIGN, STREAM } from '../nameserver/outcomes.ts';
import { respond } from '../nameserver/respond.ts';
import { answerTransfer, type TransferReply } from '../nameserver/transfer-out.ts';
import type { WorkerState } from '../nameserver/worker-state.ts';
import type { Session, Sessions } from './sessions.ts';

/** Where the transports of a stream worker bring their queries. */
export type Desk = {
  readonly worker: WorkerState;
  nowMs(): number;
  /** Undefined = nobody wants to know of queries. */
  tap(): Tap | undefined;
  /** Of queries that are answered at once: begun here, and ended by who sends the reply. */
  readonly stopwatch: Stopwatch;
  /**
   * Hands a query to whoever has time for it; the reply comes later, or undefined when nobody had.
   * False when there is no room for it.
   */
  defer(
    kind: DeferKind,
    message: Uint8Array,
    client: Client,
    nowMs: number,
    take: (reply: Uint8Array | undefined) => void,
  ): boolean;
  /** Likewise, to whoever has the keys of zones. */
  sign(
    message: Uint8Array,
    client: Client,
    nowMs: number,
    take: (reply: Uint8Array | undefined) => void,
  ): boolean;
};

/** A place for a connection that has just come; undefined = it is destroyed, for its client has too many, or none. */
export function enter(
  { nowMs, worker }: Desk,
  sessions: Sessions,
  connection: Connection,
  transport: Transport,
): Session | undefined {
  const { counters, snapshot } = worker;
  const client = clientOf(connection, transport);
  if (accessOf(snapshot?.access, client) !== ACCESS_DENIED) {
    return sessions.open(connection, nowMs());
  }
  counters[COUNT_DENIED]! += 1;
  connection.destroy();
  return undefined;
}

export function clientOf(
  { localAddress, localPort, remoteAddress, remotePort }: ConnectionEnds,
  transport: Transport,
): Client {
  const client = createClient(transport);
  const isIpv6 = remoteAddress.includes(':');
  setSourceAddress(client, remoteAddress, isIpv6);
  client.port = remotePort;
  client.localPort = localPort;
  // A proxy may speak for a client of the other family.
  if (localAddress.includes(':') === isIpv6) setLocalAddress(client, localAddress);
  return client;
}

type ConnectionEnds = Pick<
  Connection,
  'localAddress' | 'localPort' | 'remoteAddress' | 'remotePort'
>;

/** A reply later than now. */
export const LATER = -1;
/** Nothing to say to this: the peer breaks the protocol. */
export const NOTHING = 0;
/** The reply is many messages: transferFrom(). */
export const MANY = -2;

/**
 * Answers a query into `reply`, or later through `take`.
 * @returns the length of the reply, LATER, NOTHING, or MANY over a stream of DNS
 */
export function askDesk(
  desk: Desk,
  client: Client,
  message: Uint8Array,
  reply: Uint8Array,
  take: Take,
): number {
  const { stopwatch } = desk;
  stopwatch.begin(1);
  const length = answerNoted(desk, client, message, reply, take);
  if (length <= 0) stopwatch.cancel();
  return length;
}

type Take = (reply: Uint8Array | undefined) => void;

function answerNoted(
  desk: Desk,
  client: Client,
  message: Uint8Array,
  reply: Uint8Array,
  take: Take,
): number {
  const tap = desk.tap();
  const now = desk.nowMs();
  if (tap === undefined || !tap.query(client, message, message.length, now)) {
    return answer(desk, client, message, reply, now, take);
  }
  let note: ReturnType<Tap['later']> | undefined;
  const length = answer(desk, client, message, reply, now, (late) => {
    if (late !== undefined) note?.(late);
    take(late);
  });
  if (length === LATER) note = tap.later(client);
  else if (length > 0) tap.response(client, reply, length);
  return length;
}

function answer(
  { defer, sign, worker }: Desk,
  client: Client,
  message: Uint8Array,
  reply: Uint8Array,
  now: number,
  take: Take,
): number {
  const length = respond(worker, client, message, message.length, now, reply);
  if (length === STREAM) return MANY;
  if (length >= DROP) return length;
  if (length === SIGN) {
    const isTaken = sign(message, client, now, take);
    return isTaken ? LATER : answerBusy(worker, client, message, reply);
  }
  const kind = deferKind(length);
  const isTaken = defer(kind, message, client, now, (late) => {
    countDeferred(worker.counters, kind, late);
    take(late);
  });
  if (isTaken) return LATER;
  countDeferred(worker.counters, kind, undefined);
  return NOTHING;
}

/** The messages that answer the request for a transfer that was asked last; they are made as they are taken. */
export function transferFrom(
  { nowMs, worker }: Desk,
  client: Client,
  message: Uint8Array,
): TransferReply {
  const { snapshot } = worker;
  if (snapshot === undefined) return [];
  // Both are used again for the next query.
  const query = structuredClone(worker.query);
  const wallSeconds = (): number => Math.floor(nowMs() / 1000);
  const { transfers, tsigKeys, udpSizeMax } = snapshot;
  const bytes = new Uint8Array(message);
  return answerTransfer(transfers, tsigKeys, query, bytes, client, wallSeconds, udpSizeMax);
}

/** The refusal, into `reply`, of what was asked last by a client that may have it when less is under way. */
export function refuseForNow({ worker }: Desk, message: Uint8Array, reply: Uint8Array): number {
  const { query, snapshot } = worker;
  const udpSizeMax = snapshot?.udpSizeMax ?? UDP_SIZE_MIN;
  return rejectQuery(worker.reply, reply, query, message, RCODE_REFUSED, udpSizeMax, EDE_NOT_READY);
}
