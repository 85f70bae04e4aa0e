/**
 * Looks ahead at the queries of a batch: the client subnets that most of them end with are what is looked up next, in
 * tables too large for a processor's near caches (ip/prefix-prefetch.ts). It guesses: an option that looks like one
 * from a resolver, and the map that was asked last. A wrong guess costs a few reads and changes nothing.
 */
import { OPTION_CLIENT_SUBNET } from '../dns/constants.ts';
import { ECS_FAMILY_IPV4, ECS_FAMILY_IPV6, ECS_FIXED_LENGTH } from '../dns/ecs.ts';
import { OPTION_HEAD_LENGTH } from '../dns/edns.ts';
import type { PacketMemory } from '../dns/packet-memory.ts';
import { bytesToInt32 } from '../ip/address.ts';
import { type AddressBatch, createAddressBatch, prefetch } from '../ip/prefix-prefetch.ts';
import type { Place } from './place.ts';

/** One per worker. */
export type Foresight = {
  readonly addresses: AddressBatch;
  /** Of what prefetch() returned. */
  idle: number;
  /** Batches that are not looked at. */
  rest: number;
};

/** Octets of a client subnet: a /24, and a /56 or a /48. */
const OCTETS_24 = 3;
const OCTETS_56 = 7;
const OCTETS_48 = 6;
/** So many batches are left out after one without any client subnet: who asks without one mostly goes on so. */
const REST = 15;
/** Header, question and OPT are longer. */
const LENGTH_MIN = 40;

/** @param max queries of a batch */
export function createForesight(max: number): Foresight {
  return { addresses: createAddressBatch(max), idle: 0, rest: 0 };
}

/**
 * Asks for what the queries of a batch are going to need.
 * @param first where the first of them begins, octets from the memory's start; the others follow at `stride`
 * @param lengths octets of each; -1 = there is none
 */
export function foresee(
  foresight: Foresight,
  { table }: Place,
  { bytes }: PacketMemory,
  first: number,
  stride: number,
  lengths: Int32Array,
  count: number,
): void {
  if (table === undefined) return;
  if (foresight.rest > 0) {
    foresight.rest -= 1;
    return;
  }
  const { addresses } = foresight;
  addresses.count4 = 0;
  addresses.count6 = 0;
  for (let index = 0; index < count; index += 1) {
    const length = lengths[index]!;
    if (length >= LENGTH_MIN) addSubnet(addresses, bytes, first + index * stride + length);
  }
  if (addresses.count4 + addresses.count6 === 0) foresight.rest = REST;
  else foresight.idle ^= prefetch(table, addresses);
}

function addSubnet(addresses: AddressBatch, bytes: Uint8Array, end: number): void {
  if (endsWithSubnet(bytes, end, ECS_FAMILY_IPV4, OCTETS_24)) {
    addresses.words4[addresses.count4] = upperWord(bytes, end - OCTETS_24);
    addresses.count4 += 1;
  } else if (endsWithSubnet(bytes, end, ECS_FAMILY_IPV6, OCTETS_56)) {
    addIpv6(addresses, bytes, end - OCTETS_56);
  } else if (endsWithSubnet(bytes, end, ECS_FAMILY_IPV6, OCTETS_48)) {
    addIpv6(addresses, bytes, end - OCTETS_48);
  }
}

function addIpv6(addresses: AddressBatch, bytes: Uint8Array, start: number): void {
  const at = 2 * addresses.count6;
  addresses.words6[at] = bytesToInt32(bytes, start);
  addresses.words6[at + 1] = upperWord(bytes, start + 4);
  addresses.count6 += 1;
}

function endsWithSubnet(bytes: Uint8Array, end: number, family: number, octets: number): boolean {
  const value = end - octets - ECS_FIXED_LENGTH;
  const option = value - OPTION_HEAD_LENGTH;
  return (
    bytes[option + 1] === OPTION_CLIENT_SUBNET &&
    bytes[option + 3] === ECS_FIXED_LENGTH + octets &&
    bytes[value + 1] === family
  );
}

/** What of a word look-ups begin with. */
const upperWord = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! << 24) | (bytes[at + 1]! << 16);
