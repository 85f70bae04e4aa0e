import { bytesOf, COLON, equalsIgnoringCase, LF } from '../http/ascii.ts';
import type { ByteSink } from '../http/byte-sink.ts';
import { copyOctets } from '../http/copy-octets.ts';
import { ATTEMPT_FIELD_NAME } from '../resilience/retry-rules.ts';

/**
 * The head of a request as the server gets it, kept until nothing can have it sent again. Usual ones
 * lie in memory that is used again and again; a longer one has memory of its own.
 */
export type HeadCopy = { bytes: Uint8Array; length: number };

/** Memory that no exchange uses just now. */
export type SpareHeads = Uint8Array[];

const HEAD_BYTES = 1024;
/** What a burst of exchanges has needed is given back beyond this. */
const SPARE_MAX = 1024;

export const createHeadCopy = (): HeadCopy => ({ bytes: NO_BYTES, length: 0 });

/** Keeps what was put from `start` on. */
export function keepHead(copy: HeadCopy, sink: ByteSink, start: number, spare: SpareHeads): void {
  const length = sink.length - start;
  const bytes = length <= HEAD_BYTES ? (spare.pop() ?? new Uint8Array(HEAD_BYTES)) : undefined;
  if (bytes === undefined) copy.bytes = sink.bytes.slice(start, sink.length);
  else {
    copyOctets(bytes, 0, sink.bytes, start, sink.length);
    copy.bytes = bytes;
  }
  copy.length = length;
}

export function dropHead(copy: HeadCopy, spare: SpareHeads): void {
  if (copy.bytes.length === HEAD_BYTES && spare.length < SPARE_MAX) spare.push(copy.bytes);
  copy.bytes = NO_BYTES;
  copy.length = 0;
}

/** Whether the head has a field of this name. For what is rare: it reads the whole head. @param name lower case */
export function copyHasField({ bytes, length }: HeadCopy, name: Uint8Array): boolean {
  let at = bytes.indexOf(LF) + 1;
  while (at > 0 && at + name.length < length) {
    const end = at + name.length;
    if (bytes[end] === COLON && equalsIgnoringCase(bytes, at, end, name)) return true;
    at = bytes.indexOf(LF, at) + 1;
  }
  return false;
}

/** Whether another balancer has sent the request, and sees to further attempts. */
export const isFromBalancer = (copy: HeadCopy): boolean => copyHasField(copy, ATTEMPT);

const ATTEMPT = bytesOf(ATTEMPT_FIELD_NAME.toLowerCase());
const NO_BYTES = new Uint8Array(0);
