import { copyOctets } from '../http/copy-octets.ts';
import type { RingCalls } from './ring-calls.ts';

/**
 * Memory for copies of what waits to be sent, shared by all connections of a thread: the first chunk that has a block
 * gives it, so that after a burst the last ones are unused.
 */
export function createBlocks(calls: RingCalls, bytesMax: number) {
  const usedMax = Math.ceil(bytesMax / BLOCK_BYTES) + OUTBOXES;
  const bytes: Uint8Array[] = [];
  const addresses: number[] = [];
  const chunks: Chunk[] = [];
  /** None before it has a free block. */
  let first = 0;
  let used = 0;
  let lookMs = 0;
  const grow = (): Chunk => {
    const { address, memory } = calls.map(-1, 0, BLOCKS_AT_ONCE * BLOCK_BYTES);
    const chunk: Chunk = { address, free: [], isTouched: false, isDiscarded: false };
    for (let index = 0; index < BLOCKS_AT_ONCE; index += 1) {
      chunk.free.push(bytes.length);
      bytes.push(new Uint8Array(memory, index * BLOCK_BYTES, BLOCK_BYTES));
      addresses.push(address + index * BLOCK_BYTES);
    }
    chunks.push(chunk);
    return chunk;
  };
  return {
    /** So much is in use that nobody should leave more than one read. */
    isShort: (): boolean => used >= usedMax,
    take(): number {
      while (first < chunks.length && chunks[first]!.free.length === 0) first += 1;
      const chunk = chunks[first] ?? grow();
      chunk.isTouched = true;
      chunk.isDiscarded = false;
      used += 1;
      return chunk.free.pop()!;
    },
    free(block: number): void {
      const chunk = Math.floor(block / BLOCKS_AT_ONCE);
      chunks[chunk]!.free.push(block);
      if (chunk < first) first = chunk;
      used -= 1;
    },
    tidyUp(nowMs: number): void {
      if (nowMs < lookMs) return;
      lookMs = nowMs + UNUSED_MS;
      for (let at = CHUNKS_KEPT; at < chunks.length; at += 1) {
        const chunk = chunks[at]!;
        const isUnused = !chunk.isTouched && chunk.free.length === BLOCKS_AT_ONCE;
        chunk.isTouched = false;
        if (!isUnused || chunk.isDiscarded) continue;
        chunk.isDiscarded = true;
        calls.discard(chunk.address, BLOCKS_AT_ONCE * BLOCK_BYTES);
      }
    },
    addressOf: (block: number): number => addresses[block]!,
    bytesOf: (block: number): Uint8Array => bytes[block]!,
    fill(block: number, at: number, from: Uint8Array, start: number, length: number): void {
      copyOctets(bytes[block]!, at, from, start, start + length);
    },
  };
}

/** Blocks that lie together, and were mapped together. */
type Chunk = {
  readonly address: number;
  readonly free: number[];
  /** Somebody has taken a block since the last look. */
  isTouched: boolean;
  /** What was in it is the kernel's. */
  isDiscarded: boolean;
};

export const BLOCK_BYTES = 16 * 1024;
const BLOCKS_AT_ONCE = 64;
/** Blocks in which something is gathered, and nothing waits (send-queue.ts). */
export const OUTBOXES = 2;
/**
 * Copies that wait to be sent, of all connections of a thread. Beyond it each may leave what was received for it in one
 * small read, and reads on when that is sent: many slow readers cost time, not memory.
 */
export const SEND_BYTES_MAX = 64 * 1024 * 1024;
/** Chunks of blocks that are kept, used or not: what an ordinary load needs is not fetched anew each second. */
const CHUNKS_KEPT = 4;
/** A chunk that nobody has used for so long is given back. */
const UNUSED_MS = 1000;
