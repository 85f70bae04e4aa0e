import {
  type Address,
  addressFromUint32,
  addressFromWords,
  addressToUint32,
  bytesToInt32,
  isMapped,
} from '../ip/address.ts';
import type { Prefix } from '../ip/prefix.ts';
import type { RangesBuilder } from '../ip/ranges.ts';

/**
 * Client networks as numbers, for tables of a million of them: an IPv4 /24 or an IPv6 /48, which is as much of a
 * client as ever leaves a node. IPv4 networks are below 2^24; IPv6 ones are their first 48 bits above that.
 */
export const NETWORK_BITS_4 = 24;
export const NETWORK_BITS_6 = 48;
const FIRST_IPV6 = 2 ** 24;
/** 127.0.0.0/24, 169.254.0.0/16, fe80::/10. */
const LOOPBACK_4 = 0x7f0000;
const LINK_LOCAL_4 = 0xa9fe;
const LINK_LOCAL_6 = 0xfe800000;
/** Above every key: 2^24 IPv4 networks and 2^48 IPv6 ones. */
export const KEY_LIMIT = FIRST_IPV6 + 2 ** 48;

/**
 * The network of an address; -1 when every machine or link has the same one, so that it tells nothing. Networks of a
 * private company are networks like others: nobody else's clients come from them.
 */
export function networkKey(address: Address): number {
  const { bytes, family } = address;
  if (family === 4) return key4(addressToUint32(address));
  if (isMapped(bytes)) return key4(bytesToInt32(bytes, 12) >>> 0);
  const first = bytesToInt32(bytes, 0) >>> 0;
  if (first >>> 16 === 0 || (first & 0xffc00000) >>> 0 === LINK_LOCAL_6) return -1;
  return FIRST_IPV6 + first * 2 ** 16 + (bytesToInt32(bytes, 4) >>> 16);
}

/** Of loopback only the network that programs of a machine talk over by themselves: a rehearsal uses the others. */
function key4(value: number): number {
  const network = value >>> 8;
  const isEverywhere =
    value >>> 24 === 0 || network === LOOPBACK_4 || value >>> 16 === LINK_LOCAL_4;
  return isEverywhere ? -1 : network;
}

export function networkOfKey(key: number): Prefix {
  if (key < FIRST_IPV6) return { address: addressFromUint32(key * 256), length: NETWORK_BITS_4 };
  const bits = key - FIRST_IPV6;
  const first = Math.floor(bits / 2 ** 16);
  const words = Uint32Array.of(first, (bits % 2 ** 16) * 2 ** 16, 0, 0);
  return { address: addressFromWords(words), length: NETWORK_BITS_6 };
}

/** Networks whose keys follow each other: those of a prefix, or the one that a longer prefix lies in. */
export type NetworkSpan = { readonly first: number; readonly count: number };

/** Undefined when every machine or link has the first of them. */
export function networksOf({ address, length }: Prefix): NetworkSpan | undefined {
  const first = networkKey(address);
  const bits = address.family === 4 ? NETWORK_BITS_4 : NETWORK_BITS_6;
  return first < 0 ? undefined : { first, count: 2 ** Math.max(0, bits - length) };
}

/** Has a value begin at an address. */
export function beginAt(builder: RangesBuilder, address: Address | undefined, value: number): void {
  if (address === undefined) return;
  if (address.family === 4) builder.add4(addressToUint32(address), value);
  else {
    const [first, second, third, fourth] = [0, 4, 8, 12].map(
      (at) => bytesToInt32(address.bytes, at) >>> 0,
    );
    builder.add6(first!, second!, third!, fourth!, value);
  }
}

/** Networks whose clients are mostly near each other: an IPv4 /16, an IPv6 /32. Their keys are apart from others. */
export function blockKey(network: number): number {
  if (network < FIRST_IPV6) return Math.floor(network / BLOCK_4) + KEY_LIMIT;
  return KEY_LIMIT + BLOCK_4_COUNT + Math.floor((network - FIRST_IPV6) / BLOCK_6);
}

export const isBlock = (key: number): boolean => key >= KEY_LIMIT;

/** The network of a block. */
export function networkOfBlock(key: number): Prefix {
  const block = key - KEY_LIMIT;
  if (block < BLOCK_4_COUNT) return { address: addressFromUint32(block * 2 ** 16), length: 16 };
  const words = Uint32Array.of(block - BLOCK_4_COUNT, 0, 0, 0);
  return { address: addressFromWords(words), length: 32 };
}

/** /24s of a /16, /16s of the address space, /48s of a /32. */
const BLOCK_4 = 2 ** 8;
const BLOCK_4_COUNT = 2 ** 16;
const BLOCK_6 = 2 ** 16;

/** Sites (network-sites.ts) as numbers among those of networks, apart from all of them. */
const FIRST_SITE = 2 ** 50;
export const siteKey = (site: number): number => FIRST_SITE + site;
export const isSite = (key: number): boolean => key >= FIRST_SITE;
export const siteOfKey = (key: number): number => key - FIRST_SITE;

/** Of the IPv4 networks that hold addresses from the first to the last. */
export function spanOf4(first: number, last: number): NetworkSpan {
  const network = Math.floor(first / 256);
  return { first: network, count: Math.floor(last / 256) - network + 1 };
}

/** Of an IPv6 address by its first two words. */
export const networkOf6 = (first: number, second: number): number =>
  FIRST_IPV6 + first * 2 ** 16 + (second >>> 16);

/** The network that a key stands for, whichever it is, but for sites. */
export const prefixOfKey = (key: number): Prefix =>
  isBlock(key) ? networkOfBlock(key) : networkOfKey(key);
