import { ENTRY_BUFFER_SELECT } from './ring.ts';
import type { RingCalls } from './ring-calls.ts';

/**
 * Memory that the kernel receives into: pieces, which it takes itself and which are given back when what
 * is in them was used (io_uring_register_buf_ring(3)). All connections of a thread share them, so that
 * one that is silent has none. There are usual ones, and fewer long ones for bodies that are long: the
 * fewer pieces a body comes in, the less often somebody has to be woken.
 *
 * The kernel goes round through what it is offered, so it is offered little more than it takes at a time, and first
 * what came back last: that is still in the processor's caches.
 */
export type ReceiveSlab = {
  readonly buffer: ArrayBufferLike;
  /** The first octets of a piece; valid until it is given back. */
  view(piece: number, length: number): Uint8Array;
  /** The piece that holds the octet at this offset of `buffer`. */
  pieceAt(offset: number): number;
  /** Address of an octet of `buffer`, for sending it on as it is. */
  addressOf(offset: number): number;
  /** The kernel has taken the piece. */
  taken(piece: number): void;
  /** It is not needed any more; the kernel may have it again, as `offer` sees fit. */
  giveBack(piece: number): void;
  /** Before every call that hands over, for nothing is received outside of those (IORING_SETUP_DEFER_TASKRUN). */
  offer(): void;
};

export const PIECE_BYTES = 64 * 1024;
export const PIECES = 512;
const LONG_PIECE_BYTES = 256 * 1024;
export const LONG_PIECES = 64;
/** Long pieces come after the usual ones. */
export const ALL_PIECES = PIECES + LONG_PIECES;
export const USUAL_GROUP = 0;
export const LONG_GROUP = 1;
export const SELECT_PIECE = ENTRY_BUFFER_SELECT;
export const isLong = (piece: number): boolean => piece >= PIECES;

/** Between the beginnings of pieces: at a power of two all of them would want the same few lines of a cache. */
const STAGGER_BYTES = 320;
const STRIDE = PIECE_BYTES + STAGGER_BYTES;
const LONG_STRIDE = LONG_PIECE_BYTES + STAGGER_BYTES;
const LONG_FROM = PIECES * STRIDE;
const SLAB_BYTES = LONG_FROM + LONG_PIECES * LONG_STRIDE;

export function createReceiveSlab(calls: RingCalls, ringFd: number): ReceiveSlab {
  const { memory, address } = calls.map(-1, 0, SLAB_BYTES);
  const addressOf = (offset: number): number => address + offset;
  const usual = createPlaces(calls, ringFd, USUAL_GROUP, PIECES, {
    addressOf: (piece) => addressOf(offsetOf(piece)),
    bytes: PIECE_BYTES,
  });
  const long = createPlaces(calls, ringFd, LONG_GROUP, LONG_PIECES, {
    addressOf: (piece) => addressOf(offsetOf(piece)),
    bytes: LONG_PIECE_BYTES,
  });
  const views = Array.from({ length: ALL_PIECES }, () => new Uint8Array(memory, 0, 0));
  const giveBack = (piece: number): void => {
    if (isLong(piece)) long.giveBack(piece);
    else usual.giveBack(piece);
  };
  for (let piece = ALL_PIECES - 1; piece >= 0; piece -= 1) giveBack(piece);
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
        ? Math.floor(offset / STRIDE)
        : PIECES + Math.floor((offset - LONG_FROM) / LONG_STRIDE),
    addressOf,
    taken(piece) {
      if (isLong(piece)) long.taken();
      else usual.taken();
    },
    giveBack,
    offer() {
      usual.offer();
      long.offer();
    },
  };
}

const offsetOf = (piece: number): number =>
  isLong(piece) ? LONG_FROM + (piece - PIECES) * LONG_STRIDE : piece * STRIDE;

const REGISTER_BUFFER_RING = 22;
/** struct io_uring_buf: address (64 bits), length (32), number (16), and 16 bits that are the ring's tail in the first. */
const PLACE_WORDS = 4;
const TAIL_AT = 7;
/** Offered at least. */
const OFFERED_MIN = 16;
/** So many offers are looked back on before fewer are made. */
const OFFERS_LOOKED_AT = 4096;

/** Pieces of a kind, as the kernel sees them. */
type Pieces = {
  readonly bytes: number;
  addressOf(piece: number): number;
};

/** A group of so many places, a power of two. */
function createPlaces(
  calls: RingCalls,
  ringFd: number,
  group: number,
  count: number,
  { addressOf, bytes }: Pieces,
) {
  const places = calls.map(-1, 0, count * PLACE_WORDS * 4);
  const words = new Uint32Array(places.memory);
  const halves = new Uint16Array(places.memory);
  register(calls, ringFd, places.address, group, count);
  /** What came back last is last. */
  const free: number[] = [];
  const demand = createDemand(count);
  let tail = 0;
  let offered = 0;
  const put = (piece: number): void => {
    const place = (tail & (count - 1)) * PLACE_WORDS;
    const address = addressOf(piece);
    words[place] = address;
    words[place + 1] = address / 2 ** 32;
    words[place + 2] = bytes;
    halves[place * 2 + 6] = piece;
    tail = (tail + 1) & 0xffff;
  };
  return {
    taken(): void {
      offered -= 1;
      demand.used += 1;
    },
    giveBack: (piece: number): void => void free.push(piece),
    offer(): void {
      look(demand);
      const more = Math.min(demand.wanted - offered, free.length);
      if (more <= 0) return;
      for (let index = 0; index < more; index += 1) put(free.pop()!);
      offered += more;
      // The kernel must not see the tail before the places are filled.
      Atomics.store(halves, TAIL_AT, tail);
    },
  };
}

/** How many pieces the kernel takes between two offers. */
type Demand = { readonly max: number; wanted: number; used: number; most: number; looks: number };

const createDemand = (max: number): Demand => ({
  max,
  wanted: OFFERED_MIN,
  used: 0,
  most: 0,
  looks: 0,
});

/** Who finds nothing has to ask again; but what is offered beyond need is used as often as all else, and cold. */
function look(demand: Demand): void {
  const { used } = demand;
  demand.used = 0;
  if (4 * used > 3 * demand.wanted) demand.wanted = Math.min(demand.max, 2 * demand.wanted);
  if (used > demand.most) demand.most = used;
  demand.looks += 1;
  if (demand.looks < OFFERS_LOOKED_AT) return;
  if (3 * demand.most < demand.wanted) demand.wanted = Math.max(OFFERED_MIN, demand.wanted / 2);
  demand.looks = demand.most = 0;
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
