import { spread } from '../zone/compiled-zones.ts';

/**
 * A little less than the TTL, for each client bucket always the same little. A TTL that counts down
 * to a known moment (an override that ends, docs/decisions/0006) would have all caches of the world
 * come back in that one second, and again one TTL later, and again; so they are told to come back
 * a tenth of it apart. Only ever less: the TTL is a promise that nothing changes before. Everybody
 * computes the same, so all nodes give a resolver the same TTL, and A and AAAA of a name have one.
 *
 * Whole seconds are all that DNS knows, so below ten of them, and at `ttl.min`, nothing is taken.
 */
export const TTL_JITTER = 0.1;

/** The TTL for the clients of a bucket, within `ttlMinSeconds` and `ttlSeconds`. */
export function jitteredTtl(
  ttlSeconds: number,
  ttlMinSeconds: number,
  nameHash: number,
  bucket: number,
): number {
  const room = Math.min(Math.floor(ttlSeconds * TTL_JITTER), ttlSeconds - ttlMinSeconds);
  if (room <= 0) return ttlSeconds;
  // 16 bits of a hash that the draws do not use (draw.ts): a number small enough to stay unboxed.
  const draw = spread(spread(nameHash ^ bucket) ^ JITTER_SALT) & 0xffff;
  return ttlSeconds - ((draw * (room + 1)) >>> 16);
}

const JITTER_SALT = 0x54544c21;
