import type { RingCalls } from './ring-calls.ts';
import type { RingLedger } from './ring-ledger.ts';

/**
 * A ring of the kernel's (io_uring(7)): entries that say what is to be done go in, completions come
 * out, and one call hands over all that was prepared and waits. It belongs to the thread that made it.
 *
 * An entry is written into `words` at the place that `entry` gives; fields that are not written are 0.
 */
export type Ring = {
  /** Of all entries, as 32-bit words: WORD names their places. */
  words: Uint32Array;
  /**
   * Where the next entry begins in `words`. Throws when all are prepared and the kernel takes none, however
   * often it is asked: then this thread is of no use any more.
   */
  entry(): number;
  /** Hands over what was prepared; with 1, waits until something is complete. */
  enter(waitFor: 0 | 1): void;
  /**
   * Tells of the completions that are there, `max` at most.
   * @param tell user data (low, high), the result, or a negative error number, and flags
   * @returns how many
   */
  reap(tell: Tell, max: number): number;
  readonly fd: number;
  /**
   * Takes back all that is pending: the kernel lets go of the descriptors that it was for. Not told
   * of. Then the ring may be unmapped: what is still prepared goes nowhere.
   */
  shut(): void;
};

export type Tell = (low: number, high: number, result: number, flags: number) => void;

/** Places of struct io_uring_sqe in words of 32 bits (linux/io_uring.h). */
export const WORD = {
  /** opcode, flags, ioprio: 8, 8 and 16 bits. */
  what: 0,
  fd: 1,
  offsetLow: 2,
  offsetHigh: 3,
  addressLow: 4,
  addressHigh: 5,
  length: 6,
  callFlags: 7,
  userLow: 8,
  userHigh: 9,
  bufferGroup: 10,
} as const;

export const OPERATION = {
  pollAdd: 6,
  sendmsg: 9,
  timeout: 11,
  accept: 13,
  cancel: 14,
  connect: 16,
  close: 19,
  send: 26,
  recv: 27,
} as const;

/** Puts the word `what` together. */
export const whatWord = (operation: number, entryFlags = 0, ioPriority = 0): number =>
  operation | (entryFlags << 8) | (ioPriority << 16);
/** The kernel chooses a buffer of the group. */
export const ENTRY_BUFFER_SELECT = 1 << 5;
export const ACCEPT_MULTISHOT = 1;
export const RECV_MULTISHOT = 2;
/** Of completions: a buffer was used, its number is in the upper half; more will come of this entry. */
export const DONE_BUFFER = 1;
export const DONE_MORE = 2;

const SETUP_CQ_SIZE = 1 << 3;
const SETUP_SUBMIT_ALL = 1 << 7;
const SETUP_SINGLE_ISSUER = 1 << 12;
const SETUP_DEFER_TASK_RUN = 1 << 13;
const FEATURE_SINGLE_MMAP = 1;
const FEATURE_NO_DROP = 2;
const ENTER_GET_EVENTS = 1n;
const REGISTER_SYNC_CANCEL = 24;
const CANCEL_ALL_OF_ANY = 1 | 4;
const OFFSET_ENTRIES = 0x10000000;
const PARAMETER_BYTES = 120;
const ENTRY_WORDS = 16;
/** Some milliseconds. */
const FULL_TRIES_MAX = 10_000;
const DONE_WORDS = 4;
/** Places in struct io_uring_params, in words: what the kernel tells of both halves. */
const PARAMETER = { flags: 2, features: 5, doneEntries: 1, entryRing: 10, doneRing: 20 } as const;

/** @param entries a power of two; completions have room for eight times as many */
export function createRing(calls: RingCalls, entries: number, ledger: RingLedger): Ring {
  const parameters = new Uint32Array(PARAMETER_BYTES / 4);
  parameters[PARAMETER.doneEntries] = entries * 8;
  parameters[PARAMETER.flags] =
    SETUP_CQ_SIZE | SETUP_SUBMIT_ALL | SETUP_SINGLE_ISSUER | SETUP_DEFER_TASK_RUN;
  const fd = calls.setup(entries, new Uint8Array(parameters.buffer));
  const wanted = FEATURE_SINGLE_MMAP | FEATURE_NO_DROP;
  if ((parameters[PARAMETER.features]! & wanted) !== wanted) {
    calls.close(fd);
    throw new Error('the kernel is older than what rings are used for here');
  }
  ledger.openRing(fd);
  return openRing(calls, fd, parameters, ledger);
}

function openRing(calls: RingCalls, fd: number, parameters: Uint32Array, ledger: RingLedger): Ring {
  const map = (offset: number, length: number): ArrayBuffer => {
    const { address, memory } = calls.map(fd, offset, length);
    ledger.addMapping(address, length);
    return memory;
  };
  const entries = createEntryHalf(map, parameters);
  const { done, indices } = entries;
  ledger.placeCompletions(done);
  const ring = BigInt(fd);
  // A BigInt is an object: each is made once.
  const counts = Array.from({ length: entries.size + 1 }, (_, count) => BigInt(count));
  let prepared = 0;
  let isShut = false;
  let tail = Atomics.load(indices, entries.tailAt);
  const submit = (waitFor: 0 | 1): void => {
    if (isShut) return;
    Atomics.store(indices, entries.tailAt, tail);
    const taken = calls.enter(ring, counts[prepared]!, counts[waitFor]!, ENTER_GET_EVENTS);
    // EINTR and the like: what was not taken goes with the next call.
    if (taken > 0) prepared -= taken;
  };
  return {
    fd,
    words: entries.words,
    entry() {
      if (isShut) return 0;
      // Submitting does not tell of completions, so it never calls back.
      for (let tries = 0; prepared === entries.size; tries += 1) {
        if (tries === FULL_TRIES_MAX) throw new Error(`io_uring_enter fails: ${calls.errno()}`);
        submit(0);
      }
      const at = (tail & (entries.size - 1)) * ENTRY_WORDS;
      for (let word = at; word < at + ENTRY_WORDS; word += 1) entries.words[word] = 0;
      tail = (tail + 1) | 0;
      prepared += 1;
      return at;
    },
    enter: submit,
    shut() {
      // struct io_uring_sync_cancel_reg: address, descriptor (-1), flags, no time-out (-1, -1).
      const argument = new Int32Array(16);
      argument.set([0, 0, -1, CANCEL_ALL_OF_ANY, -1, -1, -1, -1]);
      try {
        calls.register(fd, REGISTER_SYNC_CANCEL, new Uint8Array(argument.buffer), 1);
      } catch {
        // Nothing was pending, or the kernel cannot: it does so when the process ends.
      }
      submit(0);
      isShut = true;
      this.words = new Uint32Array(ENTRY_WORDS);
    },
    reap(tell, max) {
      const { at: first, headAt, mask, tailAt, words } = done;
      const start = Atomics.load(indices, headAt);
      const end = Atomics.load(indices, tailAt);
      let head = start;
      while (head !== end && ((head - start) | 0) < max) {
        const at = first + (head & mask) * DONE_WORDS;
        const [low, high] = [words[at]!, words[at + 1]!];
        const [result, flags] = [words[at + 2]!, words[at + 3]!];
        tell(low >>> 0, high >>> 0, result, flags >>> 0);
        // The places are not the ring's any more.
        if (isShut) return 0;
        head = (head + 1) | 0;
        // Not before it was told: whoever settles for a thread that ended meanwhile goes on here.
        ledger.told(head);
      }
      if (head !== start) Atomics.store(indices, headAt, head);
      return (head - start) | 0;
    },
  };
}

/** Where both halves lie; completions are in the same memory as the entries' indices. */
function createEntryHalf(
  map: (offset: number, length: number) => ArrayBuffer,
  parameters: Uint32Array,
) {
  const offset = (half: number, field: number): number => parameters[half + field]! / 4;
  const size = parameters[0]!;
  const doneSize = parameters[PARAMETER.doneEntries]!;
  // struct io_sqring_offsets: head, tail, mask, entries, flags, dropped, array;
  // struct io_cqring_offsets: head, tail, mask, entries, overflow, cqes.
  const arrayAt = offset(PARAMETER.entryRing, 6);
  const doneAt = offset(PARAMETER.doneRing, 5);
  const bytes = 4 * Math.max(arrayAt + size, doneAt + doneSize * DONE_WORDS);
  const indices = new Int32Array(map(0, bytes));
  // Entry i is always at place i.
  for (let index = 0; index < size; index += 1) indices[arrayAt + index] = index;
  const memory = map(OFFSET_ENTRIES, size * ENTRY_WORDS * 4);
  return {
    size,
    indices,
    words: new Uint32Array(memory),
    tailAt: offset(PARAMETER.entryRing, 1),
    done: {
      words: indices,
      at: doneAt,
      headAt: offset(PARAMETER.doneRing, 0),
      tailAt: offset(PARAMETER.doneRing, 1),
      mask: doneSize - 1,
    },
  };
}
