/**
 * All that a policy has to know of clients, laid over each other: ranges of the address space in which everything is
 * the same, each with a number that stands for it. A policy that goes by places alone has the ranges of the geo
 * data, untouched.
 */
import { type LatencyLayer, latencyOf } from '../clients/latency-layer.ts';
import { type GeoDatabase, locate } from '../geo/database.ts';
import type { Location } from '../geo/location.ts';
import { systemOf } from '../geo/systems.ts';
import type { Address } from '../ip/address.ts';
import { valueAt } from '../ip/range-search.ts';
import {
  combineRanges,
  mapRanges,
  overlayPrefixes,
  type Ranges,
  uniformRanges,
} from '../ip/ranges.ts';
import type { Policy } from './policy.ts';
import type { ClientNetwork } from './step.ts';

export type ClientFacts = {
  /** The values are numbers of clients; 0 = nothing is known. */
  readonly ranges: Ranges;
  readonly count: number;
  /** What is known of those with a number. */
  clientAt(number: number): ClientNetwork;
  /** Whether it is known where they are. */
  isLocated(number: number): boolean;
};

/** What a policy has to know of the client at an address, looked up there. For `explain`; maps have it in ranges. */
export function clientOf(
  geo: GeoDatabase,
  { networks, reads, systems }: Knows,
  latency: LatencyLayer | undefined,
  address: Address,
): ClientNetwork {
  const system = systems.size === 0 ? 0 : (systemOf(geo.systems, address)?.number ?? 0);
  return {
    location: locate(geo, address),
    system: systems.has(system) ? system : 0,
    marks: networks.map((set) => valueAt(overlayPrefixes(uniformRanges(0), set), address)),
    ...(latency !== undefined && reads.has('latency') && latencyOf(latency, address)),
  };
}

type Geo = Pick<GeoDatabase, 'locations' | 'ranges' | 'systems'>;

/** What of a policy says which facts it needs. */
type Knows = Pick<Policy, 'networks' | 'reads' | 'systems'>;

/** A layer over the places: its ranges, and what a value stands for. */
type Layer = {
  readonly ranges: Ranges;
  readonly add: (client: ClientNetwork, value: number) => ClientNetwork;
};

export function clientFacts(
  geo: Geo,
  policy: Knows,
  latency: LatencyLayer | undefined,
): ClientFacts {
  const base: ClientFacts = {
    ranges: geo.ranges,
    count: geo.locations.length,
    clientAt: (number) => placed(number === 0 ? undefined : geo.locations[number]),
    isLocated: (number) => number !== 0,
  };
  return layersOf(geo, policy, latency).reduce(laidOver, base);
}

/** What is known of a client: where it is, and nothing else. */
export const placed = (location: Location | undefined): ClientNetwork => ({
  location,
  system: 0,
  marks: [],
});

function layersOf(
  { systems: table }: Geo,
  { networks, reads, systems }: Knows,
  latency: LatencyLayer | undefined,
): readonly Layer[] {
  const layers: Layer[] = [];
  if (systems.size > 0) {
    // Only those that somebody tells apart: all of them would part places into a hundred times as many.
    const known = [0, ...systems];
    const numberOf = new Map(known.map((system, number) => [system, number]));
    layers.push({
      ranges: mapRanges(table.ranges, (value) => numberOf.get(table.systems[value]!.number) ?? 0),
      add: (client, value) => ({ ...client, system: known[value]! }),
    });
  }
  for (const set of networks) {
    layers.push({
      ranges: overlayPrefixes(uniformRanges(0), set),
      add: (client, value) => ({ ...client, marks: [...client.marks, value] }),
    });
  }
  if (latency !== undefined && reads.has('latency')) {
    layers.push({
      ranges: latency.ranges,
      add: (client, value) => ({
        ...client,
        order: latency.orders[value - 1],
        waysMs: latency.orderWaysMs[value - 1],
      }),
    });
  }
  return layers;
}

function laidOver(below: ClientFacts, { add, ranges: above }: Layer): ClientFacts {
  const pairs: { readonly under: number; readonly over: number }[] = [{ under: 0, over: 0 }];
  const known = new Map([[0, 0]]);
  const ranges = combineRanges(below.ranges, above, (under, over) => {
    const key = over * below.count + under;
    const number = known.get(key);
    if (number !== undefined) return number;
    known.set(key, pairs.length);
    return pairs.push({ under, over }) - 1;
  });
  return {
    ranges,
    count: pairs.length,
    clientAt(number) {
      const { over, under } = pairs[number]!;
      return add(below.clientAt(under), over);
    },
    isLocated: (number) => below.isLocated(pairs[number]!.under),
  };
}
