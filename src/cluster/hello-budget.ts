/**
 * How many HELLOs of strangers are answered, in constant memory: addresses share counters, so that a
 * flood from anywhere costs its own counter and a part of the total, and remembers nobody. Addresses
 * that are looked for, or that have a session, do not depend on it.
 */
export type HelloBudget = {
  /** True when one more may be answered now; counts it. */
  spend(address: string, nowMs: number): boolean;
};

/** Answers per second to one address (and those that share its counter), */
export const HELLO_REPLIES_PER_ADDRESS = 5;
/** and to all strangers together. */
export const HELLO_REPLIES_PER_SECOND = 500;
const COUNTERS = 4096;

/** @param salt random, so that nobody can choose an address to share a counter with another */
export function createHelloBudget(salt: number): HelloBudget {
  const counters = new Uint8Array(COUNTERS);
  let total = 0;
  let sinceMs = Number.NEGATIVE_INFINITY;
  return {
    spend(address, nowMs) {
      if (nowMs - sinceMs >= 1000) {
        counters.fill(0);
        total = 0;
        sinceMs = nowMs;
      }
      const counter = hash(address, salt) % COUNTERS;
      if (total >= HELLO_REPLIES_PER_SECOND || counters[counter]! >= HELLO_REPLIES_PER_ADDRESS) {
        return false;
      }
      total += 1;
      counters[counter] = counters[counter]! + 1;
      return true;
    },
  };
}

function hash(text: string, salt: number): number {
  let value = salt | 0;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
    value ^= value >>> 15;
  }
  return value >>> 0;
}
