import { CHECKSUM_LENGTH, crc32c } from './crc32c.ts';

/**
 * The options (type, length, value) behind the addresses of a PROXY header, version 2 (HAProxy's "The PROXY
 * protocol", 2.2.1 to 2.2.5). Those of types that nobody here reads are skipped, but all have to be whole.
 */
export type ProxyOptions = {
  /** The protocol in use on top, as of TLS (RFC 7301). */
  readonly alpn: Uint8Array | undefined;
  /** The name that the client wanted, as of TLS (SNI). */
  readonly authority: Uint8Array | undefined;
  /** Opaque; the same at all proxies that the connection passes. */
  readonly uniqueId: Uint8Array | undefined;
};

/** Options that can be put into a header. */
export const PROXY_OPTION_KINDS = ['authority', 'alpn', 'unique-id', 'crc32c'] as const;
export type ProxyOptionKind = (typeof PROXY_OPTION_KINDS)[number];

export const NO_PROXY_OPTIONS: ProxyOptions = {
  alpn: undefined,
  authority: undefined,
  uniqueId: undefined,
};

export const OPTION = { alpn: 0x01, authority: 0x02, crc32c: 0x03, uniqueId: 0x05 } as const;
/** Type, and the value's length in two octets. */
export const OPTION_HEAD_LENGTH = 3;
/** "An opaque byte sequence of up to 128 bytes." */
export const UNIQUE_ID_LENGTH_MAX = 128;
/** What TLS can carry of either (RFC 6066, RFC 7301); a longer one is not told on. */
const TEXT_LENGTH_MAX = 255;

/**
 * Whether the options in `header[start..end)` are whole and, where one is a checksum, the header is the one that
 * was sent: a receiver that knows checksums "must" refuse it otherwise.
 * @param end of the whole header, which the checksum covers
 */
export function areOptionsSound(header: Uint8Array, start: number, end: number): boolean {
  let at = start;
  let checksumAt = -1;
  while (at < end) {
    const value = at + OPTION_HEAD_LENGTH;
    if (value > end) return false;
    const length = (header[at + 1]! << 8) | header[at + 2]!;
    if (value + length > end) return false;
    const kind = header[at]!;
    if (kind === OPTION.uniqueId && length > UNIQUE_ID_LENGTH_MAX) return false;
    if (kind === OPTION.crc32c) {
      // Of two one could not say which octets count as zero.
      if (length !== CHECKSUM_LENGTH || checksumAt >= 0) return false;
      checksumAt = value;
    }
    at = value + length;
  }
  if (checksumAt < 0) return true;
  const told =
    ((header[checksumAt]! << 24) |
      (header[checksumAt + 1]! << 16) |
      (header[checksumAt + 2]! << 8) |
      header[checksumAt + 3]!) >>>
    0;
  return told === crc32c(header, end, checksumAt);
}

/** Copies of those that are told on, of sound options; of several of one kind the first counts. */
export function readProxyOptions(header: Uint8Array, start: number, end: number): ProxyOptions {
  if (start >= end) return NO_PROXY_OPTIONS;
  const found = new Map<number, Uint8Array>();
  for (let at = start; at < end; ) {
    const length = (header[at + 1]! << 8) | header[at + 2]!;
    const value = at + OPTION_HEAD_LENGTH;
    const kind = header[at]!;
    const isKept = length > 0 && length <= TEXT_LENGTH_MAX && !found.has(kind);
    if (isKept) found.set(kind, header.slice(value, value + length));
    at = value + length;
  }
  return {
    alpn: found.get(OPTION.alpn),
    authority: found.get(OPTION.authority),
    uniqueId: found.get(OPTION.uniqueId),
  };
}
