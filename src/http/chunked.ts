import { CR, hexValue, LF, TOKEN, VALUE } from './ascii.ts';

/**
 * The chunked transfer coding (RFC 9112 section 7.1), decoded piece by piece wherever the bytes
 * happen to be cut. Data is not copied: each step says where in the caller's bytes the next piece of
 * content lies. Chunk extensions are read and dropped; the trailer section is collected, since
 * hop-by-hop fields in it must not travel on.
 */

export const CHUNK_SIZE_DIGITS_MAX = 16;
/** All extensions of one body together. */
export const CHUNK_EXTENSION_BYTES_MAX = 4 * 1024;
export const TRAILER_BYTES_MAX = 8 * 1024;

export type ChunkedDecoder = {
  state: number;
  /** Octets of the present chunk that have not come yet. */
  remaining: number;
  digits: number;
  extensionBytes: number;
  /** The piece of content that the last step found; empty when the two are equal. */
  dataStart: number;
  dataEnd: number;
  /** The trailer section with its final empty line, valid once done. */
  trailers: Uint8Array;
  trailerBytes: number;
};

export function createChunkedDecoder(): ChunkedDecoder {
  return {
    state: SIZE,
    remaining: 0,
    digits: 0,
    extensionBytes: 0,
    dataStart: 0,
    dataEnd: 0,
    trailers: NO_BYTES,
    trailerBytes: 0,
  };
}

export const isChunkedDone = (decoder: ChunkedDecoder): boolean => decoder.state === DONE;
export const isChunkedInvalid = (decoder: ChunkedDecoder): boolean => decoder.state === INVALID;

/**
 * Reads on from `from` until a piece of content is found, the body ends, it proves invalid, or the
 * bytes run out. @returns the offset to go on from; call again while it is below `to` and the body
 * is neither done nor invalid
 */
export function decodeChunked(
  decoder: ChunkedDecoder,
  bytes: Uint8Array,
  from: number,
  to: number,
): number {
  decoder.dataStart = decoder.dataEnd = from;
  let at = from;
  while (at < to && decoder.state < DONE) {
    if (decoder.state === DATA) {
      const length = Math.min(decoder.remaining, to - at);
      decoder.dataStart = at;
      decoder.dataEnd = at + length;
      decoder.remaining -= length;
      if (decoder.remaining === 0) decoder.state = DATA_CR;
      return at + length;
    }
    decoder.state = step(decoder, bytes[at++]!);
  }
  return at;
}

/** The state after one octet outside of content. */
function step(decoder: ChunkedDecoder, octet: number): number {
  switch (decoder.state) {
    case SIZE:
      return stepSize(decoder, octet);
    case EXTENSION:
      if (octet === CR) return SIZE_LF;
      if (VALUE[octet] !== 1) return INVALID;
      return ++decoder.extensionBytes > CHUNK_EXTENSION_BYTES_MAX ? INVALID : EXTENSION;
    case SIZE_LF:
      if (octet !== LF) return INVALID;
      decoder.digits = 0;
      return decoder.remaining === 0 ? TRAILER_START : DATA;
    case DATA_CR:
      return octet === CR ? DATA_LF : INVALID;
    case DATA_LF:
      return octet === LF ? SIZE : INVALID;
    default:
      return stepTrailer(decoder, octet);
  }
}

function stepSize(decoder: ChunkedDecoder, octet: number): number {
  const digit = hexValue(octet);
  if (digit >= 0) {
    decoder.remaining = decoder.remaining * 16 + digit;
    const tooLong = ++decoder.digits > CHUNK_SIZE_DIGITS_MAX;
    return tooLong || !Number.isSafeInteger(decoder.remaining) ? INVALID : SIZE;
  }
  if (decoder.digits === 0) return INVALID;
  if (octet === CR) return SIZE_LF;
  return octet === SEMICOLON ? EXTENSION : INVALID;
}

function stepTrailer(decoder: ChunkedDecoder, octet: number): number {
  if (decoder.trailerBytes === TRAILER_BYTES_MAX) return INVALID;
  if (decoder.trailerBytes === decoder.trailers.length) {
    const grown = new Uint8Array(decoder.trailers.length === 0 ? 64 : 2 * decoder.trailers.length);
    grown.set(decoder.trailers);
    decoder.trailers = grown;
  }
  decoder.trailers[decoder.trailerBytes++] = octet;
  switch (decoder.state) {
    case TRAILER_START:
      if (octet === CR) return END_LF;
      return TOKEN[octet] === 1 ? TRAILER : INVALID;
    case TRAILER:
      if (octet === CR) return TRAILER_LF;
      return VALUE[octet] === 1 ? TRAILER : INVALID;
    case TRAILER_LF:
      return octet === LF ? TRAILER_START : INVALID;
    default:
      return octet === LF ? DONE : INVALID;
  }
}

const SIZE = 0;
const EXTENSION = 1;
const SIZE_LF = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILER_START = 6;
const TRAILER = 7;
const TRAILER_LF = 8;
const END_LF = 9;
const DONE = 10;
const INVALID = 11;

const SEMICOLON = 0x3b;
const NO_BYTES = new Uint8Array(0);
