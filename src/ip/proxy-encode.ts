import { type Address, parseAddress } from './address.ts';
import { CHECKSUM_LENGTH, crc32c } from './crc32c.ts';
import { NO_PROXY_OPTIONS, OPTION, type ProxyOptions } from './proxy-options.ts';
import { SIGNATURE } from './proxy-protocol.ts';

/**
 * Writes the header of the PROXY protocol (HAProxy's "The PROXY protocol", sections 2.1 and 2.2) that
 * tells a server of whom a connection or datagram comes and where to. Both ends are of one family: an IPv4
 * one beside one of IPv6 is written in IPv6 form (RFC 4291 section 2.5.5.2).
 */
export type ProxiedEnds = {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
};

/** What else version 2 can say. */
export type ProxyExtras = {
  /** Default: connections. */
  readonly isDatagrams?: boolean;
  readonly options?: ProxyOptions;
  /** Puts a checksum over the whole header into it. */
  readonly hasChecksum?: boolean;
};

/** Of ends that are no addresses: a header that says that the connection speaks for itself. */
export function encodeProxyHeader(
  version: 'v1' | 'v2',
  ends: ProxiedEnds,
  extras: ProxyExtras = {},
): Uint8Array {
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
  const options = encodeOptions(extras);
  const length = 2 * source.length + 4 + options.length;
  const header = Uint8Array.of(
    ...SIGNATURE,
    VERSION_2 | COMMAND_PROXY,
    (family === 4 ? 0x10 : 0x20) | (extras.isDatagrams ? DATAGRAMS : STREAM),
    length >> 8,
    length & 0xff,
    ...source,
    ...target,
    ends.remotePort >> 8,
    ends.remotePort & 0xff,
    ends.localPort >> 8,
    ends.localPort & 0xff,
    ...options,
  );
  if (extras.hasChecksum) putChecksum(header);
  return header;
}

/** The checksum comes last, and is zero for now. */
function encodeOptions({ hasChecksum, options = NO_PROXY_OPTIONS }: ProxyExtras): number[] {
  const { alpn, authority, uniqueId } = options;
  const bytes: number[] = [];
  const put = (kind: number, value: Uint8Array | undefined): void => {
    if (value) bytes.push(kind, value.length >> 8, value.length & 0xff, ...value);
  };
  put(OPTION.alpn, alpn);
  put(OPTION.authority, authority);
  put(OPTION.uniqueId, uniqueId);
  if (hasChecksum) put(OPTION.crc32c, new Uint8Array(CHECKSUM_LENGTH));
  return bytes;
}

function putChecksum(header: Uint8Array): void {
  const at = header.length - CHECKSUM_LENGTH;
  const checksum = crc32c(header, header.length, at);
  for (let octet = 0; octet < CHECKSUM_LENGTH; octet += 1) {
    header[at + octet] = checksum >>> (24 - 8 * octet);
  }
}

const STREAM = 1;
const DATAGRAMS = 2;
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
