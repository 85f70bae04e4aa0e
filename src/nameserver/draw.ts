import { bytesToInt32 } from '../ip/address.ts';
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
 * 32-bit draw, as a signed number, that stays the same for a client bucket for ever: which part of the clients it
 * belongs to while something returns slowly. Independent of `drawOf`, which would otherwise give all
 * of a small part the same outcome.
 */
export function stickyDrawOf(nameHash: number, bucket: number): number {
  return spread(spread(nameHash ^ bucket) ^ GOLDEN_STEP) | 0;
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
