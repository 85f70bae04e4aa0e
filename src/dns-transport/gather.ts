import type { Connection } from '../io/stream.ts';

/**
 * What is written to a connection while one read of it is answered, as one write: a client that asks several queries
 * at once costs one system call for all replies (RFC 7766 8), which is most of what a reply costs over TCP.
 */
export type Gatherer = {
  /** From here on writes wait. One connection at a time is answered, so only the last to say so gathers. */
  hold(): void;
  /** As Connection.write: false when its peer takes no more for now. A DNS message with its length at most. */
  write(bytes: Uint8Array): boolean;
  /** Writes what has waited, and holds no longer. As write(). */
  release(): boolean;
};

/** So much leaves at once, some hundred replies: a reader that takes nothing is noticed after these. */
export const GATHERED_BYTES = 16_384;
const MESSAGE_BYTES_MAX = 2 + 65_535;

const room = new Uint8Array(GATHERED_BYTES + MESSAGE_BYTES_MAX);
let filled = 0;
let holder: Gatherer | undefined;

export function gather(connection: Connection): Gatherer {
  const flush = (): boolean => {
    if (filled === 0) return true;
    const length = filled;
    filled = 0;
    return connection.write(room.subarray(0, length));
  };
  const gatherer: Gatherer = {
    hold() {
      holder = gatherer;
    },
    write(bytes) {
      // Another connection may be the one that is answered now.
      if (holder !== gatherer) return connection.write(bytes);
      room.set(bytes, filled);
      filled += bytes.length;
      return filled < GATHERED_BYTES || flush();
    },
    release() {
      if (holder !== gatherer) return true;
      holder = undefined;
      return flush();
    },
  };
  return gatherer;
}
