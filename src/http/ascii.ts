/**
 * Protocol text as bytes: character classes as tables, comparison without case, and the few
 * conversions to strings. HTTP heads are ASCII with opaque octets in values, so strings made here
 * map one octet to one UTF-16 unit (never UTF-8) and go back unchanged.
 */

export const SPACE = 0x20;
export const TAB = 0x09;
const DELETE = 0x7f;
export const CR = 0x0d;
export const LF = 0x0a;
export const COLON = 0x3a;
export const COMMA = 0x2c;

/** The octets of `bytes[start..end)` as a string, one UTF-16 unit an octet. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at]!);
  return text;
}

/** The inverse of `textOf`; units above 255 become `?`. */
export function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    bytes[at] = unit > 0xff ? 0x3f : unit;
  }
  return bytes;
}

/** Whether `bytes[start..end)` is `lower` without regard to case; `lower` must be lower-case ASCII. */
export function equalsIgnoringCase(
  bytes: Uint8Array,
  start: number,
  end: number,
  lower: Uint8Array,
): boolean {
  if (end - start !== lower.length) return false;
  for (let at = 0; at < lower.length; at++) {
    if (LOWER[bytes[start + at]!] !== lower[at]) return false;
  }
  return true;
}

/** Whether two ranges of the same buffer are equal without regard to ASCII case. */
export function rangesEqualIgnoringCase(
  bytes: Uint8Array,
  startA: number,
  endA: number,
  startB: number,
  endB: number,
): boolean {
  const length = endA - startA;
  if (length !== endB - startB) return false;
  for (let at = 0; at < length; at++) {
    if (LOWER[bytes[startA + at]!] !== LOWER[bytes[startB + at]!]) return false;
  }
  return true;
}

export const isBlank = (octet: number | undefined): boolean => octet === SPACE || octet === TAB;
export const isDigit = (octet: number | undefined): boolean =>
  octet !== undefined && octet >= 0x30 && octet <= 0x39;

/** The value of a hexadecimal digit, or -1. */
export function hexValue(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const lower = octet | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Lower-cases ASCII letters and leaves every other octet alone. */
export const LOWER: Uint8Array = table((octet) =>
  octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet,
);

/** tchar, RFC 9110 section 5.6.2. */
export const TOKEN: Uint8Array = classOf(
  "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
);

/** Octets of a field value: visible ASCII, blank, obs-text; no control octet (RFC 9110 section 5.5). */
export const VALUE: Uint8Array = table((octet) =>
  octet === TAB || (octet >= SPACE && octet !== DELETE) ? 1 : 0,
);

/** Where a run of such octets ends; comparing takes half the time of the table. */
export function endOfValue(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    const octet = bytes[at]!;
    if (octet < SPACE ? octet !== TAB : octet === DELETE) return at;
  }
  return end;
}

/** Visible ASCII, what a request target may be made of. */
export const VISIBLE: Uint8Array = table((octet) => (octet > SPACE && octet < 0x7f ? 1 : 0));

/** Octets of a host name; deliberately narrower than RFC 3986: no comma, no sub-delims, no `%`. */
export const HOST: Uint8Array = classOf(
  '-._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ',
);

function classOf(members: string): Uint8Array {
  return table((octet) => (members.includes(String.fromCharCode(octet)) ? 1 : 0));
}

function table(value: (octet: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, octet) => value(octet));
}
