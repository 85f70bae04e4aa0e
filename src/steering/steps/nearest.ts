import { z } from 'zod';
import { distanceKm } from '../../geo/distance.ts';
import type { Location } from '../../geo/location.ts';
import type { Candidate, ClientNetwork, MapStep, Tiers } from '../step.ts';

/**
 * Geography: the nearer a region, the earlier its tier.
 *
 * Only the first few tiers are ordered, the rest go together in one last tier. Every ordered tier
 * multiplies the number of different orders that the world falls into, hence of classes, hence of
 * networks that resolvers cache apart (gdnsd's auto_dc_limit is 3 for the same reason); and when
 * the three nearest regions are all gone, which of the far ones answers is a matter of capacity
 * more than of distance.
 */
const TIERS_MAX_DEFAULT = 3;
const TIERS_MAX_LIMIT = 64;

/** Regions of one metropolis are equally near; city coordinates are no better than this anyway. */
const TOLERANCE_KM_DEFAULT = 50;
/** Half of the earth's circumference: everything is equally near. */
const TOLERANCE_KM_LIMIT = 20_040;
const BIAS_LIMIT = 99;

export const toleranceKm = z
  .number()
  .min(0)
  .max(TOLERANCE_KM_LIMIT)
  .default(TOLERANCE_KM_DEFAULT)
  .describe(
    'Regions within this many kilometres of each other, seen from the client, share a tier.',
  );

const options = z.strictObject({
  toleranceKm,
  bias: z
    .record(z.string().min(1), z.number().min(-BIAS_LIMIT).max(BIAS_LIMIT))
    .default({})
    .describe(
      'How much nearer (above 0) or farther (below 0) than it is a region counts, in percent: at 50 half its distance, at -50 twice.',
    ),
  tiersMax: z
    .int()
    .min(1)
    .max(TIERS_MAX_LIMIT)
    .default(TIERS_MAX_DEFAULT)
    .describe('How many tiers are ordered by distance; all farther regions share one last tier.'),
});
type Options = z.infer<typeof options>;

export const nearest: MapStep<Options> = {
  kind: 'nearest',
  stage: 'map',
  reads: () => ['location'],
  summary: 'Orders endpoints by distance from the client; equally near ones share a tier.',
  options,
  compile: (compiled) => (tiers, client, trace) => {
    const measured = tiers.map((candidates) => measure(candidates, client, compiled));
    const known = measured.some((tier) => tier.some(({ km }) => km !== undefined));
    const ordered = measured.flatMap((tier) => splitByDistance(tier, compiled));
    trace?.({
      step: 'nearest',
      kept: ordered.flat().map((candidate) => candidate.name),
      dropped: [],
      note: known
        ? measured
            .flat()
            .map(
              ({ candidate, km }) =>
                `${candidate.name} ${km === undefined ? 'unknown' : `${Math.round(km)} km`}`,
            )
            .join(', ')
        : "the client's place is not known: in the order of the pool",
    });
    return ordered;
  },
  ways: (compiled) => (candidates, client) => ({
    unit: 'km',
    ways: sortByDistance(measure(candidates, client, compiled)).map(({ candidate, km }) => ({
      candidate,
      length: km,
    })),
  }),
};

function measure(
  candidates: readonly Candidate[],
  { location: from }: ClientNetwork,
  { bias }: Options,
): readonly Measured[] {
  return candidates.map((candidate) => ({
    candidate,
    km: biased(kilometres(from, candidate.location), biasOf(bias, candidate)),
  }));
}

const biasOf = (bias: Options['bias'], { label, region }: Candidate): number | undefined =>
  bias[label] ?? bias[region];

/** Route 53's geoproximity: a positive bias shortens the way by so much, a negative one lengthens it likewise. */
function biased(km: number | undefined, bias = 0): number | undefined {
  if (km === undefined || bias === 0) return km;
  return bias > 0 ? km * (1 - bias / 100) : km / (1 + bias / 100);
}

type Measured = { readonly candidate: Candidate; readonly km: number | undefined };

/** Great-circle distance, or undefined when one of the two has no coordinates. */
function kilometres(from: Location | undefined, to: Location | undefined): number | undefined {
  return from === undefined || to === undefined ? undefined : distanceKm(from, to);
}

/**
 * One tier as several. Candidates without a distance follow in the order of the pool, each a tier
 * of its own, so that a client whose place is unknown always gets the same region while it is up.
 */
function splitByDistance(tier: readonly Measured[], { toleranceKm, tiersMax }: Options): Tiers {
  const split: Candidate[][] = [];
  const sorted = sortByDistance(tier);
  let tierKm = 0;
  for (const { candidate, km } of sorted) {
    const last = split.at(-1);
    const joins = km !== undefined && split.length > 0 && km - tierKm <= toleranceKm;
    if (last !== undefined && (joins || split.length > tiersMax)) {
      last.push(candidate);
      continue;
    }
    split.push([candidate]);
    tierKm = km ?? Number.POSITIVE_INFINITY;
  }
  return split;
}

const sortByDistance = (tier: readonly Measured[]): readonly Measured[] =>
  [...tier].sort((a, b) => compareKm(a.km, b.km));

/** Stable: equal or unknown distances keep the order of the pool, unknown ones last. */
function compareKm(a: number | undefined, b: number | undefined): number {
  if (a === undefined) return b === undefined ? 0 : 1;
  return b === undefined ? -1 : a - b;
}
