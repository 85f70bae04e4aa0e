/**
 * A zone with many static names, and queries as a zone like that gets them: few names are asked for often and many
 * hardly ever, some do not exist, and some have no address of the family that is asked for.
 */
import { DRAW_BYTES, type Draws, type Form, FRESH_LETTERS } from './drawn-queries.ts';
import { encodeQuery } from './query-bytes.ts';
import { createZipf } from './zipf.ts';

export const NAMES_ZONE = 'names.example';
export const NAMES = 100_000;
/** Of the queries, those for names that do not exist (NXDOMAIN), and for an address that a name has not (NODATA). */
export const MISSING_SHARE = 0.1;
export const EMPTY_SHARE = 0.05;

const DIGITS = 5;
const EXPONENT = 1;
/** Odd and no multiple of 5: ranks are spread over the names, and each rank has a name of its own. */
const SPREAD = 61_803;
/** Octets of the header, and of the length and first letter of the first label. */
const LETTERS_AT = 12 + 2;
const DRAWS = 1 << 20;

const labelOf = (name: number): string => `n${String(name).padStart(DIGITS, '0')}`;
/** Each name's address is its own: who answers with another's is found out. */
const addressOf = (name: number): string => `10.${name >> 16}.${(name >> 8) & 0xff}.${name & 0xff}`;

/** The zone as a master file. */
export function namesZone(ttlSeconds: number): string {
  const hosts = Array.from({ length: NAMES }, (_, name) => `${labelOf(name)} A ${addressOf(name)}`);
  return `$TTL ${ttlSeconds}
@ 60 SOA ns1 hostmaster 1 3600 600 1209600 60
@ NS ns1
@ NS ns2
ns1 A 192.0.2.53
ns2 A 198.51.100.53
${hosts.join('\n')}
`;
}

/** @param random whole numbers of 32 bits */
export function drawNames(random: () => number): Draws {
  const [there, empty, missing] = [0, 1, 2];
  const rank = createZipf(NAMES, EXPONENT, random);
  const bytes = new Uint8Array(DRAWS * DRAW_BYTES);
  for (let index = 0; index < DRAWS; index += 1) {
    const share = random() / 2 ** 32;
    const at = index * DRAW_BYTES;
    bytes[at] =
      share < MISSING_SHARE ? missing : share < MISSING_SHARE + EMPTY_SHARE ? empty : there;
    if (bytes[at] === missing) continue;
    const digits = labelOf((rank() * SPREAD) % NAMES).slice(1);
    for (let digit = 0; digit < DIGITS; digit += 1)
      bytes[at + 1 + digit] = digits.charCodeAt(digit);
  }
  return { bytes, forms: forms() };
}

function forms(): readonly Form[] {
  const [known, fresh] = [
    `${labelOf(0)}.${NAMES_ZONE}`,
    `x${'0'.repeat(FRESH_LETTERS)}.${NAMES_ZONE}`,
  ];
  const name = { fillAt: LETTERS_AT, fillBytes: DIGITS, freshAt: 0 };
  return [
    { ...name, query: encodeQuery(known, 'A', []) },
    { ...name, query: encodeQuery(known, 'AAAA', []) },
    { query: encodeQuery(fresh, 'A', []), fillAt: 0, fillBytes: 0, freshAt: LETTERS_AT },
  ];
}
