/**
 * Frames on their way from one worker to the thread that sends them: a bounded ring in shared memory with one
 * writer and one reader, neither of which ever waits. When there is no room the frame is not written, and whoever
 * wanted to counts it. Both sides keep their place in the ring itself, so a thread that is replaced goes on where
 * the one before it was.
 *
 * A frame lies in one piece, with its length before it as Frame Streams have it on the wire: the reader copies out
 * what is there without a look at what it means.
 */
export type RingWriter = {
  /** Where frames are written: from the place that `reserve` gives on. */
  readonly bytes: Uint8Array;
  /** Room for a frame of that many octets: its place, or NO_ROOM. */
  reserve(length: number): number;
  /** Lets the reader have the frame that room was reserved for last. */
  commit(): void;
};

export type RingReader = {
  /**
   * Takes whole frames, with their lengths, as many as there is room for.
   * @param to has room for the longest frame
   * @returns the octets that were taken; `frames()` says how many frames they are
   */
  take(to: Uint8Array, at: number): number;
  frames(): number;
};

export const NO_ROOM = -1;
/** Octets before each frame: its length (big endian). */
export const LENGTH_BYTES = 4;
/** As a length: the rest of the ring is empty, the next frame stands at its beginning. */
const TURN = 0xff_ff_ff_ff;

// Positions count on beyond the ring's end, modulo 2^32. Each has a cache line of its own.
const WRITTEN = 0;
const READ = 16;
/** How many of both sides have left. */
const LEFT = 8;
const HEAD_BYTES = 128;

/** @param capacity octets; a power of two, at most 2^30, with room for two of the longest frames */
export function createRing(capacity: number): SharedArrayBuffer {
  return new SharedArrayBuffer(HEAD_BYTES + capacity);
}

export function openRingWriter(memory: SharedArrayBuffer): RingWriter {
  const { bytes, mask, positions } = viewsOf(memory);
  const capacity = bytes.length;
  let written = Atomics.load(positions, WRITTEN);
  let next = written;
  /** As it was when it was looked at last. */
  let read = Atomics.load(positions, READ);
  return {
    bytes,
    reserve(length) {
      const need = LENGTH_BYTES + length;
      const place = written & mask;
      const toEnd = capacity - place;
      const skipped = toEnd < need ? toEnd : 0;
      if (((written - read) | 0) + skipped + need > capacity) {
        read = Atomics.load(positions, READ);
        if (((written - read) | 0) + skipped + need > capacity) return NO_ROOM;
      }
      if (skipped >= LENGTH_BYTES) writeLength(bytes, place, TURN);
      const at = skipped > 0 ? 0 : place;
      writeLength(bytes, at, length);
      next = (written + skipped + need) | 0;
      return at + LENGTH_BYTES;
    },
    commit() {
      written = next;
      Atomics.store(positions, WRITTEN, written);
    },
  };
}

export function openRingReader(memory: SharedArrayBuffer): RingReader {
  const { bytes, mask, positions } = viewsOf(memory);
  const capacity = bytes.length;
  let frames = 0;
  return {
    take(to, at) {
      const written = Atomics.load(positions, WRITTEN);
      const room = to.length - at;
      let read = Atomics.load(positions, READ);
      let taken = 0;
      /** Frames that lie behind one another are copied together. */
      let from = read & mask;
      let end = from;
      const copy = (): void => {
        to.set(bytes.subarray(from, end), at + taken);
        taken += end - from;
      };
      frames = 0;
      while (read !== written) {
        const toEnd = capacity - end;
        const length = toEnd < LENGTH_BYTES ? TURN : readLength(bytes, end);
        if (length === TURN) {
          copy();
          read = (read + toEnd) | 0;
          from = 0;
          end = 0;
          continue;
        }
        const whole = LENGTH_BYTES + length;
        if (taken + end - from + whole > room) break;
        end += whole;
        frames += 1;
        read = (read + whole) | 0;
      }
      copy();
      Atomics.store(positions, READ, read);
      return taken;
    },
    frames: () => frames,
  };
}

/**
 * For each side to call when it is done with the ring for ever: what then lies in it reaches nobody.
 * @returns the frames in it, to the side that leaves last; 0 to the other
 */
export function leaveRing(memory: SharedArrayBuffer): number {
  const { bytes, positions } = viewsOf(memory);
  if (Atomics.add(positions, LEFT, 1) === 0) {
    Atomics.notify(positions, LEFT);
    return 0;
  }
  const reader = openRingReader(memory);
  reader.take(new Uint8Array(bytes.length), 0);
  return reader.frames();
}

/** Settles when the other side has left, or that much later. */
export async function whenLeft(memory: SharedArrayBuffer, timeoutMs: number): Promise<void> {
  const { value } = Atomics.waitAsync(viewsOf(memory).positions, LEFT, 0, timeoutMs);
  await value;
}

function viewsOf(memory: SharedArrayBuffer) {
  const bytes = new Uint8Array(memory, HEAD_BYTES);
  return { bytes, mask: bytes.length - 1, positions: new Int32Array(memory, 0, HEAD_BYTES / 4) };
}

function writeLength(bytes: Uint8Array, at: number, length: number): void {
  bytes[at] = length >>> 24;
  bytes[at + 1] = length >>> 16;
  bytes[at + 2] = length >>> 8;
  bytes[at + 3] = length;
}

function readLength(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  );
}
