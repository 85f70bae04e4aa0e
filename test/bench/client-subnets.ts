/**
 * Draws of client subnets whose place is known, no two of them the same: four IPv4 /24 and one IPv6 /56. IPv4: each
 * subnet of the known space is as likely as any other. IPv6 space is too empty for that: each network of the database
 * is as likely as any other, and in it each of its subnets.
 */
import { type GeoDatabase, locate } from '../../src/geo/database.ts';
import { addressFromUint32, addressFromWords, isPrivate } from '../../src/ip/address.ts';
import { COOKIE_BYTES, DRAW_BYTES, type Draws, type Form } from './drawn-queries.ts';
import { encodeQuery } from './query-bytes.ts';

/** One in so many is IPv6. */
const IPV6_EVERY = 5;
/** Code, length, family, source and scope of a client subnet option (RFC 7871 section 6). */
const SUBNET_HEAD_BYTES = 8;
const TWO_24 = 2 ** 24;
const TWO_32 = 2 ** 32;
const FORMS = [
  { ip: '192.0.2.0', bits: 24 },
  { ip: '2001:db8::', bits: 56 },
] as const;

/**
 * @param name what they ask for
 * @param random whole numbers of 32 bits
 */
export function drawSubnets(
  geo: GeoDatabase,
  name: string,
  count: number,
  random: () => number,
): Draws {
  const bytes = new Uint8Array(count * DRAW_BYTES);
  const [next4, next6] = [createIpv4(geo, random), createIpv6(geo, random)];
  for (let index = 0; index < count; index += 1) {
    const at = index * DRAW_BYTES;
    const isSix = index % IPV6_EVERY === 0;
    bytes[at] = isSix ? 1 : 0;
    bytes.set(isSix ? next6() : next4(), at + 1);
  }
  return { bytes, forms: FORMS.map((form) => formOf(name, form)) };
}

/** The same queries, each with a client cookie too: what a resolver sends to a server that it does not know yet. */
export function withCookies(name: string, { bytes }: Draws): Draws {
  return { bytes, forms: FORMS.map((form) => formOf(name, form, true)) };
}

/** The subnet's octets are the last of the message, those of a cookie stand before its option. */
function formOf(name: string, { bits, ip }: (typeof FORMS)[number], hasCookie = false): Form {
  const subnet = { code: 8, type: 'CLIENT_SUBNET', sourcePrefixLength: bits, ip } as const;
  const cookie = { code: 10, data: Buffer.alloc(COOKIE_BYTES) };
  const query = encodeQuery(name, 'A', hasCookie ? [cookie, subnet] : [subnet]);
  const fillAt = query.length - bits / 8;
  const cookieAt = fillAt - SUBNET_HEAD_BYTES - COOKIE_BYTES;
  return { query, fillAt, fillBytes: bits / 8, freshAt: 0, ...(hasCookie && { cookieAt }) };
}

/** The first 24 bits of so many IPv4 subnets. */
export function drawIpv4(geo: GeoDatabase, count: number, random: () => number): Uint32Array {
  const next = createIpv4(geo, random);
  return Uint32Array.from({ length: count }, () => {
    const [first, second, third] = next() as Uint8Array & [number, number, number];
    return first * 2 ** 16 + second * 2 ** 8 + third;
  });
}

function createIpv4(geo: GeoDatabase, random: () => number): () => Uint8Array {
  const isTaken = new Uint8Array(TWO_24);
  return () => {
    for (;;) {
      const subnet = random() >>> 8;
      if (isTaken[subnet] === 1) continue;
      const address = addressFromUint32(subnet * 256);
      if (isPrivate(address) || locate(geo, address) === undefined) continue;
      isTaken[subnet] = 1;
      return address.bytes.subarray(0, 3);
    }
  };
}

function createIpv6(geo: GeoDatabase, random: () => number): () => Uint8Array {
  const { starts6, values6 } = geo.ranges;
  /** Which /56 a range begins in, as two numbers, for together they are no exact one. */
  const placeOf = (range: number) => [starts6[4 * range]!, starts6[4 * range + 1]! >>> 8] as const;
  const taken = new Set<number>();
  return () => {
    for (;;) {
      const range = random() % (values6.length - 1);
      if (values6[range] === 0) continue;
      const [[high, low], [endHigh, endLow]] = [placeOf(range), placeOf(range + 1)];
      const size = Math.max(1, (endHigh - high) * TWO_24 + endLow - low);
      const sum = low + Math.floor((random() / TWO_32) * size);
      const words = [high + Math.floor(sum / TWO_24), (sum % TWO_24) * 256] as const;
      // All that is given out begins with the same three bits (2000::/3): the others are an exact number.
      const key = (words[0] & 0x1fffffff) * TWO_24 + words[1] / 256;
      if (taken.has(key)) continue;
      const address = addressFromWords(Uint32Array.of(...words, 0, 0));
      if (isPrivate(address) || locate(geo, address) === undefined) continue;
      taken.add(key);
      return address.bytes.subarray(0, 7);
    }
  };
}
