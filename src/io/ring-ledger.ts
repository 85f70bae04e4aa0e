import type { RingCalls } from './ring-calls.ts';

/**
 * What the ring of a thread holds, in memory that another thread sees too: descriptors and mappings are
 * the process's and stay when a thread ends. Who outlives it lets go of them, however it ended.
 *
 *   64-bit words: the ring's descriptor and one, the number of mappings, where completions are in the first
 *   one and which of them was told of last, address and length of each; the number of pieces of memory of its own, address and length of each; behind
 *   them a bit for each descriptor of a socket
 */
export type RingLedger = {
  /** The ring is there. */
  openRing(fd: number): void;
  addMapping(address: number, length: number): void;
  /** Memory that the kernel reads and writes for the ring, but that is not shared with it. */
  addMemory(address: number, length: number): void;
  /** Where completions lie in the first mapping: some may be told to nobody any more. */
  placeCompletions(place: CompletionPlace): void;
  /** Completions before this one were told of (`reap`); the kernel hears it later. */
  told(head: number): void;
  addSocket(fd: number): void;
  removeSocket(fd: number): void;
};

/** In words of 32 bits, and the mask of places. */
export type CompletionPlace = {
  readonly at: number;
  readonly tailAt: number;
  readonly mask: number;
};

const RING_AT = 0;
const COUNT_AT = 1;
const PLACE_AT = 2;
const TOLD_AT = 5;
const MAPPINGS_AT = 6;
const MAPPINGS_MAX = 4;
/** Of accepting, the lower half of what comes back with a completion; the upper one is the listener's number. */
const ACCEPTED_LOW = 0;
const COMPLETION_WORDS = 4;
const MEMORY_COUNT_AT = MAPPINGS_AT + 2 * MAPPINGS_MAX;
const MEMORIES_AT = MEMORY_COUNT_AT + 1;
/** A GiB of what is to be sent, and more; what is beyond stays. */
const MEMORIES_MAX = 1024;
const HEADER_BYTES = 8 * (MEMORIES_AT + 2 * MEMORIES_MAX);
/** Descriptors beyond are not noted; a process has fewer, by the default limits of Linux. */
const DESCRIPTORS_MAX = 1_048_576;

export const createLedgerMemory = (): SharedArrayBuffer =>
  new SharedArrayBuffer(HEADER_BYTES + DESCRIPTORS_MAX / 8);

export function openLedger(memory: SharedArrayBuffer): RingLedger {
  const header = new BigUint64Array(memory, 0, HEADER_BYTES / 8);
  const bits = new Uint32Array(memory, HEADER_BYTES);
  const toldWord = toldOf(memory);
  return {
    openRing(fd) {
      header[RING_AT] = BigInt(fd + 1);
    },
    addMapping(address, length) {
      const count = Number(header[COUNT_AT]);
      if (count === MAPPINGS_MAX) return;
      header[MAPPINGS_AT + 2 * count] = BigInt(address);
      header[MAPPINGS_AT + 2 * count + 1] = BigInt(length);
      header[COUNT_AT] = BigInt(count + 1);
    },
    addMemory(address, length) {
      const count = Number(header[MEMORY_COUNT_AT]);
      if (count === MEMORIES_MAX) return;
      header[MEMORIES_AT + 2 * count] = BigInt(address);
      header[MEMORIES_AT + 2 * count + 1] = BigInt(length);
      header[MEMORY_COUNT_AT] = BigInt(count + 1);
    },
    placeCompletions({ at, mask, tailAt }) {
      header.set([at, tailAt, mask].map(BigInt), PLACE_AT);
    },
    told(head) {
      toldWord[0] = head;
    },
    addSocket(fd) {
      if (fd < DESCRIPTORS_MAX) bits[fd >>> 5]! |= 1 << (fd & 31);
    },
    removeSocket(fd) {
      if (fd < DESCRIPTORS_MAX) bits[fd >>> 5]! &= ~(1 << (fd & 31));
    },
  };
}

const toldOf = (memory: SharedArrayBuffer): Int32Array => new Int32Array(memory, 8 * TOLD_AT, 1);

/**
 * The thread is gone: its sockets are closed, and its ring, which the kernel keeps as long as it is mapped. What
 * was pending, above all accepting, ends with it.
 */
export function settleLedger(
  memory: SharedArrayBuffer,
  calls: Pick<RingCalls, 'close' | 'unmap' | 'view'>,
): void {
  const header = new BigUint64Array(memory, 0, HEADER_BYTES / 8);
  const bits = new Uint32Array(memory, HEADER_BYTES);
  const [told = 0] = toldOf(memory);
  const sockets = new Set([...untoldSockets(header, told, calls), ...descriptorsOf(bits)]);
  for (const fd of sockets) calls.close(fd);
  bits.fill(0);
  for (let index = 0; index < Number(header[COUNT_AT]); index++) {
    const [address, length] = [
      header[MAPPINGS_AT + 2 * index]!,
      header[MAPPINGS_AT + 2 * index + 1]!,
    ];
    calls.unmap(address, length);
  }
  if (header[RING_AT] !== 0n) calls.close(Number(header[RING_AT]) - 1);
  header.fill(0n, 0, MEMORY_COUNT_AT);
}

/**
 * After `settleLedger`, and only for a thread that is gone, for it has no other memory to go on with: gives back what
 * it had received into and sent from. When the kernel has closed the ring for good nobody is told, so the addresses
 * are not used again.
 */
export function retireMemory(memory: SharedArrayBuffer, calls: Pick<RingCalls, 'retire'>): void {
  const header = new BigUint64Array(memory, 0, HEADER_BYTES / 8);
  for (let index = 0; index < Number(header[MEMORY_COUNT_AT]); index++) {
    const at = MEMORIES_AT + 2 * index;
    calls.retire(header[at]!, header[at + 1]!);
  }
  header[MEMORY_COUNT_AT] = 0n;
}

/** A function of its own, for it is hot: what calls the kernel had better not be compiled just before the end. */
function descriptorsOf(bits: Uint32Array): readonly number[] {
  const found: number[] = [];
  for (const [index, word] of bits.entries()) {
    for (let bit = 0; word >>> bit !== 0 && bit < 32; bit++) {
      if (((word >>> bit) & 1) === 1) found.push(32 * index + bit);
    }
  }
  return found;
}

/** Connections that the kernel has accepted and that the thread did not come to hear of. */
function untoldSockets(
  header: BigUint64Array,
  told: number,
  calls: Pick<RingCalls, 'view'>,
): readonly number[] {
  const [at = 0, tailAt = 0, mask = 0] = [...header.slice(PLACE_AT, TOLD_AT)].map(Number);
  if (header[COUNT_AT] === 0n || mask === 0) return [];
  const memory = calls.view(header[MAPPINGS_AT]!, Number(header[MAPPINGS_AT + 1]!));
  const words = new Int32Array(memory);
  const found: number[] = [];
  for (let head = told; head !== words[tailAt]; head = (head + 1) | 0) {
    const first = at + (head & mask) * COMPLETION_WORDS;
    const [low, high, result] = [words[first]!, words[first + 1]!, words[first + 2]!];
    if (low === ACCEPTED_LOW && high !== 0 && result >= 0) found.push(result);
  }
  return found;
}
