import { z } from 'zod';
import type { Candidate, MapStep, Tiers } from './step.ts';

const tier = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);
const options = z.strictObject({
  regions: z
    .array(tier)
    .min(1)
    .optional()
    .describe(
      'Regions in order of preference; a list inside the list is one tier of equals. ' +
        'Default: the order of the endpoints in the pool. Regions not named go last, together.',
    ),
});

/** A fixed order of preference: active and standby, the same for every client. */
export const failover: MapStep<z.infer<typeof options>> = {
  kind: 'failover',
  stage: 'map',
  readsClient: false,
  summary: 'Orders endpoints by a fixed list of regions: the first that is healthy answers.',
  options,
  compile: ({ regions }) => {
    const rankOf = new Map<string, number>();
    for (const [rank, names] of (regions ?? []).entries()) {
      for (const name of [names].flat()) {
        if (!rankOf.has(name)) rankOf.set(name, rank);
      }
    }
    return (tiers, _client, trace) => {
      const ordered = tiers.flatMap((candidates) =>
        regions === undefined
          ? candidates.map((candidate) => [candidate])
          : splitByRank(candidates, rankOf, regions.length),
      );
      trace?.({
        step: 'failover',
        kept: ordered.flat().map((candidate) => candidate.name),
        dropped: [],
        note:
          regions === undefined
            ? 'in the order of the pool'
            : `preferred: ${regions.map((names) => [names].flat().join(' = ')).join(', ')}`,
      });
      return ordered;
    };
  },
};

/** The candidates of one tier by the rank of their region; those without a rank come last. */
function splitByRank(
  candidates: readonly Candidate[],
  rankOf: ReadonlyMap<string, number>,
  ranks: number,
): Tiers {
  const byRank: Candidate[][] = Array.from({ length: ranks + 1 }, () => []);
  for (const candidate of candidates)
    byRank[rankOf.get(candidate.region) ?? ranks]?.push(candidate);
  return byRank.filter((split) => split.length > 0);
}
