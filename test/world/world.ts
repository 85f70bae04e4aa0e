/**
 * A world of clients: where they are, how far regions really are from them, who asks for them, and how much they want at
 * what time. All of it is drawn from a seed; places are those that the program brings along.
 */

import { priorMs } from '../../src/clients/prior.ts';
import { type GeoDatabase, locate } from '../../src/geo/database.ts';
import { distanceKm } from '../../src/geo/distance.ts';
import type { Location } from '../../src/geo/location.ts';
import type { Address } from '../../src/ip/address.ts';
import { drawSubnets } from '../bench/client-subnets.ts';
import { DRAW_BYTES } from '../bench/drawn-queries.ts';
import { createRandom } from '../bench/random.ts';

export type Region = {
  readonly name: string;
  readonly location: Location;
  /** Requests a second. */
  readonly capacity: number;
};

export type Network = {
  /** The first of its /24. */
  readonly address: Address;
  readonly location: Location;
  /** Who carries its packets: those of one have bad ways together. */
  readonly provider: number;
  /** True round-trip times by region, milliseconds. */
  readonly rttMs: readonly number[];
  /** Requests a second, when it is most awake. */
  readonly demand: number;
  /** Index of who asks for it. */
  readonly asker: number;
};

/** Who asks nameservers, and keeps what it is answered: a resolver, or one network of a resolver that tells subnets. */
export type Asker = {
  readonly address: Address;
  readonly location: Location;
  /** The network that it tells; undefined = it tells none. */
  readonly subnet: Address | undefined;
  readonly networks: readonly number[];
};

export type World = {
  readonly regions: readonly Region[];
  readonly networks: readonly Network[];
  readonly askers: readonly Asker[];
};

const PLACES = [
  { name: 'virginia', latitude: 38.95, longitude: -77.45, part: 1.2 },
  { name: 'oregon', latitude: 45.84, longitude: -119.7, part: 0.8 },
  { name: 'frankfurt', latitude: 50.11, longitude: 8.68, part: 1.0 },
  { name: 'singapore', latitude: 1.35, longitude: 103.82, part: 1.3 },
  { name: 'saopaulo', latitude: -23.55, longitude: -46.63, part: 0.5 },
] as const;

const PROVIDERS = 12;
/** How unlike each other ways are: of networks, and of what a provider has to a region. */
const NETWORK_SIGMA = 0.2;
const PROVIDER_SIGMA = 0.35;
/** What all regions can carry beside all that is wanted at the busiest time. */
const ROOM = 1.35;
const DEMAND_SUM = 10_000;
const ZIPF = 0.8;
const SHARE_ISP = 0.6;
const SHARE_SUBNETS = 0.25;
/** Public resolvers that tell no subnets ask from so many addresses of each city, each with a cache of its own. */
const HUB_ADDRESSES = 16;
const HUBS = [
  { latitude: 40.7, longitude: -74 },
  { latitude: 52.4, longitude: 4.9 },
  { latitude: 35.7, longitude: 139.7 },
  { latitude: -33.9, longitude: 151.2 },
  { latitude: -23.5, longitude: -46.6 },
];

export type Draw = () => number;

/** Draws between 0 and 1. */
export function createDraw(seed: number): Draw {
  const random = createRandom(seed);
  return () => (random() + 0.5) / 2 ** 32;
}

export function createWorld(geo: GeoDatabase, seed: number, count: number): World {
  const draw = createDraw(seed);
  const bad = PLACES.map(() =>
    Array.from({ length: PROVIDERS }, () => lognormal(draw, PROVIDER_SIGMA)),
  );
  const addresses = addressesOf(geo, seed, count);
  const wanted = addresses.map((_, rank) => (rank + 1) ** -ZIPF);
  const sum = wanted.reduce((a, b) => a + b, 0);
  const plain = addresses.map((address, index) => {
    const location = locate(geo, address)!;
    const provider = Math.floor(draw() * PROVIDERS);
    const own = lognormal(draw, NETWORK_SIGMA);
    const rttMs = PLACES.map((place, region) =>
      Math.max(4, priorMs(location, place) * own * Math.max(0.7, bad[region]![provider]!)),
    );
    return { address, location, provider, rttMs, demand: (DEMAND_SUM * wanted[index]!) / sum };
  });
  const { askers, askerOf } = askersOf(plain, draw);
  const networks = plain.map((each, index) => ({ ...each, asker: askerOf[index]! }));
  const parts = PLACES.reduce((total, { part }) => total + part, 0);
  const peak = peakDemand(networks);
  const regions = PLACES.map(({ part, name, ...location }) => ({
    name,
    location,
    capacity: (peak * ROOM * part) / parts,
  }));
  return { regions, networks, askers };
}

/** The demand of a network at a time, requests a second: least in the early morning of its place. */
export function demandAt({ demand, location }: Network, atMs: number, isConstant: boolean): number {
  if (isConstant) return demand * 0.7;
  const hour = atMs / 3_600_000 + (location.longitude ?? 0) / 15;
  return demand * (0.7 + 0.3 * Math.sin(((hour - 11) / 24) * 2 * Math.PI));
}

function peakDemand(networks: readonly Network[]): number {
  const hours = Array.from({ length: 24 }, (_, hour) =>
    networks.reduce((sum, each) => sum + demandAt(each, hour * 3_600_000, false), 0),
  );
  return Math.max(...hours);
}

function lognormal(draw: Draw, sigma: number): number {
  const normal = Math.sqrt(-2 * Math.log(draw())) * Math.cos(2 * Math.PI * draw());
  return Math.exp(sigma * normal);
}

/** By the share of addresses; no two in one /24. */
function addressesOf(geo: GeoDatabase, seed: number, count: number): readonly Address[] {
  const { bytes } = drawSubnets(geo, 'www.gslb.example', count * 2, createRandom(seed));
  const addresses: Address[] = [];
  for (let at = 0; at < bytes.length && addresses.length < count; at += DRAW_BYTES) {
    // The first octet tells IPv6 draws.
    if (bytes[at] !== 0) continue;
    addresses.push({ family: 4, bytes: Uint8Array.of(...bytes.subarray(at + 1, at + 4), 0) });
  }
  return addresses;
}

type Plain = Pick<Network, 'address' | 'location' | 'provider'>;

function askersOf(networks: readonly Plain[], draw: Draw) {
  const askers: (Asker & { networks: number[] })[] = [];
  const known = new Map<string, number>();
  const askerOf = networks.map(({ address, location, provider }, network) => {
    const kind = draw();
    const hub = nearestHub(location);
    const egress = Math.floor(draw() * HUB_ADDRESSES);
    const [key, asker]: readonly [string, Omit<Asker, 'networks'>] =
      kind < SHARE_ISP
        ? [`isp ${place(location)} ${provider}`, { address, location, subnet: undefined }]
        : kind < SHARE_ISP + SHARE_SUBNETS
          ? [`subnet ${network}`, { ...hubAsker(hub), subnet: address }]
          : [`hub ${hub} ${egress}`, { ...hubAsker(hub, egress + 1), subnet: undefined }];
    const index = known.get(key) ?? askers.push({ ...asker, networks: [] }) - 1;
    known.set(key, index);
    askers[index]!.networks.push(network);
    return index;
  });
  return { askers, askerOf };
}

const place = ({ latitude = 0, longitude = 0 }: Location): string =>
  `${Math.round(latitude / 3)} ${Math.round(longitude / 3)}`;

/** Their addresses are nobody else's. */
const hubAsker = (hub: number, egress = 0) => ({
  address: { family: 4 as const, bytes: Uint8Array.of(198, 18, hub, egress) },
  location: HUBS[hub]!,
});

function nearestHub(location: Location): number {
  const far = HUBS.map((hub) => distanceKm(location, hub) ?? Number.MAX_VALUE);
  return far.indexOf(Math.min(...far));
}
