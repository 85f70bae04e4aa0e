/**
 * Millions of queries as a few forms and what is filled into them: eight octets for each query, which are read one
 * after the other, where whole queries would be ten times as many.
 */

/** A query in which some octets are others each time. */
export type Form = {
  readonly query: Uint8Array;
  /** Where octets of the draw go, and how many. */
  readonly fillAt: number;
  readonly fillBytes: number;
  /** Where FRESH_LETTERS letters go that no other query has; 0 = nowhere. */
  readonly freshAt: number;
  /** Where a client cookie of COOKIE_BYTES goes, another one each time; nowhere unless said. */
  readonly cookieAt?: number;
};

export type Draws = {
  readonly forms: readonly Form[];
  /** DRAW_BYTES for each query: which form, and what is filled in. */
  readonly bytes: Uint8Array;
};

export const DRAW_BYTES = 8;
export const FILL_BYTES_MAX = DRAW_BYTES - 1;
export const FRESH_LETTERS = 7;
/** Of a client cookie (RFC 7873 section 4). */
export const COOKIE_BYTES = 8;
/** Base 32 (RFC 4648 section 7) in small letters. */
const LETTERS = Buffer.from('0123456789abcdefghijklmnopqrstuv');

/**
 * Fills the draw at `index` into its form, which stands at `at` of the bytes.
 * @param serial another one each time, a whole number of 32 bits, for a form with fresh letters or a cookie
 */
export function fillIn(
  bytes: Uint8Array,
  at: number,
  { cookieAt = 0, fillAt, fillBytes, freshAt }: Form,
  draws: Uint8Array,
  index: number,
  serial: number,
): void {
  const from = index * DRAW_BYTES + 1;
  const to = at + fillAt;
  for (let octet = 0; octet < fillBytes; octet += 1) bytes[to + octet] = draws[from + octet]!;
  if (cookieAt !== 0) fillCookie(bytes, at + cookieAt, serial);
  if (freshAt === 0) return;
  // By an odd number: each serial gets other letters, and neighbours get letters that are not alike.
  let rest = Math.imul(serial, 0x9e3779b1);
  for (let letter = 0; letter < FRESH_LETTERS; letter += 1) {
    bytes[at + freshAt + letter] = LETTERS[rest & 31]!;
    rest >>>= 5;
  }
}

/** No server keeps anything of a client cookie: another one each time costs what one for each client does. */
function fillCookie(bytes: Uint8Array, at: number, serial: number): void {
  let word = Math.imul(serial, 0x9e3779b1);
  for (let octet = 0; octet < COOKIE_BYTES; octet += 1) {
    bytes[at + octet] = word >>> (8 * (octet & 3));
    if (octet === 3) word = Math.imul(word ^ (word >>> 15), 0x85ebca6b);
  }
}

/** The first of them as whole queries; their fresh letters are those of the serials from 0 on. */
export function firstQueries({ bytes, forms }: Draws, count: number): readonly Uint8Array[] {
  const length = Math.min(count, bytes.length / DRAW_BYTES);
  return Array.from({ length }, (_, index) => {
    const form = forms[bytes[index * DRAW_BYTES]!]!;
    const query = Uint8Array.from(form.query);
    fillIn(query, 0, form, bytes, index, index);
    return query;
  });
}
