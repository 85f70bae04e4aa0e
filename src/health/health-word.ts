/**
 * Health as one 32-bit word, the idea of gdnsd's monitor core: what is usable, whether a person
 * said so, and the seconds within which it could change, which is the TTL an answer may have.
 *
 *   bit 31      down      not to be answered
 *   bit 30      forced    an override decides; the judged state lives on beneath it
 *   bit 29      degraded  up, but only when nothing better is left
 *   bit 28      unknown   never judged yet; counts as up
 *   bits 20-27  ramp      256ths of its share that it does not get yet after a return; 0 = all of it
 *   bits 0-19   TTL in seconds until the earliest possible change
 */
export const DOWN = 0x80000000;
export const FORCED = 0x40000000;
export const DEGRADED = 0x20000000;
export const UNKNOWN = 0x10000000;
/** The longest TTL, 12 days: nothing foreseeable changes it. */
export const TTL_MASK = 0x000fffff;
const RAMP_SHIFT = 20;
const RAMP_MASK = 0xff;
const RAMP_STEPS = 256;

/** @param share of what it would get when it had always been up, 0..1 */
export function healthWord(flags: number, ttlSeconds: number, share = 1): number {
  const ttl = Math.max(0, Math.min(TTL_MASK, Math.floor(ttlSeconds)));
  const missing = Math.round((1 - Math.max(0, Math.min(1, share))) * RAMP_STEPS);
  return (flags | (Math.min(RAMP_MASK, missing) << RAMP_SHIFT) | ttl) >>> 0;
}
export const isDown = (word: number): boolean => (word & DOWN) !== 0;
export const isForced = (word: number): boolean => (word & FORCED) !== 0;
export const isDegraded = (word: number): boolean => (word & DEGRADED) !== 0;
export const isUnknown = (word: number): boolean => (word & UNKNOWN) !== 0;
export const wordTtlSeconds = (word: number): number => word & TTL_MASK;
/** 0 < share <= 1: less than 1 while it returns slowly. */
export const wordShare = (word: number): number =>
  1 - ((word >>> RAMP_SHIFT) & RAMP_MASK) / RAMP_STEPS;
