/**
 * What most queries over UDP are: a plain question, with or without OPT, that was asked before. Its name is compared
 * by the word with what the packet cache remembers, and the reply is written at once: what answers everybody as it
 * stood there, what is steered by the same functions as ever. Access, cookies, limits and counters are as in
 * respond(), which answers everything else and fills the cache; a fuzz test demands the same octets of both.
 *
 * Costs: a query's name is read once, its reply written once; one entry of the cache, two slots of the rate limiter.
 */
import {
  CLASS_IN,
  FLAG_AA,
  FLAG_CD,
  FLAG_QR,
  FLAG_RD,
  FLAG_TC,
  HEADER_LENGTH,
  RCODE_NOERROR,
  RECORD_FIXED_LENGTH,
  TYPE_OPT,
} from '../dns/constants.ts';
import { COOKIE_ABSENT } from '../dns/cookie.ts';
import { ecsOptionLength } from '../dns/ecs.ts';
import { EDE_NONE, OPTION_HEAD_LENGTH, withdrawOffers, writeOpt } from '../dns/edns.ts';
import { COOKIE_REPLY_LENGTH, clearEdns } from '../dns/edns-reply.ts';
import { OPT_FIXED_LENGTH, type Reply } from '../dns/encode.ts';
import { clearOpt, PARSE_OK, type Query, readOpt, readWord } from '../dns/message.ts';
import { type PacketMemory, setWord, wordAt } from '../dns/packet-memory.ts';
import type { CounterRow } from '../telemetry/counters.ts';
import { ACCESS_ANSWERED, accessOf } from './access.ts';
import type { AnswerTable } from './answer.ts';
import type { Body } from './body.ts';
import type { Client } from './client.ts';
import {
  COUNT_QUERIES_UDP,
  COUNT_UDP_RECEIVED,
  COUNT_UDP_SENT,
  countQuestion,
  rcodeSlot,
} from './counters.ts';
import { offerEdns } from './edns-offers.ts';
import { wordFor } from './limit-response.ts';
import { DROP } from './outcomes.ts';
import {
  CACHED_NAME_MAX,
  CACHED_STEERED,
  type CacheKey,
  findEntry,
  kindOf,
  lengthOf,
  NOT_CACHED,
  type PacketCache,
  rcodeOf,
  recallSteered,
  subjectOf,
  writeCached,
} from './packet-cache.ts';
import { ADMIT, WITHHOLD } from './rate-limit.ts';
import { writeBodyBehindQuestion } from './records.ts';
import type { ServerIdentity, Snapshot } from './snapshot.ts';
import { countSteered, steer } from './steer.ts';
import { udpLimit } from './udp-limit.ts';
import type { WorkerState } from './worker-state.ts';

/** answerFast(): nothing has been done; respond() is to be asked. */
export const NOT_FAST = -1;

/** The header's second word of 16 bits, as it stands in the upper half of the first one of 32. */
const flagsWord = (flags: number): number => ((flags >> 8) | ((flags & 0xff) << 8)) << 16;
/** All but RD, AD and CD: QR, OPCODE, and what a query has no use for. */
const NOT_PLAIN = flagsWord(0xfecf);
const ID_RD_CD = flagsWord(FLAG_RD | FLAG_CD) | 0xffff;
const HEADER_WORDS = HEADER_LENGTH / 4;
const NAME_WORDS_MAX = CACHED_NAME_MAX / 4;
/** Header, the root's name, type and class. */
const QUERY_LENGTH_MIN = HEADER_LENGTH + 5;
const AUTHORITATIVE = flagsWord(FLAG_QR | FLAG_AA);
const TRUNCATED = flagsWord(FLAG_QR | FLAG_AA | FLAG_TC);
const RCODE_SHIFT = 24;
/** Two counts in a word: one and none, none and one. */
const COUNTS_1_0 = 0x0100;
const COUNTS_0_1 = 0x01000000;
/** How class IN, and the root's name with type OPT, stand in a word. */
const CLASS_IN_WORD = CLASS_IN << 8;
const OPT_WORD = TYPE_OPT << 16;
/** Who asks does it from above; what comes from below respond() knows. */
const CLIENT_PORT_MIN = 1024;

/**
 * Answers the query at `at` of the memory into the place at `to`, which has room for 4096 octets, if it is like that.
 *
 * @param at octets from the memory's start; a multiple of four, as is `to`
 * @param nowMs milliseconds since the epoch
 * @returns the response's length in octets, DROP, or NOT_FAST
 */
export function answerFast(
  worker: WorkerState,
  client: Client,
  memory: PacketMemory,
  at: number,
  length: number,
  nowMs: number,
  to: number,
): number {
  const { answers, cache, query, reply, snapshot } = worker;
  if (cache === undefined || snapshot === undefined || answers === undefined) return NOT_FAST;
  cache.place = NOT_CACHED;
  const questionEnd = readKey(cache.key, memory, at, length, to);
  if (questionEnd < 0) return NOT_FAST;
  if (!readAdditional(query, memory, at, at + questionEnd, at + length)) return NOT_FAST;
  if (client.port < CLIENT_PORT_MIN) return NOT_FAST;
  if (accessOf(snapshot.access, client) !== ACCESS_ANSWERED) return NOT_FAST;
  const entry = findEntry(cache, query);
  if (entry === NOT_CACHED) return NOT_FAST;
  const start = to + questionEnd;
  const body = bodyOf(worker, snapshot, answers, cache, entry, client, nowMs);
  begin(reply, query, memory.bytes, start, to + udpLimit(query, snapshot.udpSizeMax));
  const records = body === undefined ? lengthOf(cache, entry) : body.bytes.length;
  if (start + records + offersLength(query, snapshot.identity) > reply.limit) return NOT_FAST;
  worker.cookie = COOKIE_ABSENT;
  offerEdns(worker, snapshot.identity, client, memory.bytes, nowMs);
  let scope = 0;
  if (body === undefined) writeCached(cache, entry, reply, memory.view);
  else {
    writeBodyBehindQuestion(reply, memory.view, body, worker.place.ttlSeconds);
    countSteered(worker);
    scope = worker.place.scope;
  }
  const rcode = body === undefined ? rcodeOf(cache, entry) : RCODE_NOERROR;
  const kind = kindOf(cache, entry);
  const subject = subjectOf(cache, entry);
  const word = wordFor(worker, client, snapshot.rateLimits, kind, subject, nowMs);
  if (word === ADMIT) {
    writeOpt(reply, snapshot.udpSizeMax, scope, EDE_NONE);
    writeHeader(reply, memory, at, to, AUTHORITATIVE | (rcode << RCODE_SHIFT));
  } else {
    empty(reply, start);
    withdrawOffers(reply);
    writeOpt(reply, snapshot.udpSizeMax, 0, EDE_NONE);
    writeHeader(reply, memory, at, to, TRUNCATED);
  }
  const sent = word === WITHHOLD ? DROP : reply.position - to;
  count(worker.counters, cache.key.qtype, rcode, length, sent);
  return sent;
}

/**
 * Reads a plain query's question of class IN into the key, its name four octets at a time and in lower case, and copies
 * it to the reply. The name ends with the first zero; what has another inside no entry is equal to.
 * @returns where the question ends, from the start of the message, or -1
 */
function readKey(
  key: CacheKey,
  { view, words }: PacketMemory,
  at: number,
  length: number,
  to: number,
): number {
  const { name } = key;
  const first = at >> 2;
  if (length < QUERY_LENGTH_MIN || (words[first]! & NOT_PLAIN) !== 0) return -1;
  if (words[first + 1] !== COUNTS_1_0) return -1;
  const from = first + HEADER_WORDS;
  const out = (to >> 2) + HEADER_WORDS;
  let hash = 0;
  let index = 0;
  let word = words[from]!;
  let zeros = zerosOf(word);
  for (; zeros === 0; zeros = zerosOf(word)) {
    if (index === NAME_WORDS_MAX - 1) return -1;
    words[out + index] = word;
    const lowered = lowerWord(word);
    name[index] = lowered;
    hash = mixWord(hash, lowered);
    index += 1;
    word = words[from + index]!;
  }
  words[out + index] = word;
  // What stands before the first zero: 0, 8, 16 or 24 bits.
  const bits = 24 - Math.clz32(zeros & -zeros);
  const last = lowerWord(word & ((1 << bits) - 1));
  name[index] = last;
  key.hash = mixWord(hash, last);
  key.length = 4 * index + (bits >> 3) + 1;
  const end = HEADER_LENGTH + key.length;
  if (end + 4 > length) return -1;
  const typeAndClass = wordAt(view, at + end);
  if (typeAndClass >>> 16 !== CLASS_IN_WORD) return -1;
  key.qtype = ((typeAndClass & 0xff) << 8) | ((typeAndClass >> 8) & 0xff);
  setWord(view, to + end, typeAndClass);
  return end + 4;
}

/** Highest bit of the octets that are zero; of those behind the first it may be wrong. */
const zerosOf = (word: number): number => (word - 0x01010101) & ~word & 0x80808080;

/** A capital is what one number carries over an octet's highest bit and the other does not. */
function lowerWord(word: number): number {
  const low = word & 0x7f7f7f7f;
  const capitals = (low + 0x3f3f3f3f) & ~(low + 0x25252525) & ~word & 0x80808080;
  return word | (capitals >>> 2);
}

function mixWord(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

/** Reads OPT, if it is all that is there and there is nothing wrong with it. */
function readAdditional(
  query: Query,
  { bytes, view, words }: PacketMemory,
  at: number,
  from: number,
  end: number,
): boolean {
  clearOpt(query);
  const counts = words[(at >> 2) + 2]!;
  if (counts !== COUNTS_0_1) return counts === 0;
  const fixed = from + 1;
  if (fixed + RECORD_FIXED_LENGTH > end) return false;
  // The root owns it.
  if ((wordAt(view, from) & 0xffffff) !== OPT_WORD) return false;
  const next = fixed + RECORD_FIXED_LENGTH + readWord(bytes, fixed + 8);
  return next <= end && readOpt(query, bytes, fixed, next) === PARSE_OK;
}

/** Of a steered name, what its client gets now. */
function bodyOf(
  worker: WorkerState,
  snapshot: Snapshot,
  answers: AnswerTable,
  cache: PacketCache,
  entry: number,
  client: Client,
  nowMs: number,
): Body | undefined {
  if (rcodeOf(cache, entry) !== CACHED_STEERED) return undefined;
  recallSteered(cache, entry, worker.result);
  worker.query.qtype = cache.key.qtype;
  return steer(worker, snapshot, answers, client, nowMs);
}

/** A reply whose question stands before `start`. */
function begin(reply: Reply, query: Query, bytes: Uint8Array, start: number, limit: number): void {
  const subnet = query.hasEcs ? ecsOptionLength(query) : 0;
  reply.out = bytes;
  reply.query = query;
  reply.reserved = query.hasEdns ? OPT_FIXED_LENGTH + subnet : 0;
  reply.limit = limit - reply.reserved;
  clearEdns(reply);
  empty(reply, start);
}

/** Without any record. */
function empty(reply: Reply, start: number): void {
  reply.position = start;
  reply.answerCount = 0;
  reply.authorityCount = 0;
  reply.additionalCount = 0;
  reply.optOffset = 0;
}

function writeHeader(
  { additionalCount, answerCount, authorityCount }: Reply,
  { words }: PacketMemory,
  at: number,
  to: number,
  flags: number,
): void {
  const first = to >> 2;
  words[first] = (words[at >> 2]! & ID_RD_CD) | flags;
  words[first + 1] = COUNTS_1_0 | (countWord(answerCount) << 16);
  words[first + 2] = countWord(authorityCount) | (countWord(additionalCount) << 16);
}

/** 16 bits in network order. */
const countWord = (count: number): number => (count >> 8) | ((count & 0xff) << 8);

/** Octets that offerEdns() will set aside, where there is room. */
function offersLength(query: Query, { id, reportChannel }: ServerIdentity): number {
  if (!query.hasEdns) return 0;
  const cookie = query.hasCookie ? OPTION_HEAD_LENGTH + COOKIE_REPLY_LENGTH : 0;
  const nsid = query.hasNsid && id !== undefined ? OPTION_HEAD_LENGTH + id.length : 0;
  const agent = reportChannel === undefined ? 0 : OPTION_HEAD_LENGTH + reportChannel.length;
  return cookie + nsid + agent;
}

function count(counters: CounterRow, qtype: number, rcode: number, received: number, sent: number) {
  counters[COUNT_QUERIES_UDP] = counters[COUNT_QUERIES_UDP]! + 1;
  counters[COUNT_UDP_RECEIVED] = counters[COUNT_UDP_RECEIVED]! + received;
  counters[COUNT_UDP_SENT] = counters[COUNT_UDP_SENT]! + sent;
  countQuestion(counters, qtype);
  const slot = rcodeSlot(rcode);
  counters[slot] = counters[slot]! + 1;
}
