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
  for (let at = 0; at < text.length; at++) sink.bytes[sink.length++] = text.charCodeAt(at);
}

export function putBytes(sink: ByteSink, bytes: Uint8Array, start: number, end: number): void {
  const length = end - start;
  reserve(sink, length);
  if (length < SHORT_COPY_BYTES) {
    for (let at = start; at < end; at++) sink.bytes[sink.length++] = bytes[at]!;
    return;
  }
  sink.bytes.set(bytes.subarray(start, end), sink.length);
  sink.length += length;
}

/** One chunk of the chunked coding; `end > start`, since an empty chunk would end the body. */
export function putChunk(sink: ByteSink, bytes: Uint8Array, start: number, end: number): void {
  putText(sink, `${(end - start).toString(16)}\r\n`);
  putBytes(sink, bytes, start, end);
  putText(sink, '\r\n');
}

function reserve(sink: ByteSink, length: number): void {
  if (sink.length + length <= sink.bytes.length) return;
  const grown = new Uint8Array(Math.max(2 * sink.bytes.length, sink.length + length));
  grown.set(sink.bytes.subarray(0, sink.length));
  sink.bytes = grown;
}

/** Below this a loop beats the call that `set` makes. */
const SHORT_COPY_BYTES = 48;
