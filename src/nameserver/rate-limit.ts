/**
 * Response rate limiting: the same answer goes only so often to the same network, for who gets it that
 * often has not asked for it (its address was forged). The table is fixed, so that a flood of forged
 * addresses costs no memory; networks that share a slot share its credit, and a secret seed keeps
 * anybody from choosing who they are. It allocates nothing.
 */
import { bytesToInt32 } from '../ip/address.ts';
import type { Client } from './client.ts';
import type { RateLimits } from './snapshot.ts';

/** Slots of the table, a power of two; each is 8 octets, for what a look costs is mostly the line of memory. */
export const RATE_LIMIT_SLOTS = 65_536;
const SLOT_MASK = RATE_LIMIT_SLOTS - 1;
/**
 * Words of a slot: the key, and when its credit would be whole again (the "theoretical arrival time" of GCRA, ITU-T
 * I.371), which says both what is left and since when.
 */
const SLOT_WORDS = 2;
const KEY = 0;
const WHOLE_AT = 1;
/** Times are 32 bits of this many to a millisecond. */
const TICKS = 256;
/**
 * The difference of such times is right for so long, 2.3 hours. Then all keys are other ones, so that nobody is held
 * to what a slot has of long ago: all it costs is that a flood has a second's credit once more.
 */
const ERA_MS = 2 ** 31 / TICKS;
/** Credit is for a second at most. */
const SECOND = 1000 * TICKS;
/** What a second's credit may be off by, because parts of a tick are not kept for each slot. */
const LEEWAY = 16;
const CREDIT_MAX = SECOND + LEEWAY;
/** Costs are whole numbers of these, so many to a tick; the cost of a second, the largest, is half of what 32 bits hold. */
const PARTS_SHIFT = 12;
const PARTS = 1 << PARTS_SHIFT;

/** What is counted apart from each other: answers by name, negatives by zone, referrals by cut, errors. */
export type ResponseKind =
  | typeof KIND_ANSWER
  | typeof KIND_NEGATIVE
  | typeof KIND_REFERRAL
  | typeof KIND_ERROR;
export const KIND_ANSWER = 1;
export const KIND_NEGATIVE = 2;
export const KIND_REFERRAL = 3;
export const KIND_ERROR = 4;
/** A kind stands in bits that subjects have no use for; where one has, two share their credit. */
const KIND_SHIFT = 28;
/** In place of a kind: who floods somebody may draw from all the names that there are. */
const ALL = 5;

/** One per worker. */
export type RateLimiter = {
  readonly seed: number;
  readonly words: Int32Array;
  /** What rounding has left over so far, in parts of a tick. */
  rest: number;
  /** The limits that were asked for last, and what one response takes from the credit by each, by its kind, in parts. */
  limits: RateLimits | undefined;
  readonly costs: Int32Array;
  /** When somebody asked last, in milliseconds since the epoch; then what follows from it, once for many queries. */
  nowMs: number;
  /** In ticks. */
  time: number;
  /** Of the era: what hashes of networks begin with. */
  eraHash: number;
  /** Responses withheld so far: every so many slips through. */
  withheld: number;
};

/** @param seed drawn at random: what nobody else knows */
export function createRateLimiter(seed: number): RateLimiter {
  return {
    seed: seed | 0,
    words: new Int32Array(RATE_LIMIT_SLOTS * SLOT_WORDS),
    rest: 0,
    limits: undefined,
    costs: new Int32Array(ALL + 1),
    nowMs: Number.NaN,
    time: 0,
    eraHash: 0,
    withheld: 0,
  };
}

/** What a response is to a client that may not get it so often. */
export type Admission = typeof ADMIT | typeof SLIP | typeof WITHHOLD;
export const ADMIT = 0;
/** An empty answer with TC: a client that is there comes back over TCP. */
export const SLIP = 1;
/** Silence. */
export const WITHHOLD = 2;

/**
 * Whether one more response of a kind may go to the client's network.
 * @param subject what it is about: a hash of the name, the zone, the cut
 */
export function admitResponse(
  limiter: RateLimiter,
  limits: RateLimits,
  client: Client,
  kind: ResponseKind,
  subject: number,
  nowMs: number,
): Admission {
  if (limits !== limiter.limits) setLimits(limiter, limits);
  if (nowMs !== limiter.nowMs) setTime(limiter, nowMs);
  const network = networkOf(limiter, limits, client);
  const { costs } = limiter;
  const isAdmitted =
    spend(limiter, mix(network, subject ^ (kind << KIND_SHIFT)), costs[kind]!) &&
    spend(limiter, mix(network, ALL), costs[ALL]!);
  if (isAdmitted) return ADMIT;
  limiter.withheld += 1;
  return limits.slip > 0 && limiter.withheld % limits.slip === 0 ? SLIP : WITHHOLD;
}

function setLimits(limiter: RateLimiter, limits: RateLimits): void {
  limiter.limits = limits;
  for (const kind of [KIND_ANSWER, KIND_NEGATIVE, KIND_REFERRAL, KIND_ERROR, ALL] as const) {
    const perSecond = rateOf(limits, kind);
    limiter.costs[kind] = perSecond === 0 ? 0 : Math.max(1, (SECOND * PARTS) / perSecond);
  }
}

function setTime(limiter: RateLimiter, nowMs: number): void {
  limiter.nowMs = nowMs;
  limiter.time = (nowMs * TICKS) | 0;
  limiter.eraHash = mix(limiter.seed, Math.floor(nowMs / ERA_MS));
}

/** Takes so much from the credit of what has this hash; 0 = there is no limit. */
function spend(limiter: RateLimiter, hash: number, cost: number): boolean {
  if (cost === 0) return true;
  const { time, words } = limiter;
  const key = hash || 1;
  const slot = slotOf(words, key, time);
  let ahead = words[slot + KEY] === key ? (words[slot + WHOLE_AT]! - time) | 0 : 0;
  if (ahead < 0) ahead = 0;
  // The clock was set back.
  else if (ahead > CREDIT_MAX) ahead = CREDIT_MAX;
  const isAdmitted = ahead + (cost >> PARTS_SHIFT) < CREDIT_MAX;
  if (isAdmitted) {
    const parts = cost + limiter.rest;
    limiter.rest = parts & (PARTS - 1);
    ahead += parts >> PARTS_SHIFT;
  }
  words[slot + KEY] = key;
  words[slot + WHOLE_AT] = time + ahead;
  return isAdmitted;
}

function rateOf(limits: RateLimits, kind: ResponseKind | typeof ALL): number {
  switch (kind) {
    case ALL:
      return limits.responsesPerSecond;
    case KIND_ANSWER:
      return limits.answersPerSecond;
    case KIND_ERROR:
      return limits.errorsPerSecond;
    default:
      return limits.negativesPerSecond;
  }
}

/** Hash of the network that a client is in, for an era. */
function networkOf(
  { eraHash }: RateLimiter,
  { ipv4Bits, ipv6Bits }: RateLimits,
  { address, family }: Client,
): number {
  const bits = family === 4 ? ipv4Bits : ipv6Bits;
  let hash = eraHash;
  for (let bit = 0; bit < bits; bit += 32) {
    const word = bytesToInt32(address, bit >> 3);
    const left = bits - bit;
    hash = mix(hash, left >= 32 ? word : word & ~(-1 >>> left));
  }
  return hash;
}

function mix(hash: number, value: number): number {
  let mixed = Math.imul(hash ^ value, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca77);
  return mixed ^ (mixed >>> 13);
}

/** The key's slot, of two; the one that was used longer ago when it has none. */
function slotOf(words: Int32Array, key: number, time: number): number {
  const first = (key & SLOT_MASK) * SLOT_WORDS;
  if (words[first + KEY] === key) return first;
  const second = first ^ SLOT_WORDS;
  if (words[second + KEY] === key) return second;
  const firstAge = (time - words[first + WHOLE_AT]!) | 0;
  const secondAge = (time - words[second + WHOLE_AT]!) | 0;
  return firstAge >= secondAge ? first : second;
}
