import { areOptionsSound } from './proxy-options.ts';

/**
 * Version 2 of the PROXY protocol (HAProxy's "The PROXY protocol", 2.2): a header in front of a
 * connection or a datagram in which a proxy says who is behind it. It is believed of listed sources only,
 * for whoever may send one may be anybody. Version 1 is in proxy-line.ts.
 */

/** `\r\n\r\n\0\r\nQUIT\n`, which no DNS message, TLS handshake or HTTP request begins with. */
export const SIGNATURE = [
  0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
] as const;
/** Signature, version and command, family and protocol, length of the rest. */
const FIXED_LENGTH = 16;
/** A longer header is refused: addresses take 36 octets, and options (proxy-options.ts) the rest. */
export const PROXY_HEADER_LENGTH_MAX = 1024;

/** More octets are needed. */
export const PROXY_INCOMPLETE = 0;
/** It is not a header: the peer is no proxy, or not one that we speak to. */
export const PROXY_MALFORMED = -1;

/** The last address family (of Unix) and protocol (datagrams) that there are; others "must be rejected as invalid". */
const FAMILY_MAX = 3;
const PROTOCOL_MAX = 2;
/** An IPv4 address in an IPv6 one stands behind so many octets, of which the last two are 255 (RFC 4291 2.5.5.2). */
const MAPPED_AT = 12;

/** The client that a header tells of; one record per reader, filled anew. */
export type ProxiedClient = {
  /** False: the proxy speaks for itself (a health check of its own), and its address is the client's. */
  isTold: boolean;
  family: 4 | 6;
  /** 4 or 16 octets used. */
  readonly address: Uint8Array;
  port: number;
  /** Where in the header its options begin; its length where there are none. */
  optionsAt: number;
};

export function createProxiedClient(): ProxiedClient {
  return { isTold: false, family: 4, address: new Uint8Array(16), port: 0, optionsAt: 0 };
}

/**
 * Reads the header at the start of `bytes[0..length)` into `client`.
 * @returns its length in octets, PROXY_INCOMPLETE or PROXY_MALFORMED
 */
export function readProxyHeader(client: ProxiedClient, bytes: Uint8Array, length: number): number {
  const known = Math.min(length, SIGNATURE.length);
  for (let index = 0; index < known; index += 1) {
    if (bytes[index] !== SIGNATURE[index]) return PROXY_MALFORMED;
  }
  if (length < FIXED_LENGTH) return PROXY_INCOMPLETE;
  const total = FIXED_LENGTH + ((bytes[14]! << 8) | bytes[15]!);
  const command = bytes[12]! & 0x0f;
  if (bytes[12]! >> 4 !== 2 || command > 1 || total > PROXY_HEADER_LENGTH_MAX) {
    return PROXY_MALFORMED;
  }
  const family = bytes[13]! >> 4;
  // Of a proxy that speaks for itself the family means nothing.
  const isKnown = family <= FAMILY_MAX && (bytes[13]! & 0x0f) <= PROTOCOL_MAX;
  if (command === 1 && !isKnown) return PROXY_MALFORMED;
  if (length < total) return PROXY_INCOMPLETE;
  const octets = family === 1 ? 4 : family === 2 ? 16 : 0;
  // LOCAL, and families without addresses (unspecified, Unix), leave the connection's own.
  client.isTold = command === 1 && octets > 0;
  client.optionsAt = total;
  // What else such a header says is to be discarded.
  if (!client.isTold) return total;
  const optionsAt = FIXED_LENGTH + 2 * octets + 4;
  if (total < optionsAt || !areOptionsSound(bytes, optionsAt, total)) return PROXY_MALFORMED;
  client.optionsAt = optionsAt;
  // A proxy that listens on both families may tell of IPv4 clients in IPv6 form. They are IPv4 clients to all who
  // count and judge networks, and not one network together.
  const start = octets === 16 && isMapped(bytes, FIXED_LENGTH) ? MAPPED_AT : 0;
  client.family = octets - start === 4 ? 4 : 6;
  for (let index = start; index < octets; index += 1) {
    client.address[index - start] = bytes[FIXED_LENGTH + index]!;
  }
  const port = FIXED_LENGTH + 2 * octets;
  client.port = (bytes[port]! << 8) | bytes[port + 1]!;
  return total;
}

function isMapped(bytes: Uint8Array, offset: number): boolean {
  for (let index = 0; index < MAPPED_AT; index += 1) {
    if (bytes[offset + index] !== (index < MAPPED_AT - 2 ? 0 : 0xff)) return false;
  }
  return true;
}
