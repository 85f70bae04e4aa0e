import { type Address, parseAddress } from './address.ts';
import { SIGNATURE } from './proxy-protocol.ts';

/**
 * Writes the header of the PROXY protocol (HAProxy's "The PROXY protocol", sections 2.1 and 2.2) that
 * tells a server of whom a connection comes and where to; no TLVs. Both ends are of one family: an IPv4
 * one beside one of IPv6 is written in IPv6 form (RFC 4291 section 2.5.5.2).
 */
export type ProxiedEnds = {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
};

export function encodeProxyHeader(version: 'v1' | 'v2', ends: ProxiedEnds): Uint8Array {
  const from = parseAddress(ends.remoteAddress);
  const to = parseAddress(ends.localAddress);
  if (from === undefined || to === undefined) return UNKNOWN[version];
  const isMixed = from.family !== to.family;
  const family = isMixed ? 6 : from.family;
  if (version === 'v1') {
    const [source, target] = isMixed
      ? [textOf6(from, ends.remoteAddress), textOf6(to, ends.localAddress)]
      : [ends.remoteAddress, ends.localAddress];
    const ports = `${ends.remotePort} ${ends.localPort}`;
    return Buffer.from(`PROXY TCP${family} ${source} ${target} ${ports}\r\n`, 'latin1');
  }
  const [source, target] = isMixed ? [bytesOf6(from), bytesOf6(to)] : [from.bytes, to.bytes];
  const length = 2 * source.length + 4;
  const kind = family === 4 ? 0x11 : 0x21;
  return Uint8Array.of(
    ...SIGNATURE,
    VERSION_2 | COMMAND_PROXY,
    kind,
    length >> 8,
    length & 0xff,
    ...source,
    ...target,
    ends.remotePort >> 8,
    ends.remotePort & 0xff,
    ends.localPort >> 8,
    ends.localPort & 0xff,
  );
}

const VERSION_2 = 0x20;
const COMMAND_PROXY = 0x01;
/** The connection speaks for itself: UNKNOWN, and LOCAL. */
const UNKNOWN = {
  v1: Buffer.from('PROXY UNKNOWN\r\n', 'latin1'),
  v2: Uint8Array.of(...SIGNATURE, VERSION_2, 0, 0, 0),
} as const;

const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

const bytesOf6 = ({ bytes, family }: Address): Uint8Array =>
  family === 6 ? bytes : Uint8Array.of(...MAPPED, ...bytes);

const textOf6 = ({ family }: Address, text: string): string =>
  family === 6 ? text : `::ffff:${text}`;
