import type { ReceiveSlab } from './receive-slab.ts';
import { PIECE_BYTES, PIECES } from './receive-slab.ts';
import type { RingCalls } from './ring-calls.ts';

/**
 * What is still to be sent on a connection, in the order it was written: copies in blocks, or what was
 * received and goes on as it is, without a copy. Blocks are shared by all connections of a thread; a
 * connection that sends nothing has none.
 */
export type SendQueue = {
  first: Part | undefined;
  last: Part | undefined;
  bytes: number;
};

/** `block` or `piece` is -1; `end` is how far a block is filled. */
export type Part = {
  address: number;
  length: number;
  block: number;
  piece: number;
  end: number;
  next: Part | undefined;
};

export type SendMemory = {
  /** Appends the first octets of `bytes`, which may be used otherwise as soon as this returns. */
  put(queue: SendQueue, bytes: Uint8Array, length: number): void;
  /** Takes away what was sent. */
  take(queue: SendQueue, length: number): void;
  clear(queue: SendQueue): void;
  /** One more, or one less, that needs what is in the piece; the last one gives it back. */
  hold(piece: number): void;
  release(piece: number): void;
  /** Whether pieces may be kept back, or what is in them has to be copied. */
  mayHold(): boolean;
  /** Whether the kernel has any piece to receive into. */
  hasPieces(): boolean;
};

export const createSendQueue = (): SendQueue => ({ first: undefined, last: undefined, bytes: 0 });

const BLOCK_BYTES = 16 * 1024;
const BLOCKS_AT_ONCE = 64;
/** Below this a loop beats the call that `set` makes. */
const SHORT_COPY_BYTES = 256;
/** Copying less than this costs less than keeping a whole piece for it. */
const HELD_MIN = 2048;
/** Pieces that may wait to be sent on: clients that read slowly must not have all of them. */
const WAITING_MAX = (PIECES * 3) / 4;

export function createSendMemory(calls: RingCalls, slab: ReceiveSlab): SendMemory {
  const blocks = createBlocks(calls);
  const pieces = createHolders(slab);
  let spare: Part | undefined;
  const mayHold = (): boolean => pieces.held() <= WAITING_MAX;
  const append = (queue: SendQueue, address: number, length: number): Part => {
    const part = spare ?? { address, length, block: -1, piece: -1, end: 0, next: undefined };
    spare = part.next;
    part.address = address;
    part.length = length;
    part.next = undefined;
    if (queue.last === undefined) queue.first = part;
    else queue.last.next = part;
    queue.last = part;
    return part;
  };
  const drop = (part: Part): void => {
    if (part.block >= 0) blocks.free(part.block);
    else pieces.release(part.piece);
    part.block = part.piece = -1;
    part.next = spare;
    spare = part;
  };
  const copy = (queue: SendQueue, bytes: Uint8Array, to: number): void => {
    let from = 0;
    while (from < to) {
      const { last } = queue;
      const fits = last !== undefined && last.block >= 0 && last.end < BLOCK_BYTES;
      const part = fits ? last : append(queue, 0, 0);
      if (!fits) {
        part.block = blocks.take();
        part.address = blocks.addressOf(part.block);
        part.end = 0;
      }
      const length = Math.min(BLOCK_BYTES - part.end, to - from);
      blocks.fill(part.block, part.end, bytes, from, length);
      part.end += length;
      part.length += length;
      from += length;
    }
  };
  return {
    put(queue, bytes, length) {
      const isReceived = bytes.buffer === slab.bytes.buffer;
      if (isReceived && length >= HELD_MIN && mayHold()) {
        const piece = Math.floor(bytes.byteOffset / PIECE_BYTES);
        pieces.hold(piece);
        const address = slab.addressOf(piece) + (bytes.byteOffset % PIECE_BYTES);
        append(queue, address, length).piece = piece;
      } else copy(queue, bytes, length);
      queue.bytes += length;
    },
    take(queue, length) {
      queue.bytes -= length;
      let left = length;
      while (left > 0) {
        const part = queue.first!;
        if (part.length > left) {
          part.address += left;
          part.length -= left;
          return;
        }
        left -= part.length;
        queue.first = part.next;
        if (queue.first === undefined) queue.last = undefined;
        drop(part);
      }
    },
    clear(queue) {
      for (let part = queue.first; part !== undefined; ) {
        const { next } = part;
        drop(part);
        part = next;
      }
      queue.first = queue.last = undefined;
      queue.bytes = 0;
    },
    mayHold,
    hold: pieces.hold,
    release: pieces.release,
    hasPieces: () => pieces.held() < PIECES,
  };
}

/** Who needs what is in a piece: as long as anybody does, the kernel does not get it back. */
function createHolders(slab: ReceiveSlab) {
  const holders = new Uint8Array(PIECES);
  let held = 0;
  return {
    held: (): number => held,
    hold(piece: number): void {
      if (holders[piece] === 0) held += 1;
      holders[piece]! += 1;
    },
    release(piece: number): void {
      holders[piece]! -= 1;
      if (holders[piece] !== 0) return;
      held -= 1;
      slab.giveBack(piece);
    },
  };
}

/** Memory for copies, more of it when all is in use; it stays for the life of the thread. */
function createBlocks(calls: RingCalls) {
  const bytes: Uint8Array[] = [];
  const addresses: number[] = [];
  const free: number[] = [];
  const grow = (): void => {
    const { address, memory } = calls.map(-1, 0, BLOCKS_AT_ONCE * BLOCK_BYTES);
    for (let index = 0; index < BLOCKS_AT_ONCE; index += 1) {
      free.push(bytes.length);
      bytes.push(new Uint8Array(memory, index * BLOCK_BYTES, BLOCK_BYTES));
      addresses.push(address + index * BLOCK_BYTES);
    }
  };
  return {
    take(): number {
      if (free.length === 0) grow();
      return free.pop()!;
    },
    free: (block: number): void => void free.push(block),
    addressOf: (block: number): number => addresses[block]!,
    fill(block: number, at: number, from: Uint8Array, start: number, length: number): void {
      const to = bytes[block]!;
      if (length < SHORT_COPY_BYTES) {
        for (let index = 0; index < length; index++) to[at + index] = from[start + index]!;
      } else to.set(from.subarray(start, start + length), at);
    },
  };
}
