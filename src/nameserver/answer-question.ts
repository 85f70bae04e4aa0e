/** What our zones say to a question of class IN: as the look-up finds it, or as it was found before. */
import {
  EDE_NOT_AUTHORITATIVE,
  EDE_STALE_ANSWER,
  FLAG_AA,
  FLAG_TC,
  RCODE_NOERROR,
  RCODE_REFUSED,
  RCODE_SERVFAIL,
  RCODE_YXDOMAIN,
  SECTION_ANSWER,
  TYPE_ANY,
  TYPE_NS,
  TYPE_RRSIG,
  TYPE_SOA,
} from '../dns/constants.ts';
import { EDE_NONE } from '../dns/edns.ts';
import type { ZoneTable } from '../zone/compiled-zones.ts';
import {
  DELEGATION,
  HIT,
  isDname,
  lookup,
  NODATA,
  NXDOMAIN,
  REFUSED,
  STEERED,
  YXDOMAIN,
} from '../zone/lookup.ts';
import { isListed } from './access.ts';
import type { AnswerTable } from './answer.ts';
import { writeChain } from './chain.ts';
import type { Client } from './client.ts';
import { COUNT_DELEGATIONS, COUNT_TRUNCATED } from './counters.ts';
import { isExplainQuery } from './explain-query.ts';
import { finish, finishTruncated } from './finish.ts';
import { subjectOf } from './limit-response.ts';
import { negativeRcode, writeNegative } from './negative.ts';
import { DEFER } from './outcomes.ts';
import { rememberAnswer, rememberSteered } from './packet-cache.ts';
import { KIND_ANSWER, KIND_NEGATIVE, KIND_REFERRAL, type ResponseKind } from './rate-limit.ts';
import { writeBody, writeRrset } from './records.ts';
import { writeReferral } from './referral.ts';
import { hasType } from './services.ts';
import {
  isWildcardDenial,
  wantsSignatures,
  writeBodySignatures,
  writeProofs,
  writeSignatures,
  writeWildcardDenial,
} from './signed-records.ts';
import type { Snapshot } from './snapshot.ts';
import { countSteered, steer } from './steer.ts';
import type { WorkerState } from './worker-state.ts';
import { edeOfStanding, STANDING_GOOD, STANDING_STALE } from './zone-standing.ts';

export function answerQuestion(
  worker: WorkerState,
  snapshot: Snapshot,
  answers: AnswerTable,
  client: Client,
  nowMs: number,
): number {
  const { result, query } = worker;
  const table = snapshot.zones;
  const { udpSizeMax } = snapshot;
  const outcome = lookup(table, query, result);
  if (outcome === REFUSED) {
    return finish(worker, RCODE_REFUSED, 0, 0, udpSizeMax, EDE_NOT_AUTHORITATIVE);
  }
  const isExplain = isExplainQuery(query);
  if (isExplain && isListed(snapshot.explainAllow, client)) return DEFER;
  const standing = snapshot.standings[result.zone]!;
  if (standing !== STANDING_GOOD && !isOwnData(worker, snapshot, outcome, standing)) {
    worker.zoneEde = edeOfStanding(standing);
    if (standing !== STANDING_STALE) {
      return finish(worker, RCODE_SERVFAIL, 0, 0, udpSizeMax, EDE_NONE);
    }
  } else if (isStaleChain(snapshot, worker)) worker.zoneEde = EDE_STALE_ANSWER;
  if (!writeChain(worker, table)) return finishTruncated(worker, udpSizeMax, 0);
  if (outcome === STEERED && hasType(snapshot.services, result.service, query.qtype)) {
    return answerSteered(worker, snapshot, answers, client, nowMs);
  }
  return composeOwn(worker, snapshot, outcome === STEERED ? NODATA : outcome, isExplain);
}

function answerSteered(
  worker: WorkerState,
  snapshot: Snapshot,
  answers: AnswerTable,
  client: Client,
  nowMs: number,
): number {
  const { cache, cursor, place, query, reply, result } = worker;
  const { udpSizeMax, zones } = snapshot;
  worker.kind = KIND_ANSWER;
  if (cache !== undefined && isSteeredAlike(worker, zones)) rememberSteered(cache, query, result);
  const body = steer(worker, snapshot, answers, client, nowMs);
  countSteered(worker);
  const fits =
    writeBody(reply, body, cursor.name, place.ttlSeconds) &&
    writeBodySignatures(worker, zones, body, place.ttlSeconds) &&
    writeProofs(worker, zones);
  return fits
    ? finish(worker, RCODE_NOERROR, FLAG_AA, place.scope, udpSizeMax, EDE_NONE)
    : finishTruncated(worker, udpSizeMax, place.scope);
}

/** Of our own data, in which nothing is steered. */
function composeOwn(
  worker: WorkerState,
  snapshot: Snapshot,
  outcome: number,
  isExplain: boolean,
): number {
  const { zones } = snapshot;
  worker.kind = kindOf(outcome);
  switch (outcome) {
    case HIT:
      return writeHit(worker, zones)
        ? finishAnswer(worker, snapshot, RCODE_NOERROR, isExplain)
        : finishTruncated(worker, snapshot.udpSizeMax, 0);
    case NODATA:
    case NXDOMAIN:
      return writeNegative(worker, zones, outcome)
        ? finishAnswer(worker, snapshot, negativeRcode(worker, zones, outcome), isExplain)
        : finishTruncated(worker, snapshot.udpSizeMax, 0);
    case DELEGATION:
      return refer(worker, snapshot);
    case YXDOMAIN:
      return finishAnswer(worker, snapshot, RCODE_YXDOMAIN, isExplain);
    default:
      // FOLLOW: the CNAMEs are the answer; where they lead is for others to say.
      return finishAnswer(worker, snapshot, RCODE_NOERROR, isExplain);
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
  if (outcome === STEERED) return hasType(services, result.service, qtype);
  const isStandIn = qtype === TYPE_SOA || qtype === TYPE_NS || qtype === TYPE_ANY;
  return outcome === HIT && standing !== STANDING_STALE && !isStandIn;
}

/** Whether an alias that led there is of a copy that has expired; one that may not be answered is not in the table. */
function isStaleChain({ standings }: Snapshot, { result }: WorkerState): boolean {
  const { chainLength, chainZones } = result;
  for (let at = 0; at < chainLength; at += 1) {
    if (standings[chainZones[at]!] === STANDING_STALE) return true;
  }
  return false;
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

/** With the proofs that belong to it. */
function finishAnswer(
  worker: WorkerState,
  { udpSizeMax, zones }: Snapshot,
  rcode: number,
  isExplain: boolean,
): number {
  const { cache, kind, query, reply } = worker;
  if (!writeProofs(worker, zones)) return finishTruncated(worker, udpSizeMax, 0);
  if (cache !== undefined && !isExplain && isForAll(worker, zones)) {
    rememberAnswer(cache, query, kind, subjectOf(worker), rcode, reply);
  }
  return finish(worker, rcode, FLAG_AA, 0, udpSizeMax, EDE_NONE);
}

/** Whether everybody who asks the same gets the same records, until something is changed. */
function isForAll({ isCold, result, zoneEde }: WorkerState, table: ZoneTable): boolean {
  if (isCold || zoneEde !== EDE_NONE) return false;
  const { chain, chainLength } = result;
  // What a DNAME makes of the name is spelled as it was asked for.
  for (let at = 0; at < chainLength; at += 1) if (isDname(table, chain[at]!)) return false;
  return true;
}

/** Likewise of where the look-up led. What has to be signed needs more of it than is remembered. */
function isSteeredAlike(worker: WorkerState, table: ZoneTable): boolean {
  const { query, result } = worker;
  if (result.chainLength > 0 || isExplainQuery(query)) return false;
  return !wantsSignatures(worker, table, result.zone);
}

function kindOf(outcome: number): ResponseKind {
  if (outcome === NODATA || outcome === NXDOMAIN) return KIND_NEGATIVE;
  return outcome === DELEGATION ? KIND_REFERRAL : KIND_ANSWER;
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
