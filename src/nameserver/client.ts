import { parseAddress } from '../ip/address.ts';

/**
 * Who asks: one mutable record per socket, filled anew for every message so that nothing is
 * allocated. Transports fill it, `respond` reads it.
 */
export type Client = {
  family: 4 | 6;
  /** Source address: 4 or 16 bytes used. */
  readonly address: Uint8Array;
  port: number;
  transport: Transport;
  /** The address that the message came to: 4 or 16 bytes used. */
  readonly localAddress: Uint8Array;
  localPort: number;
};

export type Transport =
  | typeof TRANSPORT_UDP
  | typeof TRANSPORT_TCP
  | typeof TRANSPORT_TLS
  | typeof TRANSPORT_HTTPS;
export const TRANSPORT_UDP = 0;
export const TRANSPORT_TCP = 1;
/** RFC 7858. */
export const TRANSPORT_TLS = 2;
/** RFC 8484. */
export const TRANSPORT_HTTPS = 3;

export function createClient(transport: Transport): Client {
  return {
    family: 4,
    address: new Uint8Array(16),
    port: 0,
    transport,
    localAddress: new Uint8Array(16),
    localPort: 0,
  };
}

/**
 * Puts a textual source address into the record. Dotted quads, the common case, are read in place;
 * an IPv6 address may carry a zone (`%eth0`), which is not part of it.
 */
export function setClientAddress(client: Client, text: string, isIpv6: boolean): void {
  client.family = isIpv6 ? 6 : 4;
  if (isIpv6) {
    const zone = text.indexOf('%');
    const parsed = parseAddress(zone === -1 ? text : text.slice(0, zone));
    if (parsed) client.address.set(parsed.bytes);
    return;
  }
  let octet = 0;
  let index = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      client.address[index] = octet;
      index += 1;
      octet = 0;
    } else octet = octet * 10 + (code - DIGIT_0);
  }
  client.address[index] = octet;
}

const DOT = 0x2e;
const DIGIT_0 = 0x30;
