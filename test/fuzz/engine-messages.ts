import {
  createChunkedDecoder,
  decodeChunked,
  isChunkedDone,
  isChunkedInvalid,
} from '../../src/http/chunked.ts';

/** Messages of HTTP/1.1 as they come out of the balancer, which are sound: read no more strictly than that needs. */

const HEAD_END = '\r\n\r\n';
const IS_CHUNKED = /\r\nTransfer-Encoding: chunked\r\n/i;
const LENGTH = /\r\nContent-Length: (\d+)\r\n/i;

/** Requests on a connection to a server: says when each begins and when it is whole. */
export function createRequestReader(
  onHead: (method: string, head: string) => void,
  onWhole: () => void,
): { feed(bytes: Buffer): void } {
  let state: 'head' | 'length' | 'chunked' = 'head';
  let left = 0;
  let waiting: Buffer = Buffer.alloc(0);
  let decoder = createChunkedDecoder();
  const begin = (head: string): void => {
    state = IS_CHUNKED.test(head) ? 'chunked' : 'length';
    left = Number(LENGTH.exec(head)?.[1] ?? 0);
    decoder = createChunkedDecoder();
    onHead(head.slice(0, head.indexOf(' ')), head);
  };
  /** @returns what belongs to the next one; undefined when this one is not whole yet */
  const readBody = (bytes: Buffer): Buffer | undefined => {
    if (state === 'length') {
      const length = Math.min(left, bytes.length);
      left -= length;
      return left === 0 ? bytes.subarray(length) : undefined;
    }
    let at = 0;
    while (at < bytes.length && !isChunkedDone(decoder) && !isChunkedInvalid(decoder))
      at = decodeChunked(decoder, bytes, at, bytes.length);
    return isChunkedDone(decoder) ? bytes.subarray(at) : undefined;
  };
  return {
    feed(bytes) {
      let rest: Buffer | undefined = bytes;
      while (rest !== undefined) {
        if (state === 'head') {
          waiting = Buffer.concat([waiting, rest]);
          const end = waiting.indexOf(HEAD_END);
          if (end < 0) return;
          rest = waiting.subarray(end + HEAD_END.length);
          const head = waiting.toString('latin1', 0, end + HEAD_END.length);
          waiting = Buffer.alloc(0);
          begin(head);
        }
        rest = readBody(rest);
        if (rest === undefined) return;
        state = 'head';
        onWhole();
        if (rest.length === 0) return;
      }
    },
  };
}

/**
 * The stream with the sizes of its chunks left out: how large they are depends on how much an engine reads at once, and
 * says nothing (RFC 9112 section 7.1).
 */
export function withoutSizes(stream: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  while (at < stream.length) {
    const end = stream.indexOf(HEAD_END, at);
    if (end < 0) break;
    const bodyAt = end + HEAD_END.length;
    const head = stream.toString('latin1', at, bodyAt);
    parts.push(stream.subarray(at, bodyAt));
    at = bodyAt;
    // Answers to HEAD, and those that never have one.
    const hasBody = stream.toString('latin1', at, at + 'HTTP/1.1 '.length) !== 'HTTP/1.1 ';
    if (!hasBody) continue;
    const length = LENGTH.exec(head)?.[1];
    if (IS_CHUNKED.test(head)) at = mergeChunks(stream, at, parts);
    else if (length !== undefined) {
      parts.push(stream.subarray(at, at + Number(length)));
      at += Number(length);
    }
  }
  parts.push(stream.subarray(Math.min(at, stream.length)));
  return Buffer.concat(parts);
}

/** @returns where the message ends */
function mergeChunks(stream: Buffer, from: number, parts: Buffer[]): number {
  const decoder = createChunkedDecoder();
  let at = from;
  while (at < stream.length && !isChunkedDone(decoder)) {
    // No message, but something in a tunnel that looks like one.
    if (isChunkedInvalid(decoder)) return at;
    at = decodeChunked(decoder, stream, at, stream.length);
    parts.push(stream.subarray(decoder.dataStart, decoder.dataEnd));
  }
  if (isChunkedDone(decoder)) {
    parts.push(WHOLE, Buffer.from(decoder.trailers.subarray(0, decoder.trailerBytes)));
  }
  return at;
}
const WHOLE = Buffer.from('<end>');
