import { z } from 'zod';
import type { MapStep } from '../step.ts';
import { describeOrder, ranksOf, regionOrder, splitByRank } from './region-order.ts';

const options = z.strictObject({
  regions: regionOrder
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
  reads: () => [],
  summary: 'Orders endpoints by a fixed list of regions: the first that is healthy answers.',
  options,
  compile: ({ regions }) => {
    const ranks = ranksOf(regions ?? []);
    return (tiers, _client, trace) => {
      const ordered = tiers.flatMap((candidates) =>
        regions === undefined
          ? candidates.map((candidate) => [candidate])
          : splitByRank(candidates, ranks),
      );
      trace?.({
        step: 'failover',
        kept: ordered.flat().map((candidate) => candidate.name),
        dropped: [],
        note:
          regions === undefined
            ? 'in the order of the pool'
            : `preferred: ${describeOrder(regions)}`,
      });
      return ordered;
    };
  },
};
