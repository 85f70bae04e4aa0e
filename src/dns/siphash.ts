/**
 * SipHash-2-4 with a result of 64 bits (Aumasson and Bernstein 2012), as DNS cookies use it (RFC 9018 4.4):
 * a keyed hash for short inputs. Words of 64 bits are pairs of 32-bit halves, low first; the state is one
 * array for the whole thread, since a hash is computed at once. It allocates nothing.
 */
const state = new Int32Array(8);

/**
 * Hashes input[from..to) under a key of 16 octets; the eight octets of the result, in the little-endian
 * order that the algorithm has, go to `out` at `at`.
 */
export function sipHash(
  key: Uint8Array,
  input: Uint8Array,
  from: number,
  to: number,
  out: Uint8Array,
  at: number,
): void {
  const k0 = readWord(key, 0);
  const k0High = readWord(key, 4);
  const k1 = readWord(key, 8);
  const k1High = readWord(key, 12);
  state[0] = k0 ^ 0x70736575;
  state[1] = k0High ^ 0x736f6d65;
  state[2] = k1 ^ 0x6e646f6d;
  state[3] = k1High ^ 0x646f7261;
  state[4] = k0 ^ 0x6e657261;
  state[5] = k0High ^ 0x6c796765;
  state[6] = k1 ^ 0x79746573;
  state[7] = k1High ^ 0x74656462;
  let position = from;
  for (; position + 8 <= to; position += 8) {
    compress(readWord(input, position), readWord(input, position + 4));
  }
  // The last block holds what is left, and the length in its highest octet.
  let low = 0;
  let high = (to - from) << 24;
  for (let index = 0; position + index < to; index += 1) {
    const octet = input[position + index]!;
    if (index < 4) low |= octet << (8 * index);
    else high |= octet << (8 * (index - 4));
  }
  compress(low, high);
  state[4]! ^= 0xff;
  round();
  round();
  round();
  round();
  writeWord(out, at, state[0]! ^ state[2]! ^ state[4]! ^ state[6]!);
  writeWord(out, at + 4, state[1]! ^ state[3]! ^ state[5]! ^ state[7]!);
}

function compress(low: number, high: number): void {
  state[6]! ^= low;
  state[7]! ^= high;
  round();
  round();
  state[0]! ^= low;
  state[1]! ^= high;
}

/** SipRound: v0..v3 stand at 0, 2, 4 and 6. */
function round(): void {
  add(0, 2);
  rotate(2, 13);
  exclusiveOr(2, 0);
  swap(0);
  add(4, 6);
  rotate(6, 16);
  exclusiveOr(6, 4);
  add(0, 6);
  rotate(6, 21);
  exclusiveOr(6, 0);
  add(4, 2);
  rotate(2, 17);
  exclusiveOr(2, 4);
  swap(4);
}

function add(a: number, b: number): void {
  const low = (state[a]! >>> 0) + (state[b]! >>> 0);
  state[a] = low;
  state[a + 1] = state[a + 1]! + state[b + 1]! + (low > 0xffffffff ? 1 : 0);
}

/** Rotates left by fewer than 32 bits. */
function rotate(a: number, bits: number): void {
  const low = state[a]!;
  const high = state[a + 1]!;
  state[a] = (low << bits) | (high >>> (32 - bits));
  state[a + 1] = (high << bits) | (low >>> (32 - bits));
}

function exclusiveOr(a: number, b: number): void {
  state[a]! ^= state[b]!;
  state[a + 1]! ^= state[b + 1]!;
}

/** Rotates by 32 bits. */
function swap(a: number): void {
  const low = state[a]!;
  state[a] = state[a + 1]!;
  state[a + 1] = low;
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
