import { ENTRY_BUFFER_SELECT } from './ring.ts';
import type { RingCalls } from './ring-calls.ts';

/**
 * Memory that the kernel receives into: pieces, which it takes itself and which are given back when what
 * is in them was used (io_uring_register_buf_ring(3)). All connections of a thread share them, so that
 * one that is silent has none. There are usual ones, and fewer long ones for bodies that are long: the
 * fewer pieces a body comes in, the less often somebody has to be woken.
 */
export type ReceiveSlab = {
  readonly buffer: ArrayBufferLike;
  /** The first octets of a piece; valid until it is given back. */
  view(piece: number, length: number): Uint8Array;
  /** The piece that holds the octet at this offset of `buffer`. */
  pieceAt(offset: number): number;
  /** Address of an octet of `buffer`, for sending it on as it is. */
  addressOf(offset: number): number;
  /** The kernel may use the piece again, when it is told next (`offer`). */
  giveBack(piece: number): void;
  /**
   * Tells of what was given back: before every call that hands over, for nothing is received outside of those
   * (IORING_SETUP_DEFER_TASKRUN).
   */
  offer(): void;
};

export const PIECE_BYTES = 64 * 1024;
export const PIECES = 512;
export const LONG_PIECE_BYTES = 256 * 1024;
export const LONG_PIECES = 64;
/** Long pieces come after the usual ones. */
export const ALL_PIECES = PIECES + LONG_PIECES;
export const USUAL_GROUP = 0;
export const LONG_GROUP = 1;
export const SELECT_PIECE = ENTRY_BUFFER_SELECT;
export const isLong = (piece: number): boolean => piece >= PIECES;

const LONG_FROM = PIECES * PIECE_BYTES;
const SLAB_BYTES = LONG_FROM + LONG_PIECES * LONG_PIECE_BYTES;

export function createReceiveSlab(calls: RingCalls, ringFd: number): ReceiveSlab {
  const { memory, address } = calls.map(-1, 0, SLAB_BYTES);
  const usual = createPlaces(calls, ringFd, USUAL_GROUP, PIECES);
  const long = createPlaces(calls, ringFd, LONG_GROUP, LONG_PIECES);
  const views = Array.from({ length: ALL_PIECES }, () => new Uint8Array(memory, 0, 0));
  const giveBack = (piece: number): void => {
    if (isLong(piece)) long.giveBack(piece, address + offsetOf(piece), LONG_PIECE_BYTES);
    else usual.giveBack(piece, address + offsetOf(piece), PIECE_BYTES);
  };
  const offer = (): void => {
    usual.offer();
    long.offer();
  };
  for (let piece = 0; piece < ALL_PIECES; piece += 1) giveBack(piece);
  offer();
  return {
    buffer: memory,
    view(piece, length) {
      // What comes is often as long as what came before: then there is a view of it already.
      const last = views[piece]!;
      if (last.length === length) return last;
      // Half the cost of `subarray`.
      views[piece] = new Uint8Array(memory, offsetOf(piece), length);
      return views[piece]!;
    },
    pieceAt: (offset) =>
      offset < LONG_FROM
        ? Math.floor(offset / PIECE_BYTES)
        : PIECES + Math.floor((offset - LONG_FROM) / LONG_PIECE_BYTES),
    addressOf: (offset) => address + offset,
    giveBack,
    offer,
  };
}

const offsetOf = (piece: number): number =>
  isLong(piece) ? LONG_FROM + (piece - PIECES) * LONG_PIECE_BYTES : piece * PIECE_BYTES;

const REGISTER_BUFFER_RING = 22;
/** struct io_uring_buf: address (64 bits), length (32), number (16), and 16 bits that are the ring's tail in the first. */
const PLACE_WORDS = 4;
const TAIL_AT = 7;

/** A group of so many places, a power of two. */
function createPlaces(calls: RingCalls, ringFd: number, group: number, count: number) {
  const places = calls.map(-1, 0, count * PLACE_WORDS * 4);
  const words = new Uint32Array(places.memory);
  const halves = new Uint16Array(places.memory);
  register(calls, ringFd, places.address, group, count);
  let tail = 0;
  let offered = 0;
  return {
    giveBack(piece: number, address: number, length: number): void {
      const place = (tail & (count - 1)) * PLACE_WORDS;
      words[place] = address;
      words[place + 1] = address / 2 ** 32;
      words[place + 2] = length;
      halves[place * 2 + 6] = piece;
      tail = (tail + 1) & 0xffff;
    },
    offer(): void {
      if (tail === offered) return;
      offered = tail;
      // The kernel must not see the tail before the places are filled.
      Atomics.store(halves, TAIL_AT, tail);
    },
  };
}

/** struct io_uring_buf_reg: address of the ring of places, how many, the group's number. */
function register(
  calls: RingCalls,
  ringFd: number,
  address: number,
  group: number,
  count: number,
): void {
  const argument = new Uint32Array(10);
  argument[0] = address;
  argument[1] = address / 2 ** 32;
  argument[2] = count;
  argument[3] = group;
  calls.register(ringFd, REGISTER_BUFFER_RING, new Uint8Array(argument.buffer), 1);
}
