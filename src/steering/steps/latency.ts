import { z } from 'zod';
import type { RttSource } from '../../clients/rtt-sketch.ts';
import type { Candidate, ClientNetwork, MapStep, Tiers } from '../step.ts';
import { nearest, toleranceKm } from './nearest.ts';

const TIERS_MAX_DEFAULT = 3;
const TIERS_MAX_LIMIT = 64;

const options = z.strictObject({
  tiersMax: z
    .int()
    .min(1)
    .max(TIERS_MAX_LIMIT)
    .default(TIERS_MAX_DEFAULT)
    .describe('How many tiers are ordered; all regions behind them share one last tier.'),
  toleranceKm,
});
type Options = z.infer<typeof options>;

/**
 * The way that packets really take, as it was measured between clients and regions (clients/). The order of regions
 * changes slowly and comes with the map; of a network that nobody has measured geography is what is known.
 */
export const latency: MapStep<Options> = {
  kind: 'latency',
  stage: 'map',
  summary:
    'Orders endpoints by the measured round-trip time to the client; by distance where nothing was measured.',
  options,
  reads: () => ['latency', 'location'],
  compile: ({ tiersMax, ...rest }, marks) => {
    const byDistance = nearest.compile({ ...rest, tiersMax, bias: {} }, marks);
    return (tiers, client, trace) => {
      const { order } = client;
      if (order === undefined) {
        return byDistance(tiers, client, (line) =>
          trace?.({ ...line, step: 'latency', note: `nothing was measured; ${line.note}` }),
        );
      }
      const places = placesOf(order);
      const ordered = tiers.flatMap((tier) => splitByPlace(tier, places, tiersMax));
      trace?.({
        step: 'latency',
        kept: ordered.flat().map(({ name }) => name),
        dropped: [],
        note: `measured${describeSources(client)}: ${describeWays(client)}`,
      });
      return ordered;
    };
  },
  ways: ({ tiersMax, ...rest }) => {
    const byDistance = nearest.ways!({ ...rest, tiersMax, bias: {} });
    return (candidates, client) => {
      const { order, waysMs = [] } = client;
      if (order === undefined) return byDistance(candidates, client);
      const placeOf = placesIn(placesOf(order));
      const ways = candidates
        .map((candidate) => ({ candidate, place: placeOf(candidate) }))
        .sort((a, b) => a.place - b.place)
        .map(({ candidate, place }) => ({ candidate, length: waysMs[place] }));
      return { unit: 'ms', ways };
    };
  },
};

const placesOf = (order: readonly string[]): ReadonlyMap<string, number> =>
  new Map(order.map((region, place) => [region, place]));

/** Regions without a place come last. */
const placesIn =
  (places: ReadonlyMap<string, number>) =>
  ({ region }: Candidate): number =>
    places.get(region) ?? places.size;

/** One tier as several: each region one, those behind the first few together. */
function splitByPlace(
  tier: readonly Candidate[],
  places: ReadonlyMap<string, number>,
  tiersMax: number,
): Tiers {
  const placeOf = placesIn(places);
  const split: Candidate[][] = [];
  let place = -1;
  for (const candidate of tier.toSorted((a, b) => placeOf(a) - placeOf(b))) {
    const last = split.at(-1);
    const own = placeOf(candidate);
    if (last !== undefined && (own === place || split.length > tiersMax)) last.push(candidate);
    else split.push([candidate]);
    place = own;
  }
  return split;
}

const SOURCE_TEXTS: Readonly<Record<RttSource, string>> = {
  clients: 'connections',
  probes: 'probes',
  beacon: 'pages',
};

/** ` by connections and probes`. */
function describeSources({ measuredBy = [] }: ClientNetwork): string {
  if (measuredBy.length === 0) return '';
  return ` by ${measuredBy.map((source) => SOURCE_TEXTS[source]).join(' and ')}`;
}

/** `frankfurt 12 ms, virginia 95 ms, then singapore`. */
function describeWays({ order = [], waysMs = [] }: ClientNetwork): string {
  const known = waysMs.map((ms, place) => `${order[place]} ${Math.round(ms)} ms`);
  const rest = order.slice(known.length);
  return rest.length === 0 ? known.join(', ') : [...known, `then ${rest.join(', ')}`].join(', ');
}
