/**
 * The plain forms of addresses, read from octets into octets. What they refuse may still be an address: mixed
 * notation is for address.ts.
 */
const [DOT, ZERO, NINE, COLON] = [46, 48, 57, 58];

/** Four decimal numbers without leading zeros, from `start` to `end`; false = it is something else. */
export function scanIpv4(bytes: Uint8Array, start: number, end: number, into: Uint8Array): boolean {
  let [value, digits, octets] = [0, 0, 0];
  for (let at = start; at <= end; at += 1) {
    const octet = at === end ? DOT : bytes[at]!;
    if (octet === DOT) {
      if (digits === 0 || octets === 4) return false;
      into[octets] = value;
      octets += 1;
      value = 0;
      digits = 0;
      continue;
    }
    const digit = octet - ZERO;
    if (digit < 0 || digit > 9 || (digits > 0 && value === 0)) return false;
    value = value * 10 + digit;
    digits += 1;
    if (value > 255) return false;
  }
  return octets === 4;
}

/** Groups of hexadecimal digits with one `::` at most; false = it is something else. */
export function scanIpv6(bytes: Uint8Array, start: number, end: number, into: Uint8Array): boolean {
  let at = start;
  let gap = -1;
  let length = 0;
  if (bytes[at] === COLON && bytes[at + 1] === COLON) {
    gap = 0;
    at += 2;
  }
  while (at < end) {
    let [value, digits] = [0, 0];
    for (; at < end && bytes[at] !== COLON; at += 1) {
      const digit = hexDigit(bytes[at]!);
      if (digit < 0 || digits === 4) return false;
      value = value * 16 + digit;
      digits += 1;
    }
    if (digits === 0 || length === 16) return false;
    into[length] = value >> 8;
    into[length + 1] = value;
    length += 2;
    if (at === end) break;
    at += 1;
    if (at === end) return false;
    if (bytes[at] !== COLON) continue;
    if (gap >= 0) return false;
    gap = length;
    at += 1;
  }
  if (gap < 0) return length === 16;
  if (length > 14) return false;
  into.copyWithin(16 - (length - gap), gap, length);
  into.fill(0, gap, 16 - (length - gap));
  return true;
}

function hexDigit(octet: number): number {
  if (octet >= ZERO && octet <= NINE) return octet - ZERO;
  const letter = (octet | 0x20) - 0x61;
  return letter >= 0 && letter < 6 ? letter + 10 : -1;
}
