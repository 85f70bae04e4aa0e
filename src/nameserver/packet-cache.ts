/**
 * Answers of the same question again (fast-path.ts). Of what answers everybody alike, the records are remembered as
 * they stand behind the question; of a steered name, where the look-up led. PowerDNS calls the like a packet cache.
 *
 *   index   hash, entry | hash, entry | …            four places for a question, in one line of memory
 *   heap    head | name, lower-cased | records       entries one behind the other, as long as they are
 *
 * Entries lie close together, for what an answer costs is mostly how many pages of memory it touches. Both have a
 * fixed size: when the heap is full all is forgotten, as it is when something changes, and what is asked for is soon
 * there again. Only what was asked twice is remembered, so a flood of names that nobody asks for again fills nothing.
 */
import type { Reply } from '../dns/encode.ts';
import type { Query } from '../dns/message.ts';
import { copyWords } from '../dns/packet-memory.ts';
import { spread } from '../zone/compiled-zones.ts';
import type { LookupResult } from '../zone/lookup.ts';
import { KIND_ANSWER, type ResponseKind } from './rate-limit.ts';

/** Questions that are remembered at most; a power of two. */
export const PACKET_CACHE_ENTRIES = 16_384;
/** Octets for all of them. */
export const PACKET_CACHE_BYTES = 4 * 1024 * 1024;
/** Longer names, and longer answers, are looked up each time. */
export const CACHED_NAME_MAX = 128;
export const CACHED_ANSWER_MAX = 1024;
/** Questions that were looked for in vain and are known by their hash; a power of two. */
const MISSED_MAX = 65_536;

/** Words of a place in the index; no entry is at 0. */
const PLACE_WORDS = 2;
const PLACE_ENTRY = 1;
const PLACES = 4;
const SET_WORDS = PLACES * PLACE_WORDS;
const SET_MASK = PACKET_CACHE_ENTRIES / PLACES - 1;

/** Words of an entry's head. */
const QUESTION = 0;
const NAME_LENGTH = 1;
const KIND = 2;
const SUBJECT = 3;
/** RCODE of the answer; CACHED_STEERED = it is steered. */
const RCODE = 4;
/** Records of each section. */
const ANSWERS = 5;
const AUTHORITY = 6;
const ADDITIONAL = 7;
/** Octets of the records. */
const LENGTH = 8;
/** Of a steered name, in place of the last two. */
const SERVICE = 7;
const NAME_HASH = 8;
const HEAD_WORDS = 9;
const NAME_WORDS_MAX = CACHED_NAME_MAX / 4;
const ENTRY_WORDS_MAX = HEAD_WORDS + NAME_WORDS_MAX + CACHED_ANSWER_MAX / 4;

/** In place of an RCODE. */
export const CACHED_STEERED = -1;
/** No entry. */
export const NOT_CACHED = -1;

/** The question that is looked for: a name in lower case, with zeros up to the end of its last word. */
export type CacheKey = {
  readonly name: Int32Array;
  readonly octets: Uint8Array;
  /** Octets of the name, root included. */
  length: number;
  /** Hash of the name. */
  hash: number;
  qtype: number;
};

/** One per worker. */
export type PacketCache = {
  readonly index: Int32Array;
  /** The heap. */
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  /** Words of the heap that are taken. */
  used: number;
  readonly key: CacheKey;
  /** Hashes of questions that were not found. */
  readonly missed: Int32Array;
  /** Where in the index the key belongs, which was not found; NOT_CACHED = it is not to be remembered. */
  place: number;
};

export function createPacketCache(): PacketCache {
  const words = new Int32Array(PACKET_CACHE_BYTES / 4);
  const name = new Int32Array(NAME_WORDS_MAX);
  return {
    index: new Int32Array(PACKET_CACHE_ENTRIES * PLACE_WORDS),
    words,
    bytes: new Uint8Array(words.buffer),
    used: 1,
    key: { name, octets: new Uint8Array(name.buffer), length: 0, hash: 0, qtype: 0 },
    missed: new Int32Array(MISSED_MAX),
    place: NOT_CACHED,
  };
}

/** Something has changed: nothing that is remembered holds any more. */
export function forgetAnswers(cache: PacketCache): void {
  cache.index.fill(0);
  cache.used = 1;
  cache.place = NOT_CACHED;
}

/** The entry of the key, asked with these bits of OPT, or NOT_CACHED: what is composed then may be remembered. */
export function findEntry(cache: PacketCache, query: Query): number {
  const { index, key } = cache;
  const question = questionOf(key.qtype, query);
  const hash = spread(key.hash ^ question);
  const set = (hash & SET_MASK) * SET_WORDS;
  for (let place = set; place < set + SET_WORDS; place += PLACE_WORDS) {
    if (index[place] !== hash) continue;
    const entry = index[place + PLACE_ENTRY]!;
    if (isOf(cache, entry, question)) return entry;
  }
  miss(cache, set, hash);
  return NOT_CACHED;
}

/** RCODE of the entry's answer, or CACHED_STEERED. */
export const rcodeOf = ({ words }: PacketCache, entry: number): number => words[entry + RCODE]!;

/** For rate-limit.ts. */
export const kindOf = ({ words }: PacketCache, entry: number): ResponseKind =>
  words[entry + KIND] as ResponseKind;
export const subjectOf = ({ words }: PacketCache, entry: number): number => words[entry + SUBJECT]!;

/** Octets of the entry's records. */
export const lengthOf = ({ words }: PacketCache, entry: number): number => words[entry + LENGTH]!;

/** Sets what answerSteered() needs of a look-up. */
export function recallSteered({ words }: PacketCache, entry: number, result: LookupResult): void {
  result.service = words[entry + SERVICE]!;
  result.nameHash = words[entry + NAME_HASH]!;
}

/** Copies the records of an entry behind the question; they fit, and three octets more. */
export function writeCached(
  { words }: PacketCache,
  entry: number,
  reply: Reply,
  view: DataView,
): void {
  const length = words[entry + LENGTH]!;
  const start = recordsAt(words[entry + NAME_LENGTH]!, entry) >> 2;
  copyWords(view, reply.position, words, start, (length + 3) >> 2);
  reply.position += length;
  reply.answerCount = words[entry + ANSWERS]!;
  reply.authorityCount = words[entry + AUTHORITY]!;
  reply.additionalCount = words[entry + ADDITIONAL]!;
}

/**
 * Remembers the records that stand behind the question, of an answer that everybody gets, where the question is the
 * one that was missed.
 * @param subject what rate limits take it for
 */
export function rememberAnswer(
  cache: PacketCache,
  query: Query,
  kind: ResponseKind,
  subject: number,
  rcode: number,
  reply: Reply,
): void {
  const { answerCount, additionalCount, authorityCount, out, position, questionEnd } = reply;
  const length = position - questionEnd;
  if (length > CACHED_ANSWER_MAX || !wasMissed(cache, query)) return;
  const entry = begin(cache, query, kind, subject, rcode);
  const { bytes, words } = cache;
  words[entry + ANSWERS] = answerCount;
  words[entry + AUTHORITY] = authorityCount;
  words[entry + ADDITIONAL] = additionalCount;
  words[entry + LENGTH] = length;
  const start = recordsAt(query.qnameLength, entry);
  for (let at = 0; at < length; at += 1) bytes[start + at] = out[questionEnd + at]!;
  cache.used = (start + length + 3) >> 2;
}

/** Remembers where the look-up of a steered name led. */
export function rememberSteered(cache: PacketCache, query: Query, result: LookupResult): void {
  if (!wasMissed(cache, query)) return;
  const entry = begin(cache, query, KIND_ANSWER, result.node, CACHED_STEERED);
  cache.words[entry + SERVICE] = result.service;
  cache.words[entry + NAME_HASH] = result.nameHash;
  cache.used = recordsAt(query.qnameLength, entry) >> 2;
}

/** Octets from the heap's start, of a whole word. */
const recordsAt = (nameLength: number, entry: number): number =>
  (entry + HEAD_WORDS + ((nameLength + 3) >> 2)) << 2;

/** What else decides on the records: DO and CO (negative.ts, signed-records.ts). */
const questionOf = (qtype: number, { ednsCo, ednsDo }: Query): number =>
  qtype | (ednsDo ? 0x10000 : 0) | (ednsCo ? 0x20000 : 0);

function isOf({ key, words }: PacketCache, entry: number, question: number): boolean {
  if (words[entry + QUESTION] !== question || words[entry + NAME_LENGTH] !== key.length) {
    return false;
  }
  const { length, name } = key;
  const at = entry + HEAD_WORDS;
  const end = (length + 3) >> 2;
  for (let word = 0; word < end; word += 1) if (words[at + word] !== name[word]) return false;
  return entry !== 0;
}

/** The second time that a question is missed it gets a place: a free one, or any. */
function miss(cache: PacketCache, set: number, hash: number): void {
  const { index, missed } = cache;
  // The last two of a pair: names that are asked for by turns do not make each other forgotten.
  const pair = (hash >>> 16) & ~1;
  if (missed[pair] !== hash && missed[pair + 1] !== hash) {
    missed[pair + 1] = missed[pair]!;
    missed[pair] = hash;
    return;
  }
  cache.place = set + ((hash >>> 14) & (PLACES - 1)) * PLACE_WORDS;
  for (let place = set; place < set + SET_WORDS; place += PLACE_WORDS) {
    if (index[place + PLACE_ENTRY] === 0) cache.place = place;
  }
}

/** Whether the question under way is the key, and has a place. */
function wasMissed({ key, place }: PacketCache, { qname, qnameLength, qtype }: Query): boolean {
  if (place === NOT_CACHED || key.length !== qnameLength || key.qtype !== qtype) return false;
  const { octets } = key;
  for (let at = 0; at < qnameLength; at += 1) if (octets[at] !== qname[at]) return false;
  return true;
}

/** Begins an entry at the end of the heap; returns where. */
function begin(
  cache: PacketCache,
  query: Query,
  kind: ResponseKind,
  subject: number,
  rcode: number,
): number {
  const { index, key, place, words } = cache;
  if (cache.used + ENTRY_WORDS_MAX > words.length) forgetAnswers(cache);
  const entry = cache.used;
  const question = questionOf(key.qtype, query);
  index[place] = spread(key.hash ^ question);
  index[place + PLACE_ENTRY] = entry;
  words[entry + QUESTION] = question;
  words[entry + NAME_LENGTH] = key.length;
  words[entry + KIND] = kind;
  words[entry + SUBJECT] = subject;
  words[entry + RCODE] = rcode;
  const at = entry + HEAD_WORDS;
  const end = (key.length + 3) >> 2;
  for (let word = 0; word < end; word += 1) words[at + word] = key.name[word]!;
  return entry;
}
