/**
 * The few ways in which values stand in a frame: numbers as varints (LEB128), texts as their length
 * and UTF-8. Reading anything that is not so gives undefined, never an exception.
 */
export type ByteWriter = {
  readonly length: () => number;
  number(value: number): void;
  text(value: string): void;
  byte(value: number): void;
  /** What was written since the beginning. */
  bytes(): Uint8Array;
};

/** Longest text in a record. */
export const TEXT_BYTES_MAX = 900;
const NUMBER_MAX = Number.MAX_SAFE_INTEGER;

export function createByteWriter(capacity = 256): ByteWriter {
  let buffer = Buffer.allocUnsafe(capacity);
  let length = 0;
  const reserve = (more: number): void => {
    if (length + more <= buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, length + more));
    buffer.copy(larger, 0, 0, length);
    buffer = larger;
  };
  const writer: ByteWriter = {
    length: () => length,
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
    text(value) {
      const bytes = clipped(value);
      writer.number(bytes.length);
      reserve(bytes.length);
      bytes.copy(buffer, length);
      length += bytes.length;
    },
    bytes: () => Uint8Array.prototype.slice.call(buffer, 0, length),
  };
  return writer;
}

/** UTF-8 of at most TEXT_BYTES_MAX bytes, cut between two characters. */
function clipped(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length <= TEXT_BYTES_MAX) return bytes;
  let end = TEXT_BYTES_MAX;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}

export type ByteReader = {
  number(): number | undefined;
  text(): string | undefined;
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
    take(count) {
      if (at + count > bytes.length) return undefined;
      const part = bytes.subarray(at, at + count);
      at += count;
      return part;
    },
    text() {
      const length = reader.number();
      if (length === undefined || length > TEXT_BYTES_MAX) return undefined;
      const part = reader.take(length);
      return part === undefined ? undefined : Buffer.from(part).toString('utf8');
    },
    done: () => at >= bytes.length,
  };
  return reader;
}
