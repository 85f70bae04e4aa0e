import { UDP_SIZE_MIN } from '../dns/constants.ts';
import type { Query } from '../dns/message.ts';

/** Largest UDP response: what the client takes, and what we send at all (RFC 6891 6.2.3). */
export function udpLimit(query: Query, udpSizeMax: number): number {
  if (!query.hasEdns || query.udpSize < UDP_SIZE_MIN) return UDP_SIZE_MIN;
  return Math.min(query.udpSize, udpSizeMax);
}
