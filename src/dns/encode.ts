/**
 * Writing of replies on the hot path, into a buffer that the caller owns: a datagram slot or a TCP
 * slab. One `Reply` per worker is the whole state; nothing is allocated and nothing throws. A record
 * that does not fit leaves the reply as it was and returns false; the caller then truncates.
 * Costs: the bytes of the reply are written once; a name costs one comparison per known suffix of
 * the same length (two or three for a steered answer, whose owner is the question).
 *
 * Order of calls: beginReply, offers of EDNS options, records section by section, writeOpt (edns.ts),
 * finishReply. Room for OPT is
 * set aside by beginReply, so writeOpt fits even when a record did not.
 *
 * Compression (RFC 1035 4.1.4): a suffix is replaced by a pointer to an earlier occurrence with the
 * same bytes. The question is compared through the query's lower-cased name and written in the
 * client's case, so that an owner from a (lower-cased) compiled table always shrinks to a pointer at
 * offset 12 while a resolver that randomises case (0x20) gets its own spelling back. Everything else
 * is compared exactly: data keep the case that their owner gave them.
 */

import { findInQuestion, suffixEquals } from './compression.ts';
import {
  CLASS_IN,
  FLAG_CD,
  FLAG_QR,
  FLAG_RD,
  FLAG_TC,
  HEADER_LENGTH,
  OPCODE_BITS,
  OPCODE_QUERY,
  POINTER_BITS,
  POINTER_OFFSET_MAX,
  RECORD_FIXED_LENGTH,
  SECTION_ANSWER,
  SECTION_AUTHORITY,
  TYPE_CNAME,
  TYPE_MX,
  TYPE_NS,
  TYPE_PTR,
  TYPE_SOA,
} from './constants.ts';
import { ecsOptionLength } from './ecs.ts';
import { clearEdns, createEdnsReply, type EdnsReply } from './edns-reply.ts';
import { createQuery, type Query } from './message.ts';
import { nameLength } from './name.ts';

/** Suffixes that one reply remembers as pointer targets; later names are written without adding any. */
export const COMPRESSION_ENTRIES_MAX = 128;

/** Root owner, type, class, TTL and rdata length of OPT (RFC 6891 6.1.2). */
export const OPT_FIXED_LENGTH = 11;

/** The reply that is being written; made once per worker by createReply(). */
export type Reply = EdnsReply & {
  out: Uint8Array;
  /** Where the next byte goes: the length so far. */
  position: number;
  /** First offset that records may not reach; OPT's room lies behind it. */
  limit: number;
  /** Octets set aside behind `limit` for OPT. */
  reserved: number;
  query: Query;
  questionEnd: number;
  flags: number;
  answerCount: number;
  authorityCount: number;
  additionalCount: number;
  /** Offset of the OPT record, 0 while there is none. */
  optOffset: number;
  suffixCount: number;
  /** Offset in `out` and uncompressed length of every remembered suffix. */
  readonly suffixOffset: Uint16Array;
  readonly suffixLength: Uint8Array;
};

/** The mutable record that the functions below share; make one per worker. */
export function createReply(): Reply {
  return {
    out: new Uint8Array(0),
    position: 0,
    limit: 0,
    reserved: 0,
    query: createQuery(),
    questionEnd: 0,
    flags: 0,
    answerCount: 0,
    authorityCount: 0,
    additionalCount: 0,
    optOffset: 0,
    suffixCount: 0,
    suffixOffset: new Uint16Array(COMPRESSION_ENTRIES_MAX),
    suffixLength: new Uint8Array(COMPRESSION_ENTRIES_MAX),
    ...createEdnsReply(),
  };
}

/**
 * Starts the reply to a query that parseQuery() accepted: header with ID, opcode and RD of the query
 * (RFC 1035 4.1.1) and QR set, then the question in the client's case. CD is copied (RFC 4035 3), AD is
 * not: only a validator may say that (RFC 4035 3.1.6).
 * `out` may be `queryBytes` itself (answering in place: the question is then not copied).
 * @param limit largest length of the reply in octets, at least 512; cut to out.length.
 */
export function beginReply(
  reply: Reply,
  out: Uint8Array,
  query: Query,
  queryBytes: Uint8Array,
  limit: number,
): void {
  const questionEnd = query.questionEnd === 0 ? HEADER_LENGTH : query.questionEnd;
  reply.out = out;
  reply.query = query;
  reply.questionEnd = questionEnd;
  // Other operations have no use for RD and CD (RFC 1035 4.1.1 and RFC 4035 3 are about queries).
  const copied = query.opcode === OPCODE_QUERY ? OPCODE_BITS | FLAG_RD | FLAG_CD : OPCODE_BITS;
  reply.flags = FLAG_QR | (query.flags & copied);
  reply.reserved = query.hasEdns ? OPT_FIXED_LENGTH : 0;
  if (query.hasEdns && query.hasEcs) reply.reserved += ecsOptionLength(query);
  clearEdns(reply);
  reply.limit = Math.min(limit, out.length) - reply.reserved;
  out[0] = query.id >> 8;
  out[1] = query.id;
  if (out !== queryBytes) {
    for (let index = HEADER_LENGTH; index < questionEnd; index += 1)
      out[index] = queryBytes[index]!;
  }
  clearRecords(reply);
}

/**
 * Writes one record of class IN into a section (SECTION_ANSWER and so on; sections in order).
 * Owner and rdata are uncompressed wire form; the owner is compressed, and so are the names in the
 * rdata of NS, CNAME, PTR, MX and SOA, the only ones that may be (RFC 3597 4).
 * @returns false, and the reply as before, when the record does not fit.
 */
export function writeRecord(
  reply: Reply,
  section: number,
  owner: Uint8Array,
  ownerOffset: number,
  type: number,
  ttlSeconds: number,
  rdata: Uint8Array,
  rdataOffset: number,
  rdataLength: number,
): boolean {
  const start = reply.position;
  const suffixCount = reply.suffixCount;
  if (
    writeRecordHeader(reply, owner, ownerOffset, type, CLASS_IN, ttlSeconds) &&
    writeRdata(reply, type, rdata, rdataOffset, rdataLength)
  ) {
    countRecords(reply, section, 1);
    return true;
  }
  reply.position = start;
  reply.suffixCount = suffixCount;
  return false;
}

/**
 * Writes owner, type, class, TTL and an rdata length of 0; the rdata follow by other calls and
 * endRdata() sets their length. Not counted. False when it does not fit (position undefined then).
 */
export function writeRecordHeader(
  reply: Reply,
  owner: Uint8Array,
  ownerOffset: number,
  type: number,
  recordClass: number,
  ttlSeconds: number,
): boolean {
  if (!writeName(reply, owner, ownerOffset)) return false;
  const position = reply.position;
  if (position + RECORD_FIXED_LENGTH > reply.limit) return false;
  const out = reply.out;
  out[position] = type >> 8;
  out[position + 1] = type;
  out[position + 2] = recordClass >> 8;
  out[position + 3] = recordClass;
  out[position + 4] = ttlSeconds >>> 24;
  out[position + 5] = ttlSeconds >>> 16;
  out[position + 6] = ttlSeconds >>> 8;
  out[position + 7] = ttlSeconds;
  out[position + 8] = 0;
  out[position + 9] = 0;
  reply.position = position + RECORD_FIXED_LENGTH;
  return true;
}

/** Patches the length of the rdata that begin at `rdataStart` and end at the reply's position. */
export function endRdata(reply: Reply, rdataStart: number): void {
  const length = reply.position - rdataStart;
  reply.out[rdataStart - 2] = length >> 8;
  reply.out[rdataStart - 1] = length;
}

/** Adds to a section's count, for records written by writeBytes() or writeRecordHeader(). */
export function countRecords(reply: Reply, section: number, count: number): void {
  if (section === SECTION_ANSWER) reply.answerCount += count;
  else if (section === SECTION_AUTHORITY) reply.authorityCount += count;
  else reply.additionalCount += count;
}

/**
 * Copies prebuilt bytes, for instance records whose owner is the pointer to the question (0xc00c),
 * which is right at any position. Count them with countRecords(). False when they do not fit.
 */
export function writeBytes(
  reply: Reply,
  source: Uint8Array,
  offset: number,
  length: number,
): boolean {
  const position = reply.position;
  if (position + length > reply.limit || offset + length > source.length) return false;
  const out = reply.out;
  for (let index = 0; index < length; index += 1) out[position + index] = source[offset + index]!;
  reply.position = position + length;
  return true;
}

/**
 * Writes the uncompressed name at `offset` of `wire`, as short as earlier names allow.
 * @returns false when it does not fit or is not a name; nothing is written or remembered then.
 */
export function writeName(reply: Reply, wire: Uint8Array, offset: number): boolean {
  // Most owners are the queried name itself, or its parent, out of the query's own scratch.
  if (wire === reply.query.qname && reply.questionEnd > HEADER_LENGTH) {
    if (wire[offset] !== 0) return writePointer(reply, HEADER_LENGTH + offset);
  }
  const total = nameLength(wire, offset, wire.length);
  if (total < 0) return false;
  const end = offset + total;
  let suffix = offset;
  let target = -1;
  while (wire[suffix] !== 0) {
    target = findSuffix(reply, wire, suffix, end - suffix);
    if (target >= 0) break;
    suffix += 1 + wire[suffix]!;
  }
  const literal = target >= 0 ? suffix - offset : total;
  const start = reply.position;
  if (start + literal + (target >= 0 ? 2 : 0) > reply.limit) return false;
  for (let index = 0; index < literal; index += 1) {
    reply.out[start + index] = wire[offset + index]!;
  }
  reply.position = start + literal;
  if (target >= 0) writePointer(reply, target);
  rememberSuffixes(reply, start, wire, offset, suffix, end);
  return true;
}

/**
 * Drops every record: header and question remain, TC is set (RFC 2181 9: a client ignores what
 * else is in a truncated reply). writeOpt() and finishReply() follow as usual.
 */
export function truncate(reply: Reply): void {
  clearRecords(reply);
  reply.flags |= FLAG_TC;
}

/**
 * Completes the header: RCODE (its upper bits into OPT, RFC 6891 6.1.3), `flags` (FLAG_AA, FLAG_TC)
 * on top of what beginReply() and truncate() set, and the four counts.
 * @returns the length of the reply in octets.
 */
export function finishReply(reply: Reply, rcode: number, flags: number): number {
  const out = reply.out;
  const word = reply.flags | flags | (rcode & 0xf);
  out[2] = word >> 8;
  out[3] = word;
  out[4] = 0;
  out[5] = reply.questionEnd > HEADER_LENGTH ? 1 : 0;
  out[6] = reply.answerCount >> 8;
  out[7] = reply.answerCount;
  out[8] = reply.authorityCount >> 8;
  out[9] = reply.authorityCount;
  out[10] = reply.additionalCount >> 8;
  out[11] = reply.additionalCount;
  if (reply.optOffset !== 0) out[reply.optOffset + 5] = rcode >> 4;
  return reply.position;
}

function clearRecords(reply: Reply): void {
  reply.position = reply.questionEnd;
  reply.answerCount = 0;
  reply.authorityCount = 0;
  reply.additionalCount = 0;
  reply.optOffset = 0;
  reply.suffixCount = 0;
}

function writeRdata(
  reply: Reply,
  type: number,
  rdata: Uint8Array,
  offset: number,
  length: number,
): boolean {
  const start = reply.position;
  const names = compressibleNames(type);
  let position = offset;
  if (names > 0) {
    if (type === TYPE_MX) {
      if (!writeBytes(reply, rdata, position, 2)) return false;
      position += 2;
    }
    for (let index = 0; index < names; index += 1) {
      const name = nameLength(rdata, position, offset + length);
      if (name < 0 || !writeName(reply, rdata, position)) return false;
      position += name;
    }
  }
  if (!writeBytes(reply, rdata, position, offset + length - position)) return false;
  endRdata(reply, start);
  return true;
}

/**
 * Names in the rdata of a type that may be compressed (RFC 3597 4: the types of RFC 1035). A switch
 * and not the registry, whose look-up would cost the hot path; a test keeps the two equal.
 */
export function compressibleNames(type: number): number {
  switch (type) {
    case TYPE_NS:
    case TYPE_CNAME:
    case TYPE_PTR:
    case TYPE_MX:
      return 1;
    case TYPE_SOA:
      return 2;
    default:
      return 0;
  }
}

function writePointer(reply: Reply, target: number): boolean {
  const position = reply.position;
  if (position + 2 > reply.limit) return false;
  reply.out[position] = POINTER_BITS | (target >> 8);
  reply.out[position + 1] = target;
  reply.position = position + 2;
  return true;
}

/** Offset in the reply of a suffix with the same bytes as the one at `offset`, or -1. */
function findSuffix(reply: Reply, wire: Uint8Array, offset: number, length: number): number {
  if (reply.questionEnd > HEADER_LENGTH) {
    const target = findInQuestion(reply.query, wire, offset, length);
    if (target >= 0) return target;
  }
  for (let index = 0; index < reply.suffixCount; index += 1) {
    if (reply.suffixLength[index] !== length) continue;
    const target = reply.suffixOffset[index]!;
    if (suffixEquals(reply.out, reply.questionEnd, target, wire, offset)) return target;
  }
  return -1;
}

/** Remembers the suffixes of wire[offset..suffix) that now stand at `start` as pointer targets. */
function rememberSuffixes(
  reply: Reply,
  start: number,
  wire: Uint8Array,
  offset: number,
  suffix: number,
  end: number,
): void {
  let position = offset;
  while (position < suffix && reply.suffixCount < COMPRESSION_ENTRIES_MAX) {
    const target = start + position - offset;
    if (target > POINTER_OFFSET_MAX) return;
    reply.suffixOffset[reply.suffixCount] = target;
    reply.suffixLength[reply.suffixCount] = end - position;
    reply.suffixCount += 1;
    position += 1 + wire[position]!;
  }
}
