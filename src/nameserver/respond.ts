/**
 * One query's bytes in, one reply's bytes out: the whole nameserver as a function, the same for
 * every transport. Synchronous, never throws, allocates nothing, writes only into `reply`; what
 * it needs was computed before (snapshot, answers). Reads as the table of outcomes that it is.
 *
 *   not a query                                silence
 *   NOTIFY, where a zone is a copy             DEFER_NOTIFY, from primaries or signed; else REFUSED
 *   UPDATE that a known key has signed         DEFER_UPDATE, where zones take any; else REFUSED, NOTAUTH
 *   from networks in `deny`, or a service that
 *   answers whatever it is sent                silence
 *   malformed, other opcode, EDNS version > 0  FORMERR, NOTIMP, BADVERS
 *   no snapshot yet                            SERVFAIL
 *   from networks not in `allow`               REFUSED, but for transfers, which have a list of their own
 *   no question, but a cookie                  NOERROR or BADCOOKIE, with a cookie
 *   class CHAOS                                what the node says of itself, or REFUSED
 *   zone transfer, over a stream               STREAM
 *   signed with a key                          what is asked, signed; else NOTAUTH
 *   other classes, other zone transfer         REFUSED
 *   types that are no data                     NOTIMP, FORMERR
 *   TXT of _explain.NAME, from where it may    DEFER
 *   a zone whose copy is missing or too old    SERVFAIL, but for what is steered
 *   else the zone look-up's outcome            answer, negative answer, referral, REFUSED
 *   signed under a name that nobody foresaw    SIGN
 *
 * The client subnet is echoed in every response to an accepted query that had it, with scope 0 but
 * for steered addresses (RFC 7871 7.2.1, and 7.4: resolvers treat negatives as if for everybody).
 */
import {
  CLASS_CH,
  CLASS_IN,
  EDE_INVALID_QUERY_TYPE,
  EDE_NOT_READY,
  EDE_NOT_SUPPORTED,
  EDE_PROHIBITED,
  FLAG_AA,
  MESSAGE_LENGTH_MAX,
  RCODE_BADCOOKIE,
  RCODE_FORMERR,
  RCODE_NOERROR,
  RCODE_NOTIMP,
  RCODE_REFUSED,
  RCODE_SERVFAIL,
  TYPE_ANY,
  TYPE_AXFR,
  TYPE_IXFR,
  TYPE_NXNAME,
  TYPE_OPT,
  UDP_SIZE_MIN,
} from '../dns/constants.ts';
import { COOKIE_ABSENT, COOKIE_BAD } from '../dns/cookie.ts';
import { EDE_NONE, rejectQuery } from '../dns/edns.ts';
import { beginReply, truncate } from '../dns/encode.ts';
import {
  PARSE_DROP,
  PARSE_NO_QUESTION,
  PARSE_NOTIMP,
  PARSE_OK,
  parseQuery,
} from '../dns/message.ts';
import { ACCESS_REFUSED, accessOf } from './access.ts';
import { answerQuestion } from './answer-question.ts';
import { chaosText, writeChaos } from './chaos.ts';
import { type Client, TRANSPORT_UDP } from './client.ts';
import {
  COUNT_COLD,
  COUNT_DROPPED,
  COUNT_NOT_ALLOWED,
  COUNT_SIGNED_BAD,
  COUNT_SIGNED_GOOD,
  COUNT_TRUNCATED,
  COUNT_UDP_RECEIVED,
  COUNT_UDP_SENT,
  countQuery,
  countQuestion,
  rcodeSlot,
} from './counters.ts';
import { offerEdns } from './edns-offers.ts';
import { finish } from './finish.ts';
import { limitResponse } from './limit-response.ts';
import { DROP, SIGN, STREAM } from './outcomes.ts';
import { KIND_ERROR } from './rate-limit.ts';
import { answerRequest, isServed } from './request.ts';
import { answerSigned } from './signed-query.ts';
import type { Snapshot } from './snapshot.ts';
import { TRANSFER_NONE, TRANSFER_STREAM, transferAsked } from './transfer-asked.ts';
import { udpLimit } from './udp-limit.ts';
import { isUnheard } from './unheard.ts';
import type { WorkerState } from './worker-state.ts';

/** QTYPEs from here to ANY are no data but requests for an action (RFC 6895 3.1). */
const META_TYPE_MIN = 128;

/**
 * Answers the query in the first `length` bytes of `query`.
 *
 * @param nowMs milliseconds since the epoch, for draws between outcomes
 * @param reply where the response goes; may be `query` itself; at least 512 bytes (TCP: 65535)
 * @returns the response's length in bytes, or DROP, DEFER…, STREAM, SIGN
 */
export function respond(
  worker: WorkerState,
  client: Client,
  query: Uint8Array,
  length: number,
  nowMs: number,
  reply: Uint8Array,
): number {
  worker.cookie = COOKIE_ABSENT;
  worker.kind = KIND_ERROR;
  worker.zoneEde = EDE_NONE;
  worker.isCold = false;
  worker.proofCount = 0;
  const outcome = compose(worker, client, query, length, nowMs, reply);
  const sent = settle(worker, client, outcome, nowMs);
  if (client.transport === TRANSPORT_UDP) countOctets(worker, length, sent);
  return sent;
}

/** The limits have the last word, and who signs is asked after them. */
function settle(worker: WorkerState, client: Client, outcome: number, nowMs: number): number {
  if (outcome <= 0 || worker.signer !== undefined) return outcome;
  const limited = limitResponse(worker, client, outcome, nowMs);
  if (!worker.isCold || limited !== outcome) return limited;
  worker.counters[COUNT_COLD] = worker.counters[COUNT_COLD]! + 1;
  return SIGN;
}

function countOctets({ counters }: WorkerState, received: number, sent: number): void {
  counters[COUNT_UDP_RECEIVED] = counters[COUNT_UDP_RECEIVED]! + received;
  if (sent > 0) counters[COUNT_UDP_SENT] = counters[COUNT_UDP_SENT]! + sent;
}

/** The response, whoever it is for. */
function compose(
  worker: WorkerState,
  client: Client,
  query: Uint8Array,
  length: number,
  nowMs: number,
  reply: Uint8Array,
): number {
  const { counters, snapshot, answers } = worker;
  const parsed = worker.query;
  countQuery(counters, client.transport);
  if (isUnheard(worker, client)) return DROP;
  const parse = parseQuery(parsed, query, length);
  const udpSizeMax = snapshot === undefined ? UDP_SIZE_MIN : snapshot.udpSizeMax;
  if (parse === PARSE_NOTIMP && isServed(snapshot, parsed, client)) {
    return answerRequest(worker, snapshot, client, query.subarray(0, length), nowMs, reply);
  }
  if (parse !== PARSE_OK && parse !== PARSE_NO_QUESTION) {
    const slot = parse === PARSE_DROP ? COUNT_DROPPED : rcodeSlot(parse);
    counters[slot] = counters[slot]! + 1;
    return rejectQuery(worker.reply, reply, parsed, query, parse, udpSizeMax);
  }
  worker.wantsSigned = parsed.ednsDo;
  countQuestion(counters, parsed.qtype);
  const limit =
    client.transport === TRANSPORT_UDP ? udpLimit(parsed, udpSizeMax) : MESSAGE_LENGTH_MAX;
  beginReply(worker.reply, reply, parsed, query, limit);
  if (snapshot === undefined || answers === undefined) {
    return finish(worker, RCODE_SERVFAIL, 0, 0, udpSizeMax, EDE_NOT_READY);
  }
  if (parsed.hasTsig && transferAsked(snapshot, parsed, client) !== TRANSFER_STREAM) {
    return composeSigned(
      worker,
      snapshot,
      client,
      new Uint8Array(query.subarray(0, length)),
      nowMs,
      reply,
    );
  }
  offerEdns(worker, snapshot.identity, client, query, nowMs);
  const transfer = transferAsked(snapshot, parsed, client);
  if (transfer === TRANSFER_NONE && accessOf(snapshot.access, client) === ACCESS_REFUSED) {
    counters[COUNT_NOT_ALLOWED] = counters[COUNT_NOT_ALLOWED]! + 1;
    return finish(worker, RCODE_REFUSED, 0, 0, udpSizeMax, EDE_PROHIBITED);
  }
  if (parse === PARSE_NO_QUESTION) {
    // Whoever asks whether its cookie is still good is told (RFC 7873 5.4).
    const rcode = worker.cookie === COOKIE_BAD ? RCODE_BADCOOKIE : RCODE_NOERROR;
    return finish(worker, rcode, 0, 0, udpSizeMax, EDE_NONE);
  }
  if (parsed.qclass === CLASS_CH) return answerChaos(worker, snapshot);
  if (parsed.qclass === CLASS_IN && isData(parsed.qtype)) {
    return answerQuestion(worker, snapshot, answers, client, nowMs);
  }
  if (transfer === TRANSFER_STREAM) return STREAM;
  if (transfer === TRANSFER_NONE) return refuse(worker, udpSizeMax);
  truncate(worker.reply);
  return finish(worker, RCODE_NOERROR, 0, 0, udpSizeMax, EDE_NONE);
}

/** Apart, for what a closure captures is allocated with every call of the function around it. */
function composeSigned(
  worker: WorkerState,
  { tsigKeys, udpSizeMax }: Snapshot,
  client: Client,
  bytes: Uint8Array,
  nowMs: number,
  reply: Uint8Array,
): number {
  const { query } = worker;
  const limit = client.transport === TRANSPORT_UDP ? udpLimit(query, udpSizeMax) : reply.length;
  const { counters } = worker;
  let slot = COUNT_SIGNED_BAD;
  const length = answerSigned(
    query,
    bytes,
    tsigKeys,
    nowMs,
    reply,
    limit,
    udpSizeMax,
    (unsigned) => {
      slot = COUNT_SIGNED_GOOD;
      return compose(worker, client, unsigned, unsigned.length, nowMs, reply);
    },
  );
  counters[slot] = counters[slot]! + 1;
  return length;
}

/** Whether the type can be answered with records. */
function isData(qtype: number): boolean {
  return (qtype < META_TYPE_MIN || qtype >= TYPE_ANY) && qtype !== TYPE_OPT;
}

/** What this server does not do. */
function refuse(worker: WorkerState, udpSizeMax: number): number {
  const { qclass, qtype } = worker.query;
  if (qclass !== CLASS_IN) {
    return finish(worker, RCODE_REFUSED, 0, 0, udpSizeMax, EDE_NOT_SUPPORTED);
  }
  switch (qtype) {
    case TYPE_AXFR:
    case TYPE_IXFR:
      return finish(worker, RCODE_REFUSED, 0, 0, udpSizeMax, EDE_PROHIBITED);
    // Neither is ever asked for (RFC 6891 6.1.1, RFC 9824 3.5).
    case TYPE_OPT:
    case TYPE_NXNAME:
      return finish(worker, RCODE_FORMERR, 0, 0, udpSizeMax, EDE_INVALID_QUERY_TYPE);
    default:
      return finish(worker, RCODE_NOTIMP, 0, 0, udpSizeMax, EDE_INVALID_QUERY_TYPE);
  }
}

function answerChaos(worker: WorkerState, { identity, udpSizeMax }: Snapshot): number {
  const { counters, query, reply } = worker;
  const text = chaosText(query, identity);
  if (text === undefined) {
    return finish(worker, RCODE_REFUSED, 0, 0, udpSizeMax, EDE_PROHIBITED);
  }
  if (!writeChaos(reply, text)) {
    counters[COUNT_TRUNCATED] = counters[COUNT_TRUNCATED]! + 1;
    truncate(reply);
  }
  return finish(worker, RCODE_NOERROR, FLAG_AA, 0, udpSizeMax, EDE_NONE);
}
