/**
 * A response that is longer than the link that it leaves by takes in one piece: it is not sent in fragments, which
 * get lost and may be forged (RFC 9715 3.1, R2), but says that all of it is to be had over TCP (R4).
 */
import { FLAG_TC, HEADER_LENGTH, RECORD_FIXED_LENGTH, TYPE_OPT, TYPE_TSIG } from './constants.ts';
import { readWord, skipName } from './message.ts';

/** Octets of the root's name. */
const ROOT_LENGTH = 1;

/**
 * Leaves header, question and OPT, and sets TC.
 * @param reply of ours; changed in place
 * @returns its length then; 0 = it is signed by TSIG, which holds for the whole of it only, or not like that
 */
export function shorten(reply: Uint8Array, length: number): number {
  const start = questionEnd(reply, length);
  if (start < 0) return 0;
  let position = start;
  let end = start;
  for (let left = recordCount(reply); left > 0; left -= 1) {
    const fixed = skipName(reply, position, length);
    if (fixed < 0 || fixed + RECORD_FIXED_LENGTH > length) return 0;
    const next = fixed + RECORD_FIXED_LENGTH + readWord(reply, fixed + 8);
    const type = readWord(reply, fixed);
    if (type === TYPE_TSIG || next > length) return 0;
    if (type === TYPE_OPT && fixed === position + ROOT_LENGTH) {
      reply.copyWithin(end, position, next);
      end += next - position;
    }
    position = next;
  }
  reply[2] = reply[2]! | (FLAG_TC >> 8);
  reply.fill(0, 6, HEADER_LENGTH);
  reply[11] = end > start ? 1 : 0;
  return end;
}

/** Where the question ends, which every response that is long has; -1 = there is none. */
function questionEnd(reply: Uint8Array, length: number): number {
  if (length < HEADER_LENGTH || readWord(reply, 4) !== 1) return -1;
  const fixed = skipName(reply, HEADER_LENGTH, length);
  return fixed < 0 || fixed + 4 > length ? -1 : fixed + 4;
}

const recordCount = (reply: Uint8Array): number =>
  readWord(reply, 6) + readWord(reply, 8) + readWord(reply, 10);
