/**
 * Answers of the same question again (fast-path.ts). Of what answers everybody alike, the records are remembered as
 * they stand behind the question; of a steered name, where the look-up led. PowerDNS calls the like a packet cache.
 *
 *   entry   head | name, lower-cased | records      two places for a question
 *
 * It has a fixed size and allocates nothing. Only what was asked twice takes a place, so a flood of names that nobody
 * asks for again drives nothing out. What was remembered before `forgetAnswers` is no longer found.
 */
import { type Reply, writeBytes } from '../dns/encode.ts';
import type { Query } from '../dns/message.ts';
import { spread } from '../zone/compiled-zones.ts';
import type { LookupResult } from '../zone/lookup.ts';
import { KIND_ANSWER, type ResponseKind } from './rate-limit.ts';

/** A power of two. */
export const PACKET_CACHE_ENTRIES = 8192;
const ENTRY_MASK = PACKET_CACHE_ENTRIES - 1;
/** Questions that were looked for in vain and are known by their hash; a power of two. */
const MISSED_MAX = 65_536;
/** Longer names, and longer answers, are looked up each time. */
export const CACHED_NAME_MAX = 128;
export const CACHED_ANSWER_MAX = 320;

/** Words of an entry's head. */
const HASH = 0;
/** When it was remembered; 0 = never. */
const EPOCH = 1;
const QUESTION = 2;
const NAME_LENGTH = 3;
const KIND = 4;
const SUBJECT = 5;
/** RCODE of the answer; CACHED_STEERED = it is steered. */
const RCODE = 6;
const ANSWERS = 7;
const AUTHORITY = 8;
const ADDITIONAL = 9;
const LENGTH = 10;
/** Of a steered name. */
const SERVICE = 11;
const NAME_HASH = 12;
const HEAD_WORDS = 16;

const NAME_WORDS = CACHED_NAME_MAX / 4;
const ENTRY_WORDS = HEAD_WORDS + NAME_WORDS + CACHED_ANSWER_MAX / 4;
const RECORDS_AT = 4 * (HEAD_WORDS + NAME_WORDS);

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
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly key: CacheKey;
  /** Hashes of questions that were not found. */
  readonly missed: Int32Array;
  epoch: number;
  /** Where the key belongs, which was not found; NOT_CACHED = it is not to be remembered. */
  place: number;
};

export function createPacketCache(): PacketCache {
  const words = new Int32Array(PACKET_CACHE_ENTRIES * ENTRY_WORDS);
  const name = new Int32Array(NAME_WORDS);
  return {
    words,
    bytes: new Uint8Array(words.buffer),
    key: { name, octets: new Uint8Array(name.buffer), length: 0, hash: 0, qtype: 0 },
    missed: new Int32Array(MISSED_MAX),
    epoch: 1,
    place: NOT_CACHED,
  };
}

/** Something has changed: nothing that is remembered holds any more. */
export function forgetAnswers(cache: PacketCache): void {
  cache.epoch += 1;
  cache.place = NOT_CACHED;
}

/** The entry of the key, asked with these bits of OPT, or NOT_CACHED: what is composed then may be remembered. */
export function findEntry(cache: PacketCache, query: Query): number {
  const { key } = cache;
  const question = questionOf(key.qtype, query);
  const hash = spread(key.hash ^ question);
  const index = hash & ENTRY_MASK;
  const first = index * ENTRY_WORDS;
  if (isOf(cache, first, hash, question)) return first;
  const second = (index ^ 1) * ENTRY_WORDS;
  if (isOf(cache, second, hash, question)) return second;
  miss(cache, first, second, hash);
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

/** Copies the records of an entry behind the question; false = they do not fit. */
export function writeCached({ bytes, words }: PacketCache, entry: number, reply: Reply): boolean {
  if (!writeBytes(reply, bytes, 4 * entry + RECORDS_AT, words[entry + LENGTH]!)) return false;
  reply.answerCount = words[entry + ANSWERS]!;
  reply.authorityCount = words[entry + AUTHORITY]!;
  reply.additionalCount = words[entry + ADDITIONAL]!;
  return true;
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
  const { bytes, place, words } = cache;
  writeHead(cache, query, kind, subject, rcode);
  words[place + ANSWERS] = answerCount;
  words[place + AUTHORITY] = authorityCount;
  words[place + ADDITIONAL] = additionalCount;
  words[place + LENGTH] = length;
  const start = 4 * place + RECORDS_AT;
  for (let at = 0; at < length; at += 1) bytes[start + at] = out[questionEnd + at]!;
}

/** Remembers where the look-up of a steered name led. */
export function rememberSteered(cache: PacketCache, query: Query, result: LookupResult): void {
  if (!wasMissed(cache, query)) return;
  const { place, words } = cache;
  writeHead(cache, query, KIND_ANSWER, result.node, CACHED_STEERED);
  words[place + SERVICE] = result.service;
  words[place + NAME_HASH] = result.nameHash;
}

/** What else decides on the records: DO and CO (negative.ts, signed-records.ts). */
const questionOf = (qtype: number, { ednsCo, ednsDo }: Query): number =>
  qtype | (ednsDo ? 0x10000 : 0) | (ednsCo ? 0x20000 : 0);

function isOf({ epoch, key, words }: PacketCache, entry: number, hash: number, question: number) {
  if (words[entry + HASH] !== hash || words[entry + EPOCH] !== epoch) return false;
  if (words[entry + QUESTION] !== question || words[entry + NAME_LENGTH] !== key.length) {
    return false;
  }
  const { length, name } = key;
  const at = entry + HEAD_WORDS;
  const end = (length + 3) >> 2;
  for (let word = 0; word < end; word += 1) if (words[at + word] !== name[word]) return false;
  return true;
}

/** The second time that a question is missed it gets the place of what is older, if one of them has that. */
function miss(cache: PacketCache, first: number, second: number, hash: number): void {
  const { epoch, missed, words } = cache;
  const slot = hash >>> 16;
  if (missed[slot] !== hash) missed[slot] = hash;
  else {
    const isSecondFree = words[first + EPOCH] === epoch && words[second + EPOCH] !== epoch;
    cache.place = isSecondFree ? second : first;
  }
}

/** Whether the question under way is the key, and has a place. */
function wasMissed({ key, place }: PacketCache, { qname, qnameLength, qtype }: Query): boolean {
  if (place === NOT_CACHED || key.length !== qnameLength || key.qtype !== qtype) return false;
  const { octets } = key;
  for (let at = 0; at < qnameLength; at += 1) if (octets[at] !== qname[at]) return false;
  return true;
}

function writeHead(
  { epoch, key, place, words }: PacketCache,
  query: Query,
  kind: ResponseKind,
  subject: number,
  rcode: number,
): void {
  const question = questionOf(key.qtype, query);
  words[place + HASH] = spread(key.hash ^ question);
  words[place + EPOCH] = epoch;
  words[place + QUESTION] = question;
  words[place + NAME_LENGTH] = key.length;
  words[place + KIND] = kind;
  words[place + SUBJECT] = subject;
  words[place + RCODE] = rcode;
  const at = place + HEAD_WORDS;
  const end = (key.length + 3) >> 2;
  for (let word = 0; word < end; word += 1) words[at + word] = key.name[word]!;
}
