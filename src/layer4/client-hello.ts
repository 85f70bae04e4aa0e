/**
 * The server name of a TLS ClientHello (RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3), read from the
 * first bytes of a connection without decrypting or answering anything. A hello may be cut into several
 * records, and records into several reads.
 */
export type HelloReading =
  /** `needed`: with fewer octets in all it cannot be whole, so that it need not be read at every one that comes. */
  | { readonly kind: 'incomplete'; readonly needed: number }
  /** It is no TLS, or broken. */
  | { readonly kind: 'malformed' }
  /** In lower case; empty when it names nobody, or encrypts the name (then the outer one is read). */
  | { readonly kind: 'hello'; readonly serverName: string };

/** A hello that is longer, records included, is routed as one without a name. */
export const CLIENT_HELLO_BYTES_MAX = 16 * 1024;

/** @param bytes all that has come of the connection so far */
export function readServerName(bytes: Uint8Array): HelloReading {
  const hello = gatherHandshake(bytes);
  if (hello === undefined) return MALFORMED;
  if (hello.length > 0 && hello[0] !== CLIENT_HELLO) return MALFORMED;
  if (hello.length < 4) return incomplete(bytes, 4 - hello.length);
  const length = (hello[1]! << 16) | (hello[2]! << 8) | hello[3]!;
  if (length > CLIENT_HELLO_BYTES_MAX) return MALFORMED;
  if (hello.length < 4 + length) return incomplete(bytes, 4 + length - hello.length);
  const serverName = nameIn(hello.subarray(4, 4 + length));
  return serverName === undefined ? MALFORMED : { kind: 'hello', serverName };
}

/** @param missing octets of content, each of which takes at least one more */
const incomplete = (bytes: Uint8Array, missing: number): HelloReading => ({
  kind: 'incomplete',
  needed: bytes.length + missing,
});

const MALFORMED: HelloReading = { kind: 'malformed' };

const HANDSHAKE_RECORD = 22;
const MAJOR = 3;
const CLIENT_HELLO = 1;
const RECORD_HEADER_LENGTH = 5;
const RECORD_LENGTH_MAX = 2 ** 14;
const SERVER_NAME_EXTENSION = 0;
const HOST_NAME = 0;
const NAME = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;
const NAME_LENGTH_MAX = 255;

/**
 * The content of the handshake records, one behind the other, as far as the hello goes: what follows it in
 * the stream is not ours to judge. Undefined when they are none.
 */
function gatherHandshake(bytes: Uint8Array): Uint8Array | undefined {
  const hello = new Uint8Array(bytes.length);
  let length = 0;
  let at = 0;
  while (at < bytes.length && !isHelloWhole(hello, length)) {
    // A minor version may be anything (RFC 8446 5.1: it "MUST be ignored for all purposes").
    const isHandshake = bytes[at] === HANDSHAKE_RECORD && (bytes[at + 1] ?? MAJOR) === MAJOR;
    if (!isHandshake) return undefined;
    if (bytes.length - at < RECORD_HEADER_LENGTH) break;
    const told = (bytes[at + 3]! << 8) | bytes[at + 4]!;
    // Handshake records without content are forbidden (RFC 8446 5.1).
    if (told === 0 || told > RECORD_LENGTH_MAX) return undefined;
    const start = at + RECORD_HEADER_LENGTH;
    const piece = bytes.subarray(start, start + told);
    hello.set(piece, length);
    length += piece.length;
    at = start + told;
  }
  return hello.subarray(0, length);
}

function isHelloWhole(hello: Uint8Array, length: number): boolean {
  return length >= 4 && length >= 4 + ((hello[1]! << 16) | (hello[2]! << 8) | hello[3]!);
}

/** Of the body of a ClientHello; undefined when it is broken, empty when it names nobody. */
function nameIn(hello: Uint8Array): string | undefined {
  let at = 2 + 32;
  // Session id, cipher suites, compression methods: each a vector with its length in front.
  for (const octets of [1, 2, 1]) {
    const length = lengthAt(hello, at, octets);
    if (length < 0) return undefined;
    at += octets + length;
  }
  if (at === hello.length) return '';
  const total = lengthAt(hello, at, 2);
  if (total < 0 || at + 2 + total !== hello.length) return undefined;
  at += 2;
  while (at < hello.length) {
    const length = lengthAt(hello, at + 2, 2);
    if (length < 0) return undefined;
    const kind = (hello[at]! << 8) | hello[at + 1]!;
    const start = at + 4;
    if (kind === SERVER_NAME_EXTENSION) return hostName(hello.subarray(start, start + length));
    at = start + length;
  }
  return '';
}

function hostName(list: Uint8Array): string | undefined {
  const total = lengthAt(list, 0, 2);
  if (total < 0 || 2 + total !== list.length) return undefined;
  let at = 2;
  while (at < list.length) {
    const length = lengthAt(list, at + 1, 2);
    if (length < 0) return undefined;
    const start = at + 3;
    if (list[at] === HOST_NAME) {
      if (length > NAME_LENGTH_MAX) return undefined;
      const text = String.fromCharCode(...list.subarray(start, start + length)).toLowerCase();
      return NAME.test(text) ? text : undefined;
    }
    at = start + length;
  }
  return '';
}

/** The length that `octets` octets tell, if so many follow; -1 if not. */
function lengthAt(bytes: Uint8Array, at: number, octets: number): number {
  if (at + octets > bytes.length) return -1;
  const length = octets === 1 ? bytes[at]! : (bytes[at]! << 8) | bytes[at + 1]!;
  return at + octets + length > bytes.length ? -1 : length;
}
