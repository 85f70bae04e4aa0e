import { parseAddress } from './address.ts';
import {
  PROXY_INCOMPLETE,
  PROXY_MALFORMED,
  type ProxiedClient,
  readProxyHeader,
} from './proxy-protocol.ts';

/**
 * Version 1 of the PROXY protocol (HAProxy's "The PROXY protocol", 2.1): one line of text in front of a
 * connection. Read strictly: single spaces, no leading zeros, both addresses of the family that is named.
 */

/** With its CRLF, of two IPv6 addresses; a longer line is refused. */
export const PROXY_LINE_LENGTH_MAX = 107;

/** Reads a header of either version; version 2 begins with a CR, so that one octet tells them apart. */
export function readEitherProxyHeader(
  client: ProxiedClient,
  bytes: Uint8Array,
  length: number,
): number {
  if (length === 0) return PROXY_INCOMPLETE;
  return bytes[0] === LETTER_P
    ? readProxyLine(client, bytes, length)
    : readProxyHeader(client, bytes, length);
}

/**
 * Reads the line at the start of `bytes[0..length)` into `client`.
 * @returns its length in octets, PROXY_INCOMPLETE or PROXY_MALFORMED
 */
export function readProxyLine(client: ProxiedClient, bytes: Uint8Array, length: number): number {
  const known = Math.min(length, PROXY_LINE_LENGTH_MAX);
  const end = bytes.subarray(0, known).indexOf(LINE_FEED);
  const text = String.fromCharCode(...bytes.subarray(0, end < 0 ? known : end + 1));
  if (end < 0) {
    const mayBecome = PREFIX.startsWith(text.slice(0, PREFIX.length));
    return mayBecome && length < PROXY_LINE_LENGTH_MAX ? PROXY_INCOMPLETE : PROXY_MALFORMED;
  }
  if (!text.startsWith(PREFIX) || !text.endsWith('\r\n')) return PROXY_MALFORMED;
  client.isTold = false;
  client.optionsAt = end + 1;
  // Of what is behind UNKNOWN "the receiver must ignore anything presented before the CRLF".
  if (/^PROXY UNKNOWN[ \r]/.test(text)) return end + 1;
  const match = LINE.exec(text);
  if (match === null) return PROXY_MALFORMED;
  const [, family, source = '', target = '', sourcePort, targetPort] = match;
  const [from, to] = [parseAddress(source), parseAddress(target)];
  const port = Number(sourcePort);
  const isWhole = from?.family === Number(family) && to?.family === Number(family);
  if (!isWhole || port > PORT_MAX || Number(targetPort) > PORT_MAX) return PROXY_MALFORMED;
  const { bytes: octets } = from;
  // As of version 2: an IPv4 client in IPv6 form is an IPv4 client.
  const isMapped = octets.length === 16 && MAPPED.every((octet, at) => octets[at] === octet);
  client.isTold = true;
  client.family = isMapped ? 4 : from.family;
  client.address.set(isMapped ? octets.subarray(MAPPED.length) : octets);
  client.port = port;
  return end + 1;
}

const LETTER_P = 0x50;
const LINE_FEED = 0x0a;
const PREFIX = 'PROXY ';
const PORT_MAX = 65_535;
const LINE =
  /^PROXY TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})\r\n$/;
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] as const;
