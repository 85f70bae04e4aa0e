import { COMMA, isBlank } from './ascii.ts';

/**
 * Whether a value of Via names this receiver (RFC 9110 section 7.6.3), octet for octet, as each writes
 * itself: a part of another's name and what a comment says are nobody. Read where it lies, without strings.
 */
export function viaNames(bytes: Uint8Array, start: number, end: number, name: string): boolean {
  let hasComments = true;
  let at = start;
  while (at < end) {
    if (bytes[at] === COMMA || isBlank(bytes[at])) {
      at++;
      continue;
    }
    const receiver = afterBlanks(bytes, endOfWord(bytes, at, end), end);
    at = endOfWord(bytes, receiver, end);
    if (isName(bytes, receiver, at, name)) return true;
    const memberEnd: number = hasComments ? endOfMember(bytes, at, end) : -1;
    // A comment that nothing closes is none: it must not hide who comes after it.
    hasComments = memberEnd >= 0;
    if (hasComments) at = memberEnd;
    else while (at < end && bytes[at] !== COMMA) at++;
  }
  return false;
}

/** Where the member's comma is, or the value ends; -1 when a comment is not closed. */
function endOfMember(bytes: Uint8Array, start: number, end: number): number {
  let depth = 0;
  for (let at = start; at < end; at++) {
    const octet = bytes[at];
    if (octet === OPENING) depth++;
    else if (depth === 0) {
      if (octet === COMMA) return at;
    } else if (octet === CLOSING) depth--;
    else if (octet === BACKSLASH) at++;
  }
  return depth === 0 ? end : -1;
}

function endOfWord(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && !isBlank(bytes[at]) && bytes[at] !== COMMA && bytes[at] !== OPENING) at++;
  return at;
}

function afterBlanks(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && isBlank(bytes[at])) at++;
  return at;
}

function isName(bytes: Uint8Array, start: number, end: number, name: string): boolean {
  if (end - start !== name.length) return false;
  for (let at = 0; at < name.length; at++) {
    if (bytes[start + at] !== name.charCodeAt(at)) return false;
  }
  return true;
}

const OPENING = 0x28;
const CLOSING = 0x29;
const BACKSLASH = 0x5c;
