/**
 * DNS over a byte stream (RFC 1035 4.2.2, RFC 7766): each message behind its length in two bytes,
 * any number of them in one read, one message over any number of reads. Knows no socket: bytes in,
 * whole messages out to `onMessage`. A message that lies whole inside one read is not copied.
 */
export type StreamFraming = {
  /**
   * Takes what was read. Calls `onMessage` once per whole message, whose bytes are valid only during
   * the call. Returns false when the peer breaks the protocol and the connection should be closed.
   */
  receive(bytes: Uint8Array, onMessage: (message: Uint8Array) => void): boolean;
  /** True between the first byte of a message and its last. */
  readonly isMidMessage: () => boolean;
};

const LENGTH_BYTES = 2;
/** A query is a header and a question at least; anything shorter cannot be answered. */
const MESSAGE_BYTES_MIN = 12;
/** A query larger than this is not one that an authoritative server needs to read. */
export const STREAM_QUERY_BYTES_MAX = 16_384;

/** @param bytesMax of one message */
export function createStreamFraming(bytesMax = STREAM_QUERY_BYTES_MAX): StreamFraming {
  const prefix = new Uint8Array(LENGTH_BYTES);
  let prefixLength = 0;
  let pending: Uint8Array | undefined;
  let filled = 0;

  return {
    isMidMessage: () => prefixLength > 0,
    receive(bytes, onMessage) {
      let at = 0;
      while (at < bytes.length) {
        if (prefixLength < LENGTH_BYTES) {
          prefix[prefixLength] = bytes[at]!;
          prefixLength += 1;
          at += 1;
          continue;
        }
        const length = (prefix[0]! << 8) | prefix[1]!;
        if (length < MESSAGE_BYTES_MIN || length > bytesMax) return false;
        if (pending === undefined && bytes.length - at >= length) {
          prefixLength = 0;
          onMessage(bytes.subarray(at, at + length));
          at += length;
          continue;
        }
        pending ??= new Uint8Array(length);
        const take = Math.min(length - filled, bytes.length - at);
        pending.set(bytes.subarray(at, at + take), filled);
        filled += take;
        at += take;
        if (filled < length) continue;
        const message = pending;
        pending = undefined;
        filled = 0;
        prefixLength = 0;
        onMessage(message);
      }
      // A prefix that arrives alone and announces nonsense is refused at once, not at the next read.
      if (prefixLength < LENGTH_BYTES) return true;
      const announced = (prefix[0]! << 8) | prefix[1]!;
      return announced >= MESSAGE_BYTES_MIN && announced <= bytesMax;
    },
  };
}
