import { bytesToInt32 } from '../ip/address.ts';
import { SLOTS } from '../steering/slots.ts';
import { spread } from '../zone/compiled-zones.ts';

/**
 * Which of several outcomes a client gets now: a deterministic, low-discrepancy draw. Independent
 * random draws would miss the configured weights by far, because few and large resolver caches do
 * the asking; instead, each client bucket walks through the unit interval by the golden ratio, one
 * step per slot, which covers it as evenly as any number of steps can (Weyl's sequence). Everybody
 * who computes it gets the same: all workers and nodes agree, and so do A and AAAA of a name, the
 * type being no part of it. A slot is the longest TTL of the name and not the TTL of the moment, which
 * changes with every probe that fails: that would draw anew for everybody, and part A from AAAA.
 */

/** 2^32 divided by the golden ratio, as an odd 32-bit number. */
const GOLDEN_STEP = 0x9e3779b9 | 0;

/** 32-bit draw, as a signed number, for a name and a client bucket in the slot of `nowMs`. */
export function drawOf(
  nameHash: number,
  bucket: number,
  nowMs: number,
  slotSeconds: number,
): number {
  const slot = Math.floor(nowMs / 1000 / (slotSeconds > 0 ? slotSeconds : 1));
  const start = spread(nameHash ^ spread(bucket));
  // Unsigned, half of them would be heap objects.
  return (start + Math.imul(slot, GOLDEN_STEP)) | 0;
}

/**
 * The slot (steering/slots.ts) of a client bucket, for ever the same: which part of the clients it belongs to.
 * Independent of `drawOf`, which would otherwise give all of a small part the same outcome.
 */
export function slotOf(nameHash: number, bucket: number): number {
  return spread(spread(nameHash ^ bucket) ^ GOLDEN_STEP) >>> SLOT_SHIFT;
}

const SLOT_SHIFT = 32 - Math.log2(SLOTS);

/** 32-bit draw, as a signed number, that is the same for all clients of a name. */
export function nameDrawOf(nameHash: number): number {
  return spread(nameHash ^ NAME_SALT) | 0;
}

const NAME_SALT = 0x4e414d45;

/** The next of a worker's random draws of 32 bits, as a signed number other than 0 (Marsaglia's xorshift). */
export function nextRandom(before: number): number {
  let value = before ^ (before << 13);
  value ^= value >>> 17;
  return value ^ (value << 5);
}

/** Bits of an address that `bucketOf` goes by. */
export const BUCKET_BITS_4 = 24;
const BUCKET_BITS_6 = 48;
/** An IPv4-mapped address goes by the IPv4 address. */
const BUCKET_BITS_MAPPED = 96 + BUCKET_BITS_4;
const BUCKET_BITS_ALL = 128;

/** In ::/48 are all IPv4-mapped clients, and private ones, who go by their resolver: it is no network of clients. */
export function bucketBits6(address: Uint8Array): number {
  const second = bytesToInt32(address, 4);
  if ((bytesToInt32(address, 0) | (second >>> 16)) !== 0) return BUCKET_BITS_6;
  const isMapped = second === 0 && bytesToInt32(address, 8) === 0xffff;
  return isMapped ? BUCKET_BITS_MAPPED : BUCKET_BITS_ALL;
}

/** Clients that draw alike: the first 24 bits of an IPv4 address, the first 48 of an IPv6 one. */
export function bucketOf(family: 4 | 6, address: Uint8Array): number {
  const first = bytesToInt32(address, 0);
  if (family === 4) return first >>> 8;
  const second = bytesToInt32(address, 4);
  if (first === 0 && second === 0 && bytesToInt32(address, 8) === 0xffff) {
    return bytesToInt32(address, 12) >>> 8;
  }
  return spread(first) ^ (second >>> 16) ^ 0x36;
}
