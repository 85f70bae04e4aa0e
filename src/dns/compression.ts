/**
 * What name compression compares (RFC 1035 4.1.4), apart from the reply that uses it. Every function
 * works on bytes in place, allocates nothing and ends after at most 255 octets.
 */

import { HEADER_LENGTH, POINTER_BITS } from './constants.ts';
import type { Query } from './message.ts';
import { LABEL_LENGTH_MAX, lowerOctet } from './name.ts';

/**
 * Offset in the message of the question's suffix that has the `length` octets at `offset`, or -1.
 * The question counts as lower-cased, however the client spelled it.
 */
export function findInQuestion(
  query: Query,
  wire: Uint8Array,
  offset: number,
  length: number,
): number {
  const start = query.qnameLength - length;
  if (start < 0) return -1;
  for (let label = 0; label < query.qnameLabels; label += 1) {
    const labelOffset = query.labelOffsets[label]!;
    if (labelOffset < start) continue;
    if (labelOffset > start) return -1;
    for (let index = 0; index < length; index += 1) {
      if (query.qname[start + index] !== wire[offset + index]) return -1;
    }
    return HEADER_LENGTH + start;
  }
  return -1;
}

/**
 * Whether the name at `target` of a message, which we wrote ourselves so that its pointers all lead
 * backward, is the uncompressed name at `offset` of `wire`, case included; octets of the question,
 * before `questionEnd`, count as lower-cased.
 */
export function suffixEquals(
  out: Uint8Array,
  questionEnd: number,
  target: number,
  wire: Uint8Array,
  offset: number,
): boolean {
  let position = target;
  let other = offset;
  for (;;) {
    let label = out[position]!;
    while (label >= POINTER_BITS) {
      position = ((label & LABEL_LENGTH_MAX) << 8) | out[position + 1]!;
      label = out[position]!;
    }
    if (label !== wire[other]) return false;
    if (label === 0) return true;
    for (let index = 1; index <= label; index += 1) {
      const octet = out[position + index]!;
      const seen = position < questionEnd ? lowerOctet(octet) : octet;
      if (seen !== wire[other + index]) return false;
    }
    position += 1 + label;
    other += 1 + label;
  }
}
