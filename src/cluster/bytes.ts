/**
 * The few ways in which values stand in a frame: numbers as varints (LEB128), texts as their length
 * and UTF-8. Reading anything that is not so gives undefined, never an exception.
 */
export type ByteWriter = {
  number(value: number): void;
  /** Four bytes, for numbers that are spread over all of their range. */
  word(value: number): void;
  /** A text for people: what is longer than that is cut. */
  text(value: string, bytesMax: number): void;
  /** A text that means nothing when it is cut: a longer one spoils what is written. */
  name(value: string, bytesMax: number): void;
  byte(value: number): void;
  /** What was written since the beginning; undefined when a name did not fit. */
  bytes(): Buffer | undefined;
};

const NUMBER_MAX = Number.MAX_SAFE_INTEGER;

export function createByteWriter(capacity = 256): ByteWriter {
  let buffer = Buffer.allocUnsafe(capacity);
  let length = 0;
  let isSpoilt = false;
  const reserve = (more: number): void => {
    if (length + more <= buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, length + more));
    buffer.copy(larger, 0, 0, length);
    buffer = larger;
  };
  const put = (bytes: Buffer): void => {
    writer.number(bytes.length);
    reserve(bytes.length);
    bytes.copy(buffer, length);
    length += bytes.length;
  };
  const writer: ByteWriter = {
    byte(value) {
      reserve(1);
      buffer[length] = value;
      length += 1;
    },
    number(value) {
      let rest = Math.max(0, Math.min(NUMBER_MAX, Math.round(value)));
      while (rest >= 0x80) {
        writer.byte((rest % 0x80) | 0x80);
        rest = Math.floor(rest / 0x80);
      }
      writer.byte(rest);
    },
    word(value) {
      reserve(4);
      length = buffer.writeUInt32BE(value >>> 0, length);
    },
    text: (value, bytesMax) => put(cut(Buffer.from(value), bytesMax)),
    name(value, bytesMax) {
      const bytes = Buffer.from(value);
      if (bytes.length > bytesMax) isSpoilt = true;
      else put(bytes);
    },
    bytes: () => (isSpoilt ? undefined : buffer.subarray(0, length)),
  };
  return writer;
}

/** At most so many bytes of UTF-8, cut between two characters. */
function cut(bytes: Buffer, bytesMax: number): Buffer {
  if (bytes.length <= bytesMax) return bytes;
  let end = bytesMax;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}

export type ByteReader = {
  number(): number | undefined;
  word(): number | undefined;
  text(bytesMax: number): string | undefined;
  byte(): number | undefined;
  /** The next bytes, not copied. */
  take(count: number): Uint8Array | undefined;
  done(): boolean;
};

export function createByteReader(bytes: Uint8Array): ByteReader {
  let at = 0;
  const reader: ByteReader = {
    byte() {
      const value = bytes[at];
      if (value !== undefined) at += 1;
      return value;
    },
    number() {
      let value = 0;
      let factor = 1;
      for (;;) {
        const byte = reader.byte();
        if (byte === undefined) return undefined;
        value += (byte & 0x7f) * factor;
        if (value > NUMBER_MAX) return undefined;
        if (byte < 0x80) return value;
        factor *= 0x80;
        if (factor > NUMBER_MAX) return undefined;
      }
    },
    word() {
      const part = reader.take(4);
      return part && ((part[0]! << 24) | (part[1]! << 16) | (part[2]! << 8) | part[3]!) >>> 0;
    },
    take(count) {
      if (at + count > bytes.length) return undefined;
      const part = bytes.subarray(at, at + count);
      at += count;
      return part;
    },
    text(bytesMax) {
      const length = reader.number();
      if (length === undefined || length > bytesMax) return undefined;
      const part = reader.take(length);
      if (part === undefined) return undefined;
      return Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('utf8');
    },
    done: () => at >= bytes.length,
  };
  return reader;
}
