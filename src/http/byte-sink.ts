import { copyOctets } from './copy-octets.ts';

/**
 * A growing run of bytes to which protocol text is appended, reused for message after message. One
 * per direction and worker: what an event produces is gathered here and leaves in a single write.
 */
export type ByteSink = { bytes: Uint8Array; length: number };

export function createByteSink(capacity: number): ByteSink {
  return { bytes: new Uint8Array(capacity), length: 0 };
}

/** A view of what has been put; valid until the next put. */
export const sunkBytes = (sink: ByteSink): Uint8Array => sink.bytes.subarray(0, sink.length);

/** Appends text, one octet a UTF-16 unit (protocol text is ASCII or opaque octets). */
export function putText(sink: ByteSink, text: string): void {
  reserve(sink, text.length);
  const { bytes, length } = sink;
  for (let at = 0; at < text.length; at++) bytes[length + at] = text.charCodeAt(at);
  sink.length = length + text.length;
}

export function putAll(sink: ByteSink, bytes: Uint8Array): void {
  putBytes(sink, bytes, 0, bytes.length);
}

/** A number from 0 to 2^53, in digits. */
export function putDecimal(sink: ByteSink, value: number): void {
  reserve(sink, DIGITS_MAX);
  const { bytes, length } = sink;
  let digits = 1;
  for (let least = 10; least <= value; least *= 10) digits++;
  let rest = value;
  for (let at = length + digits - 1; at >= length; at--) {
    const digit = rest % 10;
    bytes[at] = 0x30 + digit;
    rest = (rest - digit) / 10;
  }
  sink.length = length + digits;
}

export function putBytes(sink: ByteSink, bytes: Uint8Array, start: number, end: number): void {
  const length = end - start;
  reserve(sink, length);
  copyOctets(sink.bytes, sink.length, bytes, start, end);
  sink.length += length;
}

/** What comes before a chunk of so many octets, never 0: that would end the body. A line end comes after it. */
export function putChunkSize(sink: ByteSink, length: number): void {
  putText(sink, length.toString(16));
  putLineEnd(sink);
}

export function putLineEnd(sink: ByteSink): void {
  reserve(sink, 2);
  sink.bytes[sink.length++] = 0x0d;
  sink.bytes[sink.length++] = 0x0a;
}

function reserve(sink: ByteSink, length: number): void {
  if (sink.length + length <= sink.bytes.length) return;
  const grown = new Uint8Array(Math.max(2 * sink.bytes.length, sink.length + length));
  copyOctets(grown, 0, sink.bytes, 0, sink.length);
  sink.bytes = grown;
}

const DIGITS_MAX = 16;
