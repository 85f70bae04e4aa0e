import { copyOctets } from '../http/copy-octets.ts';

/** Bytes that have come but cannot be used yet: the rest of a head, or a request before its turn. */
export type Inbox = { bytes: Uint8Array; start: number; end: number };

export const createInbox = (): Inbox => ({ bytes: NO_BYTES, start: 0, end: 0 });

export const inboxLength = (inbox: Inbox): number => inbox.end - inbox.start;

/** Appends a copy of `bytes[from..to)`. */
export function fillInbox(inbox: Inbox, bytes: Uint8Array, from: number, to: number): void {
  const length = inbox.end - inbox.start;
  const needed = length + to - from;
  if (inbox.end + to - from > inbox.bytes.length) {
    const room = needed <= inbox.bytes.length ? inbox.bytes : new Uint8Array(capacityFor(needed));
    // Within one buffer this moves the bytes to its front.
    copyOctets(room, 0, inbox.bytes, inbox.start, inbox.end);
    inbox.bytes = room;
    inbox.start = 0;
    inbox.end = length;
  }
  copyOctets(inbox.bytes, inbox.end, bytes, from, to);
  inbox.end += to - from;
}

/** Drops what has been used, and the memory once nothing is left. */
export function takeFromInbox(inbox: Inbox, length: number): void {
  inbox.start += length;
  if (inbox.start < inbox.end) return;
  inbox.bytes = NO_BYTES;
  inbox.start = inbox.end = 0;
}

function capacityFor(length: number): number {
  let capacity = 1024;
  while (capacity < length) capacity *= 2;
  return capacity;
}

const NO_BYTES = new Uint8Array(0);
