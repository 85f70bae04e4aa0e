/**
 * One cookie among those of a Cookie field (RFC 6265 section 4.2.1), found and taken out on the octets as
 * they were received: what stays, stays octet for octet, however odd its blanks are. A field is pieces
 * between semicolons; blanks around a name do not count, because applications do not count them either.
 */

/** Where the value of a cookie lies, without the blanks around it. */
export type CookieValue = { start: number; end: number };

/**
 * Finds the next cookie called `name` in the field value `bytes[from..end)`.
 * @param from 0 octets into a piece: the field's start, or what a call before returned
 * @returns where to look for the next one, or -1 when there is none and `found` is unchanged
 */
export function findCookie(
  bytes: Uint8Array,
  from: number,
  end: number,
  name: Uint8Array,
  found: CookieValue,
): number {
  let start = from;
  while (start < end) {
    const stop = pieceEnd(bytes, start, end);
    const equals = equalsOf(bytes, start, stop, name);
    if (equals >= 0) {
      found.start = skipBlanks(bytes, equals + 1, stop);
      found.end = trimBlanks(bytes, found.start, stop);
      return stop + 1;
    }
    start = stop + 1;
  }
  return -1;
}

/**
 * Writes the field value `bytes[start..end)` to `out` at `at` without any cookie called `name`: each of them
 * goes with one semicolon, and with the blanks that would then begin the value. A field without such a
 * cookie needs no call.
 * @param out with room for as many octets as the value has
 * @returns how many octets were written; 0 when no cookie is left, and the field has to go
 */
export function stripCookie(
  bytes: Uint8Array,
  start: number,
  end: number,
  name: Uint8Array,
  out: Uint8Array,
  at: number,
): number {
  let written = at;
  let piece = start;
  let isFirst = true;
  let hasCookie = false;
  while (piece <= end) {
    const stop = pieceEnd(bytes, piece, end);
    if (equalsOf(bytes, piece, stop, name) < 0) {
      const from = isFirst && piece > start ? skipBlanks(bytes, piece, stop) : piece;
      if (!isFirst) out[written++] = SEMICOLON;
      for (let index = from; index < stop; index++) out[written++] = bytes[index]!;
      isFirst = false;
      hasCookie ||= skipBlanks(bytes, piece, stop) < stop;
    }
    piece = stop + 1;
  }
  return hasCookie ? written - at : 0;
}

const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const SPACE = 0x20;
const TAB = 0x09;

function pieceEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== SEMICOLON) at++;
  return at;
}

/** Where the equals sign stands if the piece is a cookie of this name, else -1. */
function equalsOf(bytes: Uint8Array, start: number, stop: number, name: Uint8Array): number {
  let at = skipBlanks(bytes, start, stop);
  for (let index = 0; index < name.length; index++, at++) {
    if (at >= stop || bytes[at] !== name[index]) return -1;
  }
  at = skipBlanks(bytes, at, stop);
  return at < stop && bytes[at] === EQUALS ? at : -1;
}

function skipBlanks(bytes: Uint8Array, start: number, stop: number): number {
  let at = start;
  while (at < stop && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
  return at;
}

function trimBlanks(bytes: Uint8Array, start: number, stop: number): number {
  let at = stop;
  while (at > start && (bytes[at - 1] === SPACE || bytes[at - 1] === TAB)) at--;
  return at;
}
