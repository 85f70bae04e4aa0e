import { COOKIE_CLIENT_LENGTH } from './message.ts';
import { sipHash } from './siphash.ts';

/**
 * Server cookies as all implementations make them (RFC 9018 4): who sends one back can receive at the
 * address that it was made for. One is made of the client's cookie and address, a time and a secret, so
 * that the server remembers nothing, and any node that has the secret knows what another one made.
 *
 *   version 1 | 3 octets 0 | seconds since 1970, 4 octets | SipHash-2-4, 8 octets
 */
export const COOKIE_SERVER_LENGTH = 16;
/** Octets of a secret: the key of SipHash. */
export const COOKIE_SECRET_LENGTH = 16;

/** The secret that cookies are made with, and those that are still good beside it (RFC 9018 5). */
export type CookieSecrets = {
  readonly current: Uint8Array;
  readonly others: readonly Uint8Array[];
};

/** Older ones are not valid (RFC 9018 4.3: "1 hour"). */
const AGE_SECONDS_MAX = 3600;
/** Clocks of other nodes may be ahead ("5 minutes"). */
const AHEAD_SECONDS_MAX = 300;
/** From this age on a client gets a new one ("half an hour"). */
const RENEW_SECONDS = 1800;

const VERSION = 1;

/** What a query's cookie says. */
export type CookieWord =
  | typeof COOKIE_ABSENT
  | typeof COOKIE_BAD
  | typeof COOKIE_GOOD
  | typeof COOKIE_OLD;
/** No server cookie, or none at all. */
export const COOKIE_ABSENT = 0;
/** A server cookie that nobody made here lately for this client. */
export const COOKIE_BAD = 1;
export const COOKIE_GOOD = 2;
/** Good, and to be renewed. */
export const COOKIE_OLD = 3;

/** Client cookie, version, reserved, time and the longest address. */
const material = new Uint8Array(COOKIE_CLIENT_LENGTH + 8 + 16);
const expected = new Uint8Array(8);

/**
 * Judges the COOKIE option at `offset` of `bytes`, sent from `address` (`addressLength` octets).
 * @param nowSeconds since 1970
 */
export function checkCookie(
  bytes: Uint8Array,
  offset: number,
  length: number,
  secrets: CookieSecrets,
  address: Uint8Array,
  addressLength: number,
  nowSeconds: number,
): CookieWord {
  if (length === COOKIE_CLIENT_LENGTH) return COOKIE_ABSENT;
  const at = offset + COOKIE_CLIENT_LENGTH;
  if (length !== COOKIE_CLIENT_LENGTH + COOKIE_SERVER_LENGTH) return COOKIE_BAD;
  if (bytes[at] !== VERSION) return COOKIE_BAD;
  // Times are serial numbers of 32 bits (RFC 9018 4.3, RFC 1982).
  const age = (nowSeconds - readTime(bytes, at + 4)) | 0;
  if (age > AGE_SECONDS_MAX || age < -AHEAD_SECONDS_MAX) return COOKIE_BAD;
  for (let index = 0; index < 16; index += 1) material[index] = bytes[offset + index]!;
  const end = addAddress(address, addressLength);
  let isGood = hashes(secrets.current, end, bytes, at + 8);
  let isCurrent = isGood;
  for (let index = 0; index < secrets.others.length && !isGood; index += 1) {
    isGood = hashes(secrets.others[index]!, end, bytes, at + 8);
    isCurrent = false;
  }
  if (!isGood) return COOKIE_BAD;
  return isCurrent && age < RENEW_SECONDS ? COOKIE_GOOD : COOKIE_OLD;
}

/** Writes the server cookie for the client cookie at `offset` of `bytes` into `out` at `at`. */
export function writeServerCookie(
  out: Uint8Array,
  at: number,
  bytes: Uint8Array,
  offset: number,
  secret: Uint8Array,
  address: Uint8Array,
  addressLength: number,
  nowSeconds: number,
): void {
  for (let index = 0; index < COOKIE_CLIENT_LENGTH; index += 1) {
    material[index] = bytes[offset + index]!;
  }
  material[8] = VERSION;
  material[9] = 0;
  material[10] = 0;
  material[11] = 0;
  material[12] = nowSeconds >>> 24;
  material[13] = nowSeconds >>> 16;
  material[14] = nowSeconds >>> 8;
  material[15] = nowSeconds;
  const end = addAddress(address, addressLength);
  for (let index = 0; index < 8; index += 1) out[at + index] = material[8 + index]!;
  sipHash(secret, material, 0, end, out, at + 8);
}

function addAddress(address: Uint8Array, length: number): number {
  for (let index = 0; index < length; index += 1) material[16 + index] = address[index]!;
  return 16 + length;
}

/** Compares all octets, however early they differ. */
function hashes(secret: Uint8Array, end: number, bytes: Uint8Array, at: number): boolean {
  sipHash(secret, material, 0, end, expected, 0);
  let difference = 0;
  for (let index = 0; index < 8; index += 1) difference |= expected[index]! ^ bytes[at + index]!;
  return difference === 0;
}

function readTime(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
