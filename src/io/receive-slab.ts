import { ENTRY_BUFFER_SELECT } from './ring.ts';
import type { RingCalls } from './ring-calls.ts';

/**
 * Memory that the kernel receives into: pieces of one size, which it takes itself and which are given
 * back when what is in them was used (io_uring_register_buf_ring(3)). All connections of a thread share
 * them, so that one that is silent has none.
 */
export type ReceiveSlab = {
  readonly bytes: Uint8Array;
  /** The first octets of a piece; valid until it is given back. */
  view(piece: number, length: number): Uint8Array;
  /** Address of a piece, for sending it on as it is. */
  addressOf(piece: number): number;
  /** The kernel may use the piece again. */
  giveBack(piece: number): void;
};

export const PIECE_BYTES = 64 * 1024;
export const PIECES = 512;
export const BUFFER_GROUP = 0;
export const SELECT_PIECE = ENTRY_BUFFER_SELECT;

const REGISTER_BUFFER_RING = 22;
/** struct io_uring_buf: address (64 bits), length (32), number (16), and 16 bits that are the ring's tail in the first. */
const PLACE_WORDS = 4;
const TAIL_AT = 7;

export function createReceiveSlab(calls: RingCalls, ringFd: number): ReceiveSlab {
  const { memory, address } = calls.map(-1, 0, PIECES * PIECE_BYTES);
  const places = calls.map(-1, 0, PIECES * PLACE_WORDS * 4);
  const words = new Uint32Array(places.memory);
  const halves = new Uint16Array(places.memory);
  register(calls, ringFd, places.address);
  const bytes = new Uint8Array(memory);
  const views = Array.from({ length: PIECES }, () => bytes.subarray(0, 0));
  let tail = 0;
  const giveBack = (piece: number): void => {
    const place = (tail & (PIECES - 1)) * PLACE_WORDS;
    const at = address + piece * PIECE_BYTES;
    words[place] = at;
    words[place + 1] = at / 2 ** 32;
    words[place + 2] = PIECE_BYTES;
    halves[place * 2 + 6] = piece;
    tail = (tail + 1) & 0xffff;
    // The kernel must not see the tail before the place is filled.
    Atomics.store(halves, TAIL_AT, tail);
  };
  for (let piece = 0; piece < PIECES; piece += 1) giveBack(piece);
  return {
    bytes,
    view(piece, length) {
      // What comes is often as long as what came before: then there is a view of it already.
      const last = views[piece]!;
      if (last.length === length) return last;
      const from = piece * PIECE_BYTES;
      views[piece] = bytes.subarray(from, from + length);
      return views[piece]!;
    },
    addressOf: (piece) => address + piece * PIECE_BYTES,
    giveBack,
  };
}

/** struct io_uring_buf_reg: address of the ring of places, how many, the group's number. */
function register(calls: RingCalls, ringFd: number, address: number): void {
  const argument = new Uint32Array(10);
  argument[0] = address;
  argument[1] = address / 2 ** 32;
  argument[2] = PIECES;
  argument[3] = BUFFER_GROUP;
  calls.register(ringFd, REGISTER_BUFFER_RING, new Uint8Array(argument.buffer), 1);
}
