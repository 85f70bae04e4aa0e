import { WORD } from './ring.ts';
import type { RingCalls } from './ring-calls.ts';
import type { Part } from './send-queue.ts';

/**
 * What entries of a ring point to besides bytes: addresses and messages of several parts. Each entry
 * has a place of its own; the kernel has read it when the call that hands the entry over returns
 * (IORING_FEAT_SUBMIT_STABLE).
 */
export type RingScratch = {
  /** struct sockaddr for a connect. */
  putName(entries: Uint32Array, at: number, name: Uint8Array): void;
  /** struct msghdr with the first parts of a queue. */
  putMessage(entries: Uint32Array, at: number, first: Part): void;
  /** struct __kernel_timespec for a time-out. */
  putTime(entries: Uint32Array, at: number, ms: number): void;
};

/** Parts of one message; what is beyond them goes with the next one. */
export const PARTS_MAX = 14;
/** struct msghdr has 56 octets, struct iovec 16. */
const MESSAGE_WORDS = 14;
const PART_WORDS = 4;
const PLACE_WORDS = 72;
const ENTRY_WORDS = 16;

export function createRingScratch(calls: RingCalls, entryCount: number): RingScratch {
  const { address, memory } = calls.map(-1, 0, entryCount * PLACE_WORDS * 4);
  const words = new Uint32Array(memory);
  const bytes = new Uint8Array(memory);
  /** Points the entry at its place, and returns that. */
  const place = (entries: Uint32Array, at: number): number => {
    const first = (at / ENTRY_WORDS) * PLACE_WORDS;
    putAddress(entries, at + WORD.addressLow, address + first * 4);
    return first;
  };
  return {
    putName(entries, at, name) {
      bytes.set(name, place(entries, at) * 4);
      entries[at + WORD.offsetLow] = name.length;
    },
    putMessage(entries, at, first) {
      const message = place(entries, at);
      words.fill(0, message, message + MESSAGE_WORDS);
      putAddress(words, message + 4, address + (message + MESSAGE_WORDS) * 4);
      let count = 0;
      for (
        let part: Part | undefined = first;
        part !== undefined && count < PARTS_MAX;
        part = part.next
      ) {
        const to = message + MESSAGE_WORDS + count * PART_WORDS;
        putAddress(words, to, part.address);
        words[to + 2] = part.length;
        words[to + 3] = 0;
        count += 1;
      }
      words[message + 6] = count;
      entries[at + WORD.length] = 1;
    },
    putTime(entries, at, ms) {
      const time = place(entries, at);
      words[time] = Math.floor(ms / 1000);
      words[time + 1] = 0;
      words[time + 2] = (ms % 1000) * 1_000_000;
      words[time + 3] = 0;
      entries[at + WORD.length] = 1;
    },
  };
}

function putAddress(words: Uint32Array, at: number, address: number): void {
  words[at] = address;
  words[at + 1] = address / 2 ** 32;
}
