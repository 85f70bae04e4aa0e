/**
 * Hashes that all nodes compute alike: of server names for tables, of keys for tries after the first.
 * FNV-1a over octets, with the last mixing of MurmurHash3, which spreads what FNV leaves in the low bits.
 */

/** 32 bits of a text, one octet a UTF-16 unit; other seeds give other, independent hashes. */
export function hashText(text: string, seed: number): number {
  let hash = FNV_BASIS ^ seed;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ (text.charCodeAt(at) & 0xff), FNV_PRIME);
  }
  return mix(hash);
}

/** The same of `bytes[start..end)`, going on from an earlier part. */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = FNV_BASIS ^ seed;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, FNV_PRIME);
  return mix(hash);
}

/** Where a key goes when its place is taken: another one for each try, the same on all nodes. */
export function rehash(key: number, attempt: number): number {
  return attempt === 0 ? key : mix(key ^ Math.imul(attempt, GOLDEN));
}

/** For a request without a key: it may go anywhere. */
export const anyKey = (draw: number): number => Math.floor(draw * 2 ** 32);

/** All 32 bits depend on all (MurmurHash3, fmix32). */
function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

const FNV_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const GOLDEN = 0x9e3779b1;
