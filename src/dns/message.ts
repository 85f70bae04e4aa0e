/**
 * Parsing of queries on the hot path: bytes in, one reused record out. One pass over the message;
 * the name is copied once (lower-cased), the ECS address once, everything else is numbers. Costs
 * about `length` byte reads and `qname + 20` byte writes; no allocation, no exception, no loop that
 * is not bounded by `length`, no read at or beyond it.
 *
 * Compression pointers are stepped over in records behind the question and never followed: nothing
 * in a query needs the name that they lead to, so no pointer can loop or reach outside.
 */

import {
  EDNS_FLAG_CO,
  EDNS_FLAG_DO,
  FLAG_AD,
  FLAG_CD,
  FLAG_RD,
  HEADER_LENGTH,
  OPCODE_QUERY,
  OPTION_CLIENT_SUBNET,
  OPTION_COOKIE,
  OPTION_NSID,
  OPTION_PADDING,
  OPTION_TCP_KEEPALIVE,
  POINTER_BITS,
  RECORD_FIXED_LENGTH,
  TYPE_IXFR,
  TYPE_OPT,
  TYPE_TSIG,
  UDP_SIZE_MIN,
} from './constants.ts';
import { type EcsFields, readEcs } from './ecs.ts';
import { LABEL_LENGTH_MAX, NAME_LENGTH_MAX } from './name.ts';

/** The query is well formed and every field of the record holds. */
export const PARSE_OK = 0;
/** A query for nothing but a server cookie (RFC 7873 5.4): there is no question. */
export const PARSE_NO_QUESTION = -2;
/** No answer at all: too short to have a header, or itself a response (else two servers could ping-pong). */
export const PARSE_DROP = -1;
/** The others are the RCODE to answer with. */
export const PARSE_FORMERR = 1;
export const PARSE_NOTIMP = 4;
export const PARSE_BADVERS = 16;

/** A COOKIE option holds a client cookie of 8 octets, or that and a server cookie of 8 to 32 (RFC 7873 4). */
export const COOKIE_CLIENT_LENGTH = 8;
export const COOKIE_LENGTH_MIN = 16;
export const COOKIE_LENGTH_MAX = 40;

/**
 * One parsed query; made once per worker by createQuery() and overwritten by every parseQuery().
 * Offsets point into the bytes that were parsed; a reply written over them invalidates those.
 */
export type Query = EcsFields & {
  id: number;
  /** The header's second word as received. */
  flags: number;
  opcode: number;
  rd: boolean;
  cd: boolean;
  ad: boolean;
  /** Offset just after the question; 0 when there is no well-formed question. */
  questionEnd: number;
  /** Of another opcode than QUERY: question and records could be stepped over to the last. */
  isWhole: boolean;
  /** Lower-cased uncompressed name, valid up to qnameLength. */
  readonly qname: Uint8Array;
  /** Octets of qname, root included. */
  qnameLength: number;
  /** Labels of qname, root not counted. */
  qnameLabels: number;
  /** Offsets into qname of its labels, from the left; entry [qnameLabels] is the root's. */
  readonly labelOffsets: Uint8Array;
  qtype: number;
  qclass: number;
  /** An OPT record is there: the response must have one too, and none otherwise (RFC 6891 7). */
  hasEdns: boolean;
  /** The largest UDP answer that the client takes; at least 512, 512 without EDNS. */
  udpSize: number;
  ednsVersion: number;
  ednsDo: boolean;
  ednsCo: boolean;
  /** A valid ECS option is there: the response must echo it (RFC 7871 7.2.1). */
  hasEcs: boolean;
  hasNsid: boolean;
  hasPadding: boolean;
  hasTcpKeepalive: boolean;
  hasCookie: boolean;
  cookieOffset: number;
  cookieLength: number;
  /** A TSIG record is there, last (RFC 8945 5.1), its owner at tsigOffset. */
  hasTsig: boolean;
  tsigOffset: number;
};

/** The record that parseQuery() fills, with its scratch arrays; make one per worker. */
export function createQuery(): Query {
  return {
    id: 0,
    flags: 0,
    opcode: 0,
    rd: false,
    cd: false,
    ad: false,
    questionEnd: 0,
    isWhole: false,
    qname: new Uint8Array(NAME_LENGTH_MAX),
    qnameLength: 0,
    qnameLabels: 0,
    labelOffsets: new Uint8Array(128),
    qtype: 0,
    qclass: 0,
    hasEdns: false,
    udpSize: UDP_SIZE_MIN,
    ednsVersion: 0,
    ednsDo: false,
    ednsCo: false,
    hasEcs: false,
    ecsFamily: 0,
    ecsSource: 0,
    ecsScope: 0,
    ecsAddress: new Uint8Array(16),
    hasNsid: false,
    hasPadding: false,
    hasTcpKeepalive: false,
    hasCookie: false,
    cookieOffset: 0,
    cookieLength: 0,
    hasTsig: false,
    tsigOffset: 0,
  };
}

/**
 * Parses the query in the first `length` bytes into `query`.
 *
 * On an outcome other than PARSE_OK the header fields hold, and the question and EDNS fields as far
 * as they were understood, so that the error reply can carry what RFC 6891 7 wants (question and
 * OPT): rejectQuery() in encode.ts does that.
 *
 * Strict where a lenient reading could be misunderstood: QDCOUNT other than 1 (RFC 9619), records
 * in answer or authority (but one in authority for IXFR, RFC 1995 3), a compressed question, a second
 * OPT (RFC 6891 6.1.1) or one that the root does not own, a TSIG that is not last (RFC 8945 5.1),
 * broken options are all FORMERR. Bytes after the last counted record mean nothing and are
 * ignored, as BIND and NSD do: some NAT devices and home routers append them.
 * @returns PARSE_OK, PARSE_NO_QUESTION, PARSE_DROP, PARSE_FORMERR, PARSE_NOTIMP or PARSE_BADVERS.
 */
export function parseQuery(query: Query, bytes: Uint8Array, length: number): number {
  const end = Math.min(length, bytes.length);
  query.questionEnd = 0;
  clearOpt(query);
  if (end < HEADER_LENGTH || (bytes[2]! & 0x80) !== 0) return PARSE_DROP;
  clearQuery(query, bytes);
  if (query.opcode !== OPCODE_QUERY) {
    query.isWhole = readFrame(query, bytes, end);
    return PARSE_NOTIMP;
  }
  const questions = readWord(bytes, 4);
  if (questions === 0) return readCookieQuery(query, bytes, end);
  if (questions !== 1) return PARSE_FORMERR;
  const questionEnd = readQuestion(query, bytes, end);
  if (questionEnd < 0) return PARSE_FORMERR;
  query.questionEnd = questionEnd;
  const authorityCount = readWord(bytes, 8);
  if (readWord(bytes, 6) !== 0) return PARSE_FORMERR;
  if (authorityCount !== 0 && (authorityCount !== 1 || query.qtype !== TYPE_IXFR)) {
    return PARSE_FORMERR;
  }
  const additionalCount = readWord(bytes, 10);
  if (authorityCount + additionalCount === 0) return PARSE_OK;
  return readRecords(query, bytes, end, authorityCount, additionalCount);
}

function clearQuery(query: Query, bytes: Uint8Array): void {
  const flags = readWord(bytes, 2);
  query.id = readWord(bytes, 0);
  query.flags = flags;
  query.opcode = (flags >> 11) & 0xf;
  query.rd = (flags & FLAG_RD) !== 0;
  query.cd = (flags & FLAG_CD) !== 0;
  query.ad = (flags & FLAG_AD) !== 0;
  query.qnameLength = 0;
  query.qnameLabels = 0;
  query.qtype = 0;
  query.qclass = 0;
  query.hasTsig = false;
  query.tsigOffset = 0;
}

/** As it is without OPT. */
export function clearOpt(query: Query): void {
  query.hasEdns = false;
  query.hasEcs = false;
  query.udpSize = UDP_SIZE_MIN;
  query.ednsVersion = 0;
  query.ednsDo = false;
  query.ednsCo = false;
  query.ecsFamily = 0;
  query.ecsSource = 0;
  query.ecsScope = 0;
  query.hasNsid = false;
  query.hasPadding = false;
  query.hasTcpKeepalive = false;
  query.hasCookie = false;
  query.cookieOffset = 0;
  query.cookieLength = 0;
}

/** No question, but a cookie in OPT: the only query that may have none (RFC 7873 5.4, RFC 9619 4). */
function readCookieQuery(query: Query, bytes: Uint8Array, end: number): number {
  if (readWord(bytes, 6) !== 0 || readWord(bytes, 8) !== 0) return PARSE_FORMERR;
  const outcome = readRecords(query, bytes, end, 0, readWord(bytes, 10));
  if (outcome !== PARSE_OK) return outcome;
  return query.hasCookie ? PARSE_NO_QUESTION : PARSE_FORMERR;
}

/** Copies the question's name lower-cased and reads type and class; the offset after it or -1. */
function readQuestion(query: Query, bytes: Uint8Array, end: number): number {
  const qname = query.qname;
  const labelOffsets = query.labelOffsets;
  let position = HEADER_LENGTH;
  let length = 0;
  let labels = 0;
  for (;;) {
    if (position >= end) return -1;
    const label = bytes[position]!;
    if (label > LABEL_LENGTH_MAX || length + label >= NAME_LENGTH_MAX) return -1;
    const labelEnd = position + 1 + label;
    if (labelEnd > end) return -1;
    labelOffsets[labels] = length;
    qname[length] = label;
    length += 1;
    position += 1;
    if (label === 0) break;
    labels += 1;
    while (position < labelEnd) {
      const octet = bytes[position]!;
      qname[length] = octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet;
      length += 1;
      position += 1;
    }
  }
  if (position + 4 > end) return -1;
  query.qnameLength = length;
  query.qnameLabels = labels;
  query.qtype = readWord(bytes, position);
  query.qclass = readWord(bytes, position + 2);
  return position + 4;
}

/**
 * Question and OPT of a message with another opcode, for its refusal: all opcodes have the frame of a
 * query (RFC 1035 4.1, RFC 2136 2), and OPT must be answered with OPT (RFC 6891 6.1.1). Where the
 * frame is broken the reading ends, and the refusal carries what was found.
 * @returns whether it is whole; what stands in its records was not looked at
 */
function readFrame(query: Query, bytes: Uint8Array, end: number): boolean {
  if (readWord(bytes, 4) !== 1) return false;
  const questionEnd = readQuestion(query, bytes, end);
  if (questionEnd < 0) return false;
  query.questionEnd = questionEnd;
  const before = readWord(bytes, 6) + readWord(bytes, 8);
  const outcome = readRecords(query, bytes, end, before, readWord(bytes, 10));
  return outcome === PARSE_OK || outcome === PARSE_BADVERS;
}

/** Steps over the records behind the question, reading OPT and noting TSIG. */
function readRecords(
  query: Query,
  bytes: Uint8Array,
  end: number,
  authorityCount: number,
  additionalCount: number,
): number {
  const count = authorityCount + additionalCount;
  let position = Math.max(query.questionEnd, HEADER_LENGTH);
  let outcome = PARSE_OK;
  for (let index = 0; index < count; index += 1) {
    const fixed = skipName(bytes, position, end);
    if (fixed < 0 || fixed + RECORD_FIXED_LENGTH > end) return PARSE_FORMERR;
    const type = readWord(bytes, fixed);
    const next = fixed + RECORD_FIXED_LENGTH + readWord(bytes, fixed + 8);
    if (next > end || query.hasTsig) return PARSE_FORMERR;
    if (type === TYPE_OPT) {
      // Only in additional, only once, only owned by the root (RFC 6891 6.1.1, 6.1.2).
      if (index < authorityCount || query.hasEdns || bytes[position] !== 0) return PARSE_FORMERR;
      outcome = readOpt(query, bytes, fixed, next);
    } else if (type === TYPE_TSIG) {
      // Nowhere but at the end (RFC 8945 5.1).
      if (index < authorityCount) return PARSE_FORMERR;
      query.hasTsig = true;
      query.tsigOffset = position;
    }
    position = next;
  }
  return outcome;
}

/**
 * Reads the OPT record whose type stands at `fixed` and whose rdata ends at `end` (RFC 6891 6.1).
 * @returns PARSE_OK, PARSE_FORMERR or PARSE_BADVERS
 */
export function readOpt(query: Query, bytes: Uint8Array, fixed: number, end: number): number {
  const udpSize = readWord(bytes, fixed + 2);
  query.hasEdns = true;
  // Values below 512 are treated as 512 (RFC 6891 6.2.3).
  query.udpSize = Math.max(udpSize, UDP_SIZE_MIN);
  query.ednsVersion = bytes[fixed + 5]!;
  const flags = readWord(bytes, fixed + 6);
  query.ednsDo = (flags & EDNS_FLAG_DO) !== 0;
  query.ednsCo = (flags & EDNS_FLAG_CO) !== 0;
  // The options of a version that we don't know may mean anything: not looked at (RFC 6891 6.1.3).
  if (query.ednsVersion !== 0) return PARSE_BADVERS;
  let position = fixed + RECORD_FIXED_LENGTH;
  while (position < end) {
    if (position + 4 > end) return PARSE_FORMERR;
    const code = readWord(bytes, position);
    const length = readWord(bytes, position + 2);
    position += 4;
    if (position + length > end) return PARSE_FORMERR;
    if (!readOption(query, bytes, code, position, length)) return PARSE_FORMERR;
    position += length;
  }
  return PARSE_OK;
}

function readOption(
  query: Query,
  bytes: Uint8Array,
  code: number,
  offset: number,
  length: number,
): boolean {
  switch (code) {
    case OPTION_CLIENT_SUBNET:
      // Two of them would leave open for which network the answer is: refused.
      if (query.hasEcs || !readEcs(query, bytes, offset, length)) return false;
      query.hasEcs = true;
      return true;
    case OPTION_COOKIE:
      // Of several, the first counts (RFC 7873 5.2); a wrong length is FORMERR (5.2.2).
      if (query.hasCookie) return true;
      if (!isCookieLength(length)) return false;
      query.hasCookie = true;
      query.cookieOffset = offset;
      query.cookieLength = length;
      return true;
    case OPTION_NSID:
      query.hasNsid = true;
      return true;
    case OPTION_PADDING:
      query.hasPadding = true;
      return true;
    case OPTION_TCP_KEEPALIVE:
      query.hasTcpKeepalive = true;
      return true;
    default:
      // Unknown options are ignored (RFC 6891 6.1.2).
      return true;
  }
}

function isCookieLength(length: number): boolean {
  return (
    length === COOKIE_CLIENT_LENGTH || (length >= COOKIE_LENGTH_MIN && length <= COOKIE_LENGTH_MAX)
  );
}

/**
 * Offset after the possibly compressed name at `offset`, or -1 when it is broken. A pointer ends
 * the name and is not followed (RFC 1035 4.1.4).
 */
export function skipName(bytes: Uint8Array, offset: number, end: number): number {
  let position = offset;
  while (position < end) {
    const label = bytes[position]!;
    if (label === 0) return position + 1;
    if (label >= POINTER_BITS) return position + 2 <= end ? position + 2 : -1;
    if (label > LABEL_LENGTH_MAX) return -1;
    position += 1 + label;
    if (position - offset >= NAME_LENGTH_MAX) return -1;
  }
  return -1;
}

/** The 16-bit number in network order at `offset`. */
export function readWord(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 8) | bytes[offset + 1]!;
}
