import { LABEL_LENGTH_MAX, lowerName, NAME_LENGTH_MAX } from '../name.ts';
import { typeBitmap } from '../type-fields.ts';

/** Proofs that something is not there, made as they are asked for (RFC 4470, RFC 9824). */

/**
 * The very next name in canonical order (RFC 4034 6.1, RFC 4471 3.1.2): nothing fits between. For all names but
 * the longest that is the name with a label of one zero octet in front.
 */
export function nextName(name: Uint8Array): Uint8Array {
  const lower = lowerName(name);
  const hasRoom = lower.length + 2 <= NAME_LENGTH_MAX;
  return hasRoom ? Uint8Array.of(1, 0, ...lower) : nextSibling(lower);
}

/** The next name that is not below this one. */
function nextSibling(name: Uint8Array): Uint8Array {
  const label = name[0]!;
  if (label === 0) return name;
  const rest = name.subarray(1 + label);
  if (label < LABEL_LENGTH_MAX && name.length < NAME_LENGTH_MAX) {
    return Uint8Array.of(label + 1, ...name.subarray(1, 1 + label), 0, ...rest);
  }
  // Without room the last octet that can be is counted up; upper case does not exist in this order.
  for (let end = label; end > 0; end -= 1) {
    const octet = name[end]!;
    if (octet === 0xff) continue;
    const next = octet === 0x40 ? 0x5b : octet + 1;
    return Uint8Array.of(end, ...name.subarray(1, end), next, ...rest);
  }
  return nextSibling(rest);
}

/** Rdata of the NSEC record of a name that has these types (RFC 4034 4.1). */
export function nsecRdata(next: Uint8Array, types: readonly number[]): Uint8Array {
  return new Uint8Array(Buffer.concat([next, typeBitmap(types)]));
}

const TYPE_RRSIG = 46;
const TYPE_NSEC = 47;
const TYPE_NXNAME = 128;

/** Denies the name (RFC 9824 3.1): it is there, and has nothing but the word that it is not. */
export function deniedName(name: Uint8Array): Uint8Array {
  return nsecRdata(nextName(name), [TYPE_RRSIG, TYPE_NSEC, TYPE_NXNAME]);
}

/** Denies all other types of a name that has these (RFC 9824 3.2); an empty one has only its proof (3.3). */
export function deniedTypes(name: Uint8Array, types: readonly number[]): Uint8Array {
  return nsecRdata(nextName(name), [...types, TYPE_RRSIG, TYPE_NSEC]);
}
