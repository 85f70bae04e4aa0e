import { type ByteSink, createByteSink } from '../http/byte-sink.ts';
import type { ReceiveSlab } from './receive-slab.ts';
import { ALL_PIECES, isLong, LONG_PIECES, PIECES } from './receive-slab.ts';
import type { RingCalls } from './ring-calls.ts';
import { BLOCK_BYTES, createBlocks, OUTBOXES } from './send-blocks.ts';

/**
 * What is still to be sent on a connection, in the order it was written: copies in blocks, or what was
 * received and goes on as it is, without a copy, or what was gathered in a block from the first. Blocks are shared by
 * all connections of a thread; a connection that sends nothing has none.
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
  /** What is gathered in them is appended without a copy; other memory comes in its place. */
  readonly outboxes: Outboxes;
  /** Appends the first octets of `bytes`, which may be used otherwise as soon as this returns. */
  put(queue: SendQueue, bytes: Uint8Array, length: number): void;
  /** Takes away what was sent. */
  take(queue: SendQueue, length: number): void;
  clear(queue: SendQueue): void;
  /** One more, or one less, that needs what is in the piece; the last one gives it back. */
  hold(piece: number): void;
  release(piece: number): void;
  /** Whether a piece like this may be kept back, or what is in it has to be copied. */
  mayHold(piece: number): boolean;
  /** Whether the kernel has any usual piece to receive into, and enough long ones. */
  hasPieces(): boolean;
  hasLongPieces(): boolean;
  /** So much is waiting to be sent that nobody should leave more than one read. */
  isShort(): boolean;
  /** Now and then: gives back what a burst has needed. */
  tidyUp(nowMs: number): void;
};

/** As the contract of engines says (stream.ts). */
export type Outboxes = readonly [ByteSink, ByteSink];

/** The memory of an outbox, while what is gathered fits into it. */
type Outbox = { readonly sink: ByteSink; home: Uint8Array; block: number };

export const createSendQueue = (): SendQueue => ({ first: undefined, last: undefined, bytes: 0 });

/** Copying less than this costs less than keeping a whole piece for it. */
const HELD_MIN = 2048;
/** Pieces that may wait to be sent on: clients that read slowly must not have all of them. */
const waitingMax = (pieces: number): number => (pieces * 3) / 4;

export function createSendMemory(
  calls: RingCalls,
  slab: ReceiveSlab,
  bytesMax: number,
): SendMemory {
  const blocks = createBlocks(calls, bytesMax);
  const pieces = createHolders(slab);
  const parts = createParts();
  const hasLongPieces = (): boolean => pieces.longHeld() <= waitingMax(LONG_PIECES);
  const mayHold = (piece: number): boolean =>
    isLong(piece) ? hasLongPieces() : pieces.usualHeld() <= waitingMax(PIECES);
  const drop = (part: Part): void => {
    if (part.block >= 0) blocks.free(part.block);
    else pieces.release(part.piece);
    parts.giveBack(part);
  };
  const appendBlock = (queue: SendQueue, block: number, length: number): Part => {
    const part = parts.append(queue, blocks.addressOf(block), length);
    part.block = block;
    part.end = length;
    return part;
  };
  const copy = (queue: SendQueue, bytes: Uint8Array, to: number): void => {
    let from = 0;
    while (from < to) {
      const { last } = queue;
      const fits = last !== undefined && last.block >= 0 && last.end < BLOCK_BYTES;
      const part = fits ? last : appendBlock(queue, blocks.take(), 0);
      const length = Math.min(BLOCK_BYTES - part.end, to - from);
      blocks.fill(part.block, part.end, bytes, from, length);
      part.end += length;
      part.length += length;
      from += length;
    }
  };
  const [one, other] = createOutboxes(blocks);
  /** What waits already is gone on with: many small writes must not take a block each. */
  const post = (queue: SendQueue, outbox: Outbox, length: number): void => {
    const { sink } = outbox;
    if (queue.first === undefined && sink.bytes === outbox.home) {
      appendBlock(queue, outbox.block, length);
      refill(outbox, blocks);
    } else copy(queue, sink.bytes, length);
    sink.bytes = outbox.home;
  };
  return {
    outboxes: [one.sink, other.sink],
    put(queue, bytes, length) {
      queue.bytes += length;
      if (bytes === one.sink.bytes) return post(queue, one, length);
      if (bytes === other.sink.bytes) return post(queue, other, length);
      if (length >= HELD_MIN && bytes.buffer === slab.buffer) {
        const piece = slab.pieceAt(bytes.byteOffset);
        if (mayHold(piece)) {
          pieces.hold(piece);
          parts.append(queue, slab.addressOf(bytes.byteOffset), length).piece = piece;
          return;
        }
      }
      copy(queue, bytes, length);
    },
    take: (queue, length) => takeSent(queue, length, drop),
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
    hasPieces: () => pieces.usualHeld() < PIECES,
    hasLongPieces,
    isShort: blocks.isShort,
    tidyUp: blocks.tidyUp,
  };
}

/** Parts are used again and again. */
function createParts() {
  let spare: Part | undefined;
  return {
    append(queue: SendQueue, address: number, length: number): Part {
      const part = spare ?? { address, length, block: -1, piece: -1, end: 0, next: undefined };
      spare = part.next;
      part.address = address;
      part.length = length;
      part.next = undefined;
      if (queue.last === undefined) queue.first = part;
      else queue.last.next = part;
      queue.last = part;
      return part;
    },
    giveBack(part: Part): void {
      part.block = part.piece = -1;
      part.next = spare;
      spare = part;
    },
  };
}

function createOutboxes(blocks: Blocks): readonly [Outbox, Outbox] {
  const outboxes = Array.from({ length: OUTBOXES }, (): Outbox => {
    const outbox = { sink: createByteSink(0), home: NO_BYTES, block: -1 };
    refill(outbox, blocks);
    outbox.sink.bytes = outbox.home;
    return outbox;
  });
  return outboxes as [Outbox, Outbox];
}

function refill(outbox: Outbox, blocks: Blocks): void {
  outbox.block = blocks.take();
  outbox.home = blocks.bytesOf(outbox.block);
}

type Blocks = ReturnType<typeof createBlocks>;
const NO_BYTES = new Uint8Array(0);

function takeSent(queue: SendQueue, length: number, drop: (part: Part) => void): void {
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
}

/** Who needs what is in a piece: as long as anybody does, the kernel does not get it back. */
function createHolders(slab: ReceiveSlab) {
  const holders = new Uint8Array(ALL_PIECES);
  let held = 0;
  let longHeld = 0;
  const count = (piece: number, difference: 1 | -1): void => {
    held += difference;
    if (isLong(piece)) longHeld += difference;
  };
  return {
    usualHeld: (): number => held - longHeld,
    longHeld: (): number => longHeld,
    hold(piece: number): void {
      if (holders[piece] === 0) {
        count(piece, 1);
        slab.taken(piece);
      }
      holders[piece]! += 1;
    },
    release(piece: number): void {
      holders[piece]! -= 1;
      if (holders[piece] !== 0) return;
      count(piece, -1);
      slab.giveBack(piece);
    },
  };
}
