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
  EDE_NOT_AUTHORITATIVE,
  EDE_NOT_READY,
  EDE_NOT_SUPPORTED,
  EDE_PROHIBITED,
  FLAG_AA,
  FLAG_TC,
  MESSAGE_LENGTH_MAX,
  RCODE_BADCOOKIE,
  RCODE_FORMERR,
  RCODE_NOERROR,
  RCODE_NOTIMP,
  RCODE_REFUSED,
  RCODE_SERVFAIL,
  RCODE_YXDOMAIN,
  SECTION_ANSWER,
  TYPE_A,
  TYPE_AAAA,
  TYPE_ANY,
  TYPE_AXFR,
  TYPE_HTTPS,
  TYPE_IXFR,
  TYPE_NS,
  TYPE_NXNAME,
  TYPE_OPT,
  TYPE_RRSIG,
  TYPE_SOA,
  UDP_SIZE_MIN,
} from '../dns/constants.ts';
import { COOKIE_ABSENT, COOKIE_BAD } from '../dns/cookie.ts';
import { EDE_NONE, rejectQuery, writeOpt } from '../dns/edns.ts';
import { beginReply, finishReply, truncate } from '../dns/encode.ts';
import {
  PARSE_DROP,
  PARSE_NO_QUESTION,
  PARSE_NOTIMP,
  PARSE_OK,
  parseQuery,
  type Query,
} from '../dns/message.ts';
import type { ZoneTable } from '../zone/compiled-zones.ts';
import {
  DELEGATION,
  HIT,
  lookup,
  NODATA,
  NXDOMAIN,
  REFUSED,
  STEERED,
  YXDOMAIN,
} from '../zone/lookup.ts';
import { ACCESS_REFUSED, accessOf, isListed } from './access.ts';
import { type AnswerTable, classAnswer, outcomeOf } from './answer.ts';
import { type Body, hasType } from './body.ts';
import { writeChain } from './chain.ts';
import { chaosText, writeChaos } from './chaos.ts';
import { type Client, TRANSPORT_UDP } from './client.ts';
import {
  COUNT_ANSWERS,
  COUNT_CLIENT_SUBNET,
  COUNT_COLD,
  COUNT_DELEGATIONS,
  COUNT_DROPPED,
  COUNT_NOT_ALLOWED,
  COUNT_SIGNED_BAD,
  COUNT_SIGNED_GOOD,
  COUNT_SORRY,
  COUNT_TRUNCATED,
  COUNT_UDP_RECEIVED,
  COUNT_UDP_SENT,
  countQuery,
  countQuestion,
  rcodeSlot,
} from './counters.ts';
import { drawOf, stickyDrawOf } from './draw.ts';
import { offerEdns } from './edns-offers.ts';
import { isExplainQuery } from './explain-query.ts';
import { jitteredTtl } from './jitter.ts';
import { limitResponse } from './limit-response.ts';
import { negativeRcode, writeNegative } from './negative.ts';
import type { OutcomeAnswer } from './outcome-answer.ts';
import { DEFER, DROP, SIGN, STREAM } from './outcomes.ts';
import { placeClient } from './place.ts';
import {
  KIND_ANSWER,
  KIND_ERROR,
  KIND_NEGATIVE,
  KIND_REFERRAL,
  type ResponseKind,
} from './rate-limit.ts';
import { writeBody, writeRrset } from './records.ts';
import { writeReferral } from './referral.ts';
import { answerRequest, isServed } from './request.ts';
import { answerSigned } from './signed-query.ts';
import {
  isWildcardDenial,
  writeBodySignatures,
  writeProofs,
  writeSignatures,
  writeWildcardDenial,
} from './signed-records.ts';
import type { Snapshot } from './snapshot.ts';
import { TRANSFER_NONE, TRANSFER_STREAM, transferAsked } from './transfer-asked.ts';
import { isUnheard } from './unheard.ts';
import type { WorkerState } from './worker-state.ts';
import { edeOfStanding, STANDING_GOOD, STANDING_STALE } from './zone-standing.ts';

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
    return answer(worker, snapshot, answers, client, nowMs);
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

/** Largest UDP response: what the client takes, and what we send at all (RFC 6891 6.2.3). */
function udpLimit(query: Query, udpSizeMax: number): number {
  if (!query.hasEdns || query.udpSize < UDP_SIZE_MIN) return UDP_SIZE_MIN;
  return Math.min(query.udpSize, udpSizeMax);
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

function answer(
  worker: WorkerState,
  snapshot: Snapshot,
  answers: AnswerTable,
  client: Client,
  nowMs: number,
): number {
  const { result, query } = worker;
  const table = snapshot.zones;
  const { udpSizeMax } = snapshot;
  let outcome = lookup(table, query, result);
  if (outcome === REFUSED) {
    return finish(worker, RCODE_REFUSED, 0, 0, udpSizeMax, EDE_NOT_AUTHORITATIVE);
  }
  if (isExplainQuery(query) && isListed(snapshot.explainAllow, client)) return DEFER;
  const standing = snapshot.standings[result.zone]!;
  if (standing !== STANDING_GOOD && !isOwnData(worker, snapshot, outcome, standing)) {
    worker.zoneEde = edeOfStanding(standing);
    if (standing !== STANDING_STALE) {
      return finish(worker, RCODE_SERVFAIL, 0, 0, udpSizeMax, EDE_NONE);
    }
  }
  if (!writeChain(worker, table)) return finishTruncated(worker, udpSizeMax, 0);
  if (outcome === STEERED) {
    const service = snapshot.services[result.service]!;
    if (hasType(service, query.qtype)) {
      return answerSteered(worker, snapshot, answers, client, nowMs);
    }
    outcome = NODATA;
  }
  worker.kind = kindOf(outcome);
  switch (outcome) {
    case HIT:
      return writeHit(worker, table)
        ? finishAnswer(worker, snapshot, RCODE_NOERROR, 0)
        : finishTruncated(worker, udpSizeMax, 0);
    case NODATA:
    case NXDOMAIN:
      return writeNegative(worker, table, outcome)
        ? finishAnswer(worker, snapshot, negativeRcode(worker, table, outcome), 0)
        : finishTruncated(worker, udpSizeMax, 0);
    case DELEGATION:
      return refer(worker, snapshot);
    case YXDOMAIN:
      return finishAnswer(worker, snapshot, RCODE_YXDOMAIN, 0);
    default:
      // FOLLOW: the CNAMEs are the answer; where they lead is for others to say.
      return finishAnswer(worker, snapshot, RCODE_NOERROR, 0);
  }
}

/**
 * Whether the answer is this server's, whatever becomes of the zone around it: a steered name's, or of records that
 * came besides the copy, as keys do. Without a copy nothing else is in the table, but for what stands in for the apex.
 */
function isOwnData(
  { query: { qtype }, result }: WorkerState,
  { services }: Snapshot,
  outcome: number,
  standing: number,
): boolean {
  if (outcome === STEERED) return hasType(services[result.service]!, qtype);
  const isStandIn = qtype === TYPE_SOA || qtype === TYPE_NS || qtype === TYPE_ANY;
  return outcome === HIT && standing !== STANDING_STALE && !isStandIn;
}

/** The RRset that was found, with its signatures, or these alone where they are what is asked for. */
function writeHit(worker: WorkerState, table: ZoneTable): boolean {
  const { cursor, query, reply, result } = worker;
  const { rrset, wildcard } = result;
  const { apex, name } = cursor;
  if (isWildcardDenial(worker, table, rrset)) return writeWildcardDenial(worker, rrset);
  if (query.qtype === TYPE_RRSIG) worker.wantsSigned = true;
  else if (!writeRrset(reply, table, SECTION_ANSWER, rrset, name, apex)) return false;
  return writeSignatures(worker, table, SECTION_ANSWER, rrset, name, wildcard);
}

/** Of our own data, with the proofs that belong to it. */
function finishAnswer(
  worker: WorkerState,
  { udpSizeMax, zones }: Snapshot,
  rcode: number,
  scope: number,
): number {
  return writeProofs(worker, zones)
    ? finish(worker, rcode, FLAG_AA, scope, udpSizeMax, EDE_NONE)
    : finishTruncated(worker, udpSizeMax, scope);
}

function kindOf(outcome: number): ResponseKind {
  if (outcome === NODATA || outcome === NXDOMAIN) return KIND_NEGATIVE;
  return outcome === DELEGATION ? KIND_REFERRAL : KIND_ANSWER;
}

/** What this client gets now: addresses, how a service is reached, or an alias, alone (RFC 7871 7.2.1). */
function answerSteered(
  worker: WorkerState,
  snapshot: Snapshot,
  answers: AnswerTable,
  client: Client,
  nowMs: number,
): number {
  const { reply, result, cursor, query, place, counters } = worker;
  worker.kind = KIND_ANSWER;
  const service = snapshot.services[result.service]!;
  const { map } = answers.maps[service.map]!;
  placeClient(place, map.classes.table, query, client);
  const { stageBounds, stages, ttlSeconds } = classAnswer(answers, service.map, place.classId);
  const stageAt =
    stages.length > 1 ? outcomeOf(stageBounds, stickyDrawOf(result.nameHash, place.bucket)) : 0;
  const stage = stages[stageAt]!;
  let index = 0;
  if (stage.outcomes.length > 1) {
    const draw = drawOf(result.nameHash, place.bucket, nowMs, map.ttlMaxSeconds);
    index = outcomeOf(stage.thresholds, draw);
  }
  const chosen = stage.outcomes[index]!;
  const body = service.isAlias ? chosen.alias : recordsFor(chosen, query.qtype);
  const slot = chosen.endpoint < 0 ? COUNT_SORRY : COUNT_ANSWERS + chosen.endpoint;
  counters[slot] = counters[slot]! + 1;
  if (place.fromSubnet) counters[COUNT_CLIENT_SUBNET] = counters[COUNT_CLIENT_SUBNET]! + 1;
  const ttl = jitteredTtl(ttlSeconds, map.ttlMinSeconds, result.nameHash, place.bucket);
  const fits =
    writeBody(reply, body, cursor.name, ttl) &&
    writeBodySignatures(worker, snapshot.zones, body, ttl);
  return fits
    ? finishAnswer(worker, snapshot, RCODE_NOERROR, place.scope)
    : finishTruncated(worker, snapshot.udpSizeMax, place.scope);
}

function recordsFor(chosen: OutcomeAnswer, qtype: number): Body {
  switch (qtype) {
    case TYPE_A:
      return chosen.body4;
    case TYPE_AAAA:
      return chosen.body6;
    default:
      return qtype === TYPE_HTTPS ? chosen.https : chosen.svcb;
  }
}

/** A referral is not authoritative, unless a CNAME of ours led to it (RFC 1034 6.2.7). */
function refer(worker: WorkerState, { zones, udpSizeMax }: Snapshot): number {
  const { result, counters } = worker;
  counters[COUNT_DELEGATIONS] = counters[COUNT_DELEGATIONS]! + 1;
  const fit = writeReferral(worker, zones);
  if (fit === 'not-ns') return finishTruncated(worker, udpSizeMax, 0);
  const authoritative = result.chainLength > 0 ? FLAG_AA : 0;
  if (fit === 'all') {
    return finish(worker, RCODE_NOERROR, authoritative, 0, udpSizeMax, EDE_NONE);
  }
  counters[COUNT_TRUNCATED] = counters[COUNT_TRUNCATED]! + 1;
  return finish(worker, RCODE_NOERROR, authoritative | FLAG_TC, 0, udpSizeMax, EDE_NONE);
}

/** Header, question and OPT only: the client comes back over TCP. */
function finishTruncated(worker: WorkerState, udpSizeMax: number, scope: number): number {
  const { counters, reply, result } = worker;
  counters[COUNT_TRUNCATED] = counters[COUNT_TRUNCATED]! + 1;
  truncate(reply);
  const isReferral = result.outcome === DELEGATION && result.chainLength === 0;
  return finish(worker, RCODE_NOERROR, isReferral ? 0 : FLAG_AA, scope, udpSizeMax, EDE_NONE);
}

function finish(
  worker: WorkerState,
  rcode: number,
  flags: number,
  scope: number,
  udpSizeMax: number,
  edeCode: number,
): number {
  const { counters, reply } = worker;
  const slot = rcodeSlot(rcode);
  counters[slot] = counters[slot]! + 1;
  writeOpt(reply, udpSizeMax, scope, edeCode === EDE_NONE ? worker.zoneEde : edeCode);
  return finishReply(reply, rcode, flags);
}
