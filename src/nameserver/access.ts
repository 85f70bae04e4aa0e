/** Who may ask: lists of networks, of a few for one thing or of many for all. */
import { bytesToInt32 } from '../ip/address.ts';
import type { Prefix } from '../ip/prefix.ts';
import {
  buildPrefixTable,
  lookup4,
  lookup6,
  type PrefixTable,
  rangeValueOf,
} from '../ip/prefix-table.ts';
import { overlayPrefixes, uniformRanges } from '../ip/ranges.ts';
import type { Client } from './client.ts';

/** What a client may expect. */
export type AccessWord = typeof ACCESS_ANSWERED | typeof ACCESS_REFUSED | typeof ACCESS_DENIED;
export const ACCESS_ANSWERED = 0;
/** REFUSED, with an extended error. */
export const ACCESS_REFUSED = 1;
/** Silence, and no connection. */
export const ACCESS_DENIED = 2;

/**
 * The longest network of both lists that holds a client decides, `deny` where both have the same; who is in none is
 * answered, or refused where there is an `allow`. Undefined = everybody is answered. IPv6 addresses that carry an
 * IPv4 address (NAT64, 6to4) count as that one, so that nobody gets around a list by them.
 */
export function buildAccess(
  allow: readonly Prefix[],
  deny: readonly Prefix[],
): PrefixTable | undefined {
  if (allow.length === 0 && deny.length === 0) return undefined;
  const others = allow.length > 0 ? ACCESS_REFUSED : ACCESS_ANSWERED;
  return buildPrefixTable(
    overlayPrefixes(uniformRanges(others), [
      ...allow.map((prefix) => ({ prefix, value: ACCESS_ANSWERED })),
      ...deny.map((prefix) => ({ prefix, value: ACCESS_DENIED })),
    ]),
  );
}

/** Allocates nothing. */
export function accessOf(access: PrefixTable | undefined, { address, family }: Client): number {
  if (access === undefined) return ACCESS_ANSWERED;
  return rangeValueOf(
    family === 4 ? lookup4(access, bytesToInt32(address, 0)) : lookup6(access, address, 0),
  );
}

/** True when the source address of the query is in one of the networks; allocates nothing. */
export function isListed(networks: readonly Prefix[], { address, family }: Client): boolean {
  for (const { address: network, length } of networks) {
    if (network.family === family && sharesBits(network.bytes, address, length)) return true;
  }
  return false;
}

function sharesBits(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  const whole = bits >>> 3;
  for (let i = 0; i < whole; i++) {
    if (a[i] !== b[i]) return false;
  }
  const rest = bits & 7;
  return rest === 0 || ((a[whole]! ^ b[whole]!) & (0xff00 >>> rest) & 0xff) === 0;
}
