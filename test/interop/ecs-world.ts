import { type Address, formatAddress } from '../../src/ip/address.ts';
import {
  containsAddress,
  formatPrefix,
  networkOf,
  type Prefix,
  parsePrefix,
} from '../../src/ip/prefix.ts';
import { toAddress, toBigInt } from '../ip/range-oracle.ts';
import type { Region } from './world-node.ts';

/**
 * Client networks for the judge of resolver caches: networks in networks in networks, whose clients belong
 * to other regions each time and come back to the first, as deep as the address is long. Everybody is
 * somewhere: all of both address spaces is placed.
 */
export type EcsWorld = {
  readonly placed: readonly Placed[];
  /** Both sides of both ends of every network, and addresses in the middle, in no order. */
  readonly clients: readonly Address[];
};
export type Placed = { readonly prefix: Prefix; readonly region: Region };

const REGIONS: readonly Region[] = ['virginia', 'frankfurt', 'singapore'];
/** How many chains of networks there are by default. */
const CHAINS = { 4: 24, 6: 16 } as const;
/** Prefix lengths of a chain are drawn from these; the first is always one. */
const LENGTHS = {
  4: [8, 10, 12, 15, 16, 19, 20, 22, 23, 24, 25, 27, 28, 31, 32],
  6: [20, 24, 29, 32, 36, 40, 44, 47, 48, 52, 56, 57, 60, 64, 96, 127, 128],
} as const;
const STEPS_MAX = 6;
/** Everybody else's. */
const SPACE: readonly Placed[] = ['0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1'].map((text) => ({
  prefix: parsePrefix(text)!,
  region: 'frankfurt',
}));
const SPACE_LENGTH = 1;
/** These are of no place: their resolver's decides. */
const PRIVATE = ['10.1.2.3/32', '192.168.0.1/32', '172.31.255.255/32', 'fd00::1/128'];

export function createEcsWorld(
  random: () => number,
  chains: Readonly<Record<4 | 6, number>> = CHAINS,
): EcsWorld {
  const below = belowOf(random);
  const drawn = [...SPACE];
  for (const family of [4, 6] as const) {
    for (let chain = 0; chain < chains[family]; chain++) drawn.push(...chainOf(family, below));
  }
  const placed = distinct(drawn, ({ prefix }) => formatPrefix(prefix));
  const clients = clientsOf(
    placed.map(({ prefix }) => prefix),
    random,
  );
  return { placed, clients };
}

/** Both sides of both ends of networks, members of each, and private clients. */
export function clientsOf(networks: readonly Prefix[], random: () => number): readonly Address[] {
  const below = belowOf(random);
  const inside = networks.flatMap((prefix) =>
    [prefix, prefix, prefix].map((each) => memberOf(each, below)),
  );
  const ends = networks.flatMap(endsOf);
  const others = PRIVATE.map((text) => parsePrefix(text)!.address);
  return distinct([...ends, ...inside, ...others], formatAddress);
}

/** Networks at, in and around some of these: what policies tell clients apart by need not be what places do. */
export function networksAround(
  placed: readonly Placed[],
  count: number,
  random: () => number,
): readonly Prefix[] {
  const below = belowOf(random);
  const narrow = placed.filter(({ prefix }) => prefix.length > SPACE_LENGTH);
  const drawn = Array.from({ length: count }, () => {
    const { prefix } = narrow[below(narrow.length)]!;
    const length = prefix.length + below(2 * SHIFT_MAX + 1) - SHIFT_MAX;
    const bits = bitsOf(prefix);
    return networkOf(memberOf(prefix, below), Math.max(SPACE_LENGTH, Math.min(bits, length)));
  });
  return distinct(drawn, formatPrefix);
}
/** Bits that they are longer or shorter. */
const SHIFT_MAX = 3;

const belowOf =
  (random: () => number) =>
  (limit: number): number =>
    Math.floor(random() * limit);

/** Each network is in the one before, at one of its ends or somewhere. */
function chainOf(family: 4 | 6, below: (limit: number) => number): Placed[] {
  const bits = family === 4 ? 32 : 128;
  const [first, ...more] = LENGTHS[family];
  const drawn = new Set([
    first,
    ...Array.from({ length: STEPS_MAX }, () => more[below(more.length)]!),
  ]);
  // Global unicast, away from private networks and those that carry IPv4.
  const top = family === 4 ? `${20 + below(60)}.0.0.0/8` : `2a0${below(10)}:${below(9)}000::/20`;
  let prefix = parsePrefix(top)!;
  let region = below(REGIONS.length);
  return [...drawn]
    .sort((a, b) => a - b)
    .map((length) => {
      const within = [firstOf(prefix), lastOf(prefix), toBigInt(memberOf(prefix, below))][
        below(3)
      ]!;
      prefix = networkOf(toAddress(within, bits), length);
      region = (region + 1 + below(REGIONS.length - 1)) % REGIONS.length;
      return { prefix, region: REGIONS[region]! };
    });
}

const bitsOf = ({ address }: Prefix): number => address.bytes.length * 8;
const firstOf = ({ address }: Prefix): bigint => toBigInt(address);
const lastOf = (prefix: Prefix): bigint =>
  firstOf(prefix) + (1n << BigInt(bitsOf(prefix) - prefix.length)) - 1n;

function memberOf(prefix: Prefix, below: (limit: number) => number): Address {
  const host = Array.from({ length: 8 }, () => BigInt(below(65_536))).reduce(
    (n, w) => (n << 16n) | w,
  );
  const size = lastOf(prefix) - firstOf(prefix) + 1n;
  return toAddress(firstOf(prefix) + (host % size), bitsOf(prefix));
}

function endsOf(prefix: Prefix): Address[] {
  const most = (1n << BigInt(bitsOf(prefix))) - 1n;
  return [firstOf(prefix) - 1n, firstOf(prefix), lastOf(prefix), lastOf(prefix) + 1n]
    .filter((value) => value >= 0n && value <= most)
    .map((value) => toAddress(value, bitsOf(prefix)));
}

function distinct<T>(values: readonly T[], textOf: (value: T) => string): T[] {
  return [...new Map(values.map((value) => [textOf(value), value])).values()];
}

/** The region of the longest network that holds the address: read from a list, from one end to the other. */
export function regionOf(placed: readonly Placed[], address: Address): Region {
  const holding = placed.filter(({ prefix }) => containsAddress(prefix, address));
  return holding.reduce((a, b) => (b.prefix.length >= a.prefix.length ? b : a)).region;
}

/** Mulberry32: small, seeded, good enough. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function shuffled<T>(values: readonly T[], random: () => number): T[] {
  return values
    .map((value) => ({ value, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
