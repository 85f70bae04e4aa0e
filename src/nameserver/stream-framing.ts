/**
 * DNS over a byte stream (RFC 1035 4.2.2, RFC 7766): each message behind its length in two bytes,
 * any number of them in one read, one message over any number of reads. Knows no socket: bytes in,
 * whole messages out to `onMessage`. A message that lies whole inside one read is not copied.
 */
export type StreamFraming = {
  /**
   * Takes what was read. Calls `onMessage` once per whole message, whose bytes are valid only during
   * the call. Before it begins with one it asks `mayBegin`, once for each that it then takes.
   *
   * @returns how many octets were taken: all, or those before the message that may not begin yet, which are to
   *   be given again; STREAM_BROKEN when the peer breaks the protocol and the connection should be closed
   */
  receive(
    bytes: Uint8Array,
    onMessage: (message: Uint8Array) => void,
    mayBegin?: () => boolean,
  ): number;
  /** True between the first byte of a message and its last. */
  readonly isMidMessage: () => boolean;
};

export const STREAM_BROKEN = -1;

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
  let isBegun = false;
  const finish = (): void => {
    pending = undefined;
    filled = 0;
    prefixLength = 0;
    isBegun = false;
  };

  return {
    isMidMessage: () => prefixLength > 0,
    receive(bytes, onMessage, mayBegin = always) {
      let at = 0;
      while (at < bytes.length) {
        if (prefixLength < LENGTH_BYTES) {
          prefix[prefixLength] = bytes[at]!;
          prefixLength += 1;
          at += 1;
          continue;
        }
        const length = announced(prefix, bytesMax);
        if (length === STREAM_BROKEN) return STREAM_BROKEN;
        isBegun ||= mayBegin();
        if (!isBegun) return at;
        if (pending === undefined && bytes.length - at >= length) {
          finish();
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
        finish();
        onMessage(message);
      }
      // A prefix that arrives alone and announces nonsense is refused at once, not at the next read.
      const isBroken =
        prefixLength === LENGTH_BYTES && announced(prefix, bytesMax) === STREAM_BROKEN;
      return isBroken ? STREAM_BROKEN : at;
    },
  };
}

/** The length that stands in front of a message. */
function announced(prefix: Uint8Array, bytesMax: number): number {
  const length = (prefix[0]! << 8) | prefix[1]!;
  return length < MESSAGE_BYTES_MIN || length > bytesMax ? STREAM_BROKEN : length;
}

function always(): boolean {
  return true;
}
