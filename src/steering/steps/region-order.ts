import { z } from 'zod';
import type { Candidate, Tiers } from '../step.ts';

/**
 * Regions in order of preference, as steps write them: a list inside the list is one tier of equals. An endpoint
 * with a name of its own may be named instead of its region.
 */
export const regionOrder = z
  .array(z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]))
  .min(1);
export type RegionOrder = z.infer<typeof regionOrder>;

export type RegionRanks = {
  /** Undefined = its region is not named. */
  readonly rankOf: (candidate: Candidate) => number | undefined;
  readonly ranks: number;
};

export function ranksOf(regions: RegionOrder): RegionRanks {
  const byName = new Map<string, number>();
  for (const [rank, names] of regions.entries()) {
    for (const name of [names].flat()) if (!byName.has(name)) byName.set(name, rank);
  }
  const rankOf = ({ label, region }: Candidate): number | undefined =>
    byName.get(label) ?? byName.get(region);
  return { rankOf, ranks: regions.length };
}

/** The candidates of one tier by the rank of their region; those without a rank come last, together. */
export function splitByRank(
  candidates: readonly Candidate[],
  { rankOf, ranks }: RegionRanks,
): Tiers {
  const byRank: Candidate[][] = Array.from({ length: ranks + 1 }, () => []);
  for (const candidate of candidates) byRank[rankOf(candidate) ?? ranks]?.push(candidate);
  return byRank.filter((split) => split.length > 0);
}

/** `virginia = oregon, frankfurt`. */
export function describeOrder(regions: RegionOrder): string {
  return regions.map((names) => [names].flat().join(' = ')).join(', ');
}
