/**
 * Health as one 32-bit word, the idea of gdnsd's monitor core: what is usable, whether a person
 * said so, and the seconds within which it could change, which is the TTL an answer may have.
 *
 *   bit 31  down      not to be answered
 *   bit 30  forced    an override decides; the judged state lives on beneath it
 *   bit 29  degraded  up, but only when nothing better is left
 *   bit 28  unknown   never judged yet; counts as up
 *   bits 0-27         TTL in seconds until the earliest possible change
 */
export const DOWN = 0x80000000;
export const FORCED = 0x40000000;
export const DEGRADED = 0x20000000;
export const UNKNOWN = 0x10000000;
export const TTL_MASK = 0x0fffffff;

export function healthWord(flags: number, ttlSeconds: number): number {
  return (flags | (Math.max(0, Math.min(TTL_MASK, Math.floor(ttlSeconds))) & TTL_MASK)) >>> 0;
}
export const isDown = (word: number): boolean => (word & DOWN) !== 0;
export const isForced = (word: number): boolean => (word & FORCED) !== 0;
export const isDegraded = (word: number): boolean => (word & DEGRADED) !== 0;
export const isUnknown = (word: number): boolean => (word & UNKNOWN) !== 0;
export const wordTtlSeconds = (word: number): number => word & TTL_MASK;
