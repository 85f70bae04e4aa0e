/**
 * SipHash-2-4 with a result of 64 bits (Aumasson and Bernstein 2012), as DNS cookies use it (RFC 9018 4.4):
 * a keyed hash for short inputs. Hashes input[from..to) under a key of 16 octets; the eight octets of the
 * result, in the little-endian order that the algorithm has, go to `out` at `at`. It allocates nothing.
 *
 * Words of 64 bits are pairs of 32-bit halves, low and high, and all of them local: so they stay in
 * registers, where an array would be read and written at each of some three hundred steps.
 */
export function sipHash(
  key: Uint8Array,
  input: Uint8Array,
  from: number,
  to: number,
  out: Uint8Array,
  at: number,
): void {
  let v0 = readWord(key, 0) ^ 0x70736575;
  let v0High = readWord(key, 4) ^ 0x736f6d65;
  let v1 = readWord(key, 8) ^ 0x6e646f6d;
  let v1High = readWord(key, 12) ^ 0x646f7261;
  let v2 = readWord(key, 0) ^ 0x6e657261;
  let v2High = readWord(key, 4) ^ 0x6c796765;
  let v3 = readWord(key, 8) ^ 0x79746573;
  let v3High = readWord(key, 12) ^ 0x74656462;
  const blocks = ((to - from) >>> 3) + 1;
  for (let block = 0; block <= blocks; block += 1) {
    // When all blocks are in, four rounds of their own end it.
    const isOver = block === blocks;
    const position = from + 8 * block;
    const low = isOver ? 0 : readUpTo(input, position, to);
    const rest = isOver ? 0 : readUpTo(input, position + 4, to);
    // The last block holds what is left, and the length in its highest octet.
    const high = block === blocks - 1 ? rest | ((to - from) << 24) : rest;
    v3 ^= low;
    v3High ^= high;
    if (isOver) v2 ^= 0xff;
    for (let left = isOver ? 4 : 2; left > 0; left -= 1) {
      let sum = (v0 + v1) | 0;
      let sumHigh = (v0High + v1High + carry(v0, v1, sum)) | 0;
      let turned = (v1 << 13) | (v1High >>> 19);
      v1High = ((v1High << 13) | (v1 >>> 19)) ^ sumHigh;
      v1 = turned ^ sum;
      // Rotated by 32 bits: the halves change places.
      v0 = sumHigh;
      v0High = sum;
      sum = (v2 + v3) | 0;
      sumHigh = (v2High + v3High + carry(v2, v3, sum)) | 0;
      turned = (v3 << 16) | (v3High >>> 16);
      v3High = ((v3High << 16) | (v3 >>> 16)) ^ sumHigh;
      v3 = turned ^ sum;
      v2 = sum;
      v2High = sumHigh;
      sum = (v0 + v3) | 0;
      sumHigh = (v0High + v3High + carry(v0, v3, sum)) | 0;
      turned = (v3 << 21) | (v3High >>> 11);
      v3High = ((v3High << 21) | (v3 >>> 11)) ^ sumHigh;
      v3 = turned ^ sum;
      v0 = sum;
      v0High = sumHigh;
      sum = (v2 + v1) | 0;
      sumHigh = (v2High + v1High + carry(v2, v1, sum)) | 0;
      turned = (v1 << 17) | (v1High >>> 15);
      v1High = ((v1High << 17) | (v1 >>> 15)) ^ sumHigh;
      v1 = turned ^ sum;
      v2 = sumHigh;
      v2High = sum;
    }
    v0 ^= low;
    v0High ^= high;
  }
  writeWord(out, at, v0 ^ v1 ^ v2 ^ v3);
  writeWord(out, at + 4, v0High ^ v1High ^ v2High ^ v3High);
}

/** What adding two halves carries into the upper ones: 0 or 1. */
const carry = (a: number, b: number, sum: number): number => ((a & b) | ((a | b) & ~sum)) >>> 31;

/** Four octets, or those that there are. */
function readUpTo(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 <= end) return readWord(bytes, at);
  let word = 0;
  for (let index = 0; at + index < end; index += 1) word |= bytes[at + index]! << (8 * index);
  return word;
}

function readWord(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

function writeWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word;
  bytes[at + 1] = word >>> 8;
  bytes[at + 2] = word >>> 16;
  bytes[at + 3] = word >>> 24;
}
