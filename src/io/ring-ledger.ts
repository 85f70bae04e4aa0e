import type { RingCalls } from './ring-calls.ts';

/**
 * What the ring of a thread holds, in memory that another thread sees too: descriptors and mappings are
 * the process's and stay when a thread ends. Who outlives it lets go of them, however it ended.
 *
 *   64-bit words: the ring's descriptor and one, the number of mappings, address and length of each;
 *   behind them a bit for each descriptor of a socket
 */
export type RingLedger = {
  /** The ring is there. */
  openRing(fd: number): void;
  addMapping(address: number, length: number): void;
  addSocket(fd: number): void;
  removeSocket(fd: number): void;
};

const RING_AT = 0;
const COUNT_AT = 1;
const MAPPINGS_AT = 2;
const MAPPINGS_MAX = 4;
const HEADER_BYTES = 8 * (MAPPINGS_AT + 2 * MAPPINGS_MAX);
/** Descriptors beyond are not noted; a process has fewer, by the default limits of Linux. */
const DESCRIPTORS_MAX = 1_048_576;

export const createLedgerMemory = (): SharedArrayBuffer =>
  new SharedArrayBuffer(HEADER_BYTES + DESCRIPTORS_MAX / 8);

export function openLedger(memory: SharedArrayBuffer): RingLedger {
  const header = new BigUint64Array(memory, 0, HEADER_BYTES / 8);
  const bits = new Uint32Array(memory, HEADER_BYTES);
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
    addSocket(fd) {
      if (fd < DESCRIPTORS_MAX) bits[fd >>> 5]! |= 1 << (fd & 31);
    },
    removeSocket(fd) {
      if (fd < DESCRIPTORS_MAX) bits[fd >>> 5]! &= ~(1 << (fd & 31));
    },
  };
}

/**
 * The thread is gone: its sockets are closed, and its ring, which the kernel keeps as long as it is mapped. What
 * was pending, above all accepting, ends with it.
 */
export function settleLedger(
  memory: SharedArrayBuffer,
  calls: Pick<RingCalls, 'close' | 'unmap'>,
): void {
  const header = new BigUint64Array(memory, 0, HEADER_BYTES / 8);
  const bits = new Uint32Array(memory, HEADER_BYTES);
  for (const [index, word] of bits.entries()) {
    for (let bit = 0; word >>> bit !== 0 && bit < 32; bit++) {
      if (((word >>> bit) & 1) === 1) calls.close(32 * index + bit);
    }
  }
  bits.fill(0);
  for (let index = 0; index < Number(header[COUNT_AT]); index++) {
    const [address, length] = [
      header[MAPPINGS_AT + 2 * index]!,
      header[MAPPINGS_AT + 2 * index + 1]!,
    ];
    calls.unmap(address, length);
  }
  if (header[RING_AT] !== 0n) calls.close(Number(header[RING_AT]) - 1);
  header.fill(0n);
}
