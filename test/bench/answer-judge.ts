/** Whether an answer is right, as cheaply as an answer can be had: one A record under the name that was asked for. */
import type { Mail, Queries } from './query-mail.ts';

export type Expected = {
  /** Addresses as numbers: while every region is well, and while the one that flips is not. */
  readonly well: number;
  readonly ill: number;
  readonly ttlMax: number;
};

/** It does not depend on the region that flips; it is that of a well one; of an ill one; neither. */
export const SAME = 0;
export const WELL = 1;
export const ILL = 2;
export const WRONG = 3;

const HEADER_BYTES = 12;
const TYPE_AND_CLASS_BYTES = 4;
const POINTER = 0xc0;
/** QR and AA, no TC; RCODE NOERROR. */
const FLAGS_MASK = 0x8600;
const FLAGS = 0x8400;

/** @param place of the query in the file */
export function judgeAnswer(
  mail: Mail,
  index: number,
  queries: Queries,
  place: number,
  { ill, ttlMax, well }: Expected,
): number {
  const bytes = mail.answers;
  const start = mail.startOf(index);
  const end = start + mail.lengthOf(index);
  const query = queries.starts[place]!;
  const word = (at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;
  const flags = word(start + 2);
  if ((flags & FLAGS_MASK) !== FLAGS || (flags & 0xf) !== 0) return WRONG;
  if (word(start + 4) !== 1 || word(start + 6) !== 1) return WRONG;
  const asked = questionBytes(queries.bytes, query + HEADER_BYTES);
  for (let at = HEADER_BYTES; at < HEADER_BYTES + asked; at += 1) {
    if (bytes[start + at] !== queries.bytes[query + at]) return WRONG;
  }
  const owner = start + HEADER_BYTES + asked;
  const at = owner + (bytes[owner]! >= POINTER ? 2 : asked - TYPE_AND_CLASS_BYTES);
  if (at + 14 > end || word(at) !== 1 || word(at + 2) !== 1 || word(at + 8) !== 4) return WRONG;
  const ttl = word(at + 4) * 0x10000 + word(at + 6);
  const address = word(at + 10) * 0x10000 + word(at + 12);
  if (ttl > ttlMax || (address !== well && address !== ill)) return WRONG;
  if (well === ill) return SAME;
  return address === well ? WELL : ILL;
}

/** Of the name, type and class that begin there. */
function questionBytes(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at] !== 0) at += bytes[at]! + 1;
  return at + 1 + TYPE_AND_CLASS_BYTES - start;
}
