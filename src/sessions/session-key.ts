import { createHmac } from 'node:crypto';
import { sipHash } from '../dns/siphash.ts';

/**
 * What a session is found by: 64 bits of SipHash-2-4 over what the client shows (the network of its address, a
 * header, a parameter, a cookie of the application), under a key that all nodes derive alike. So the table
 * and Redis hold nothing that a client could be impersonated with, and nobody outside can aim at a
 * place in either. Among ten million sessions two share a key once in 370,000 such sets.
 */
export type SessionKey = { high: number; low: number };

/** @param secret may be empty: keys then only tell upstreams apart */
export function sessionKeySecretOf(secret: string, upstream: string): Uint8Array {
  const purpose = `meridian session key v1\n${upstream}`;
  return createHmac('sha256', secret).update(purpose).digest().subarray(0, SECRET_OCTETS);
}

/** Writes the key of `bytes[start..end)` to `out`. */
export function hashSessionKey(
  secret: Uint8Array,
  bytes: Uint8Array,
  start: number,
  end: number,
  out: SessionKey,
): void {
  sipHash(secret, bytes, start, end, octets, 0);
  out.high = view.getUint32(0);
  out.low = view.getUint32(4);
}

const SECRET_OCTETS = 16;
const octets = new Uint8Array(8);
const view = new DataView(octets.buffer);
