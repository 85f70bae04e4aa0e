import { z } from 'zod';
import type { Candidate, Tiers } from '../step.ts';

/** Regions in order of preference, as steps write them: a list inside the list is one tier of equals. */
export const regionOrder = z
  .array(z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]))
  .min(1);
export type RegionOrder = z.infer<typeof regionOrder>;

export type RegionRanks = { readonly rankOf: ReadonlyMap<string, number>; readonly ranks: number };

export function ranksOf(regions: RegionOrder): RegionRanks {
  const rankOf = new Map<string, number>();
  for (const [rank, names] of regions.entries()) {
    for (const name of [names].flat()) if (!rankOf.has(name)) rankOf.set(name, rank);
  }
  return { rankOf, ranks: regions.length };
}

/** The candidates of one tier by the rank of their region; those without a rank come last, together. */
export function splitByRank(
  candidates: readonly Candidate[],
  { rankOf, ranks }: RegionRanks,
): Tiers {
  const byRank: Candidate[][] = Array.from({ length: ranks + 1 }, () => []);
  for (const candidate of candidates)
    byRank[rankOf.get(candidate.region) ?? ranks]?.push(candidate);
  return byRank.filter((split) => split.length > 0);
}

/** `virginia = oregon, frankfurt`. */
export function describeOrder(regions: RegionOrder): string {
  return regions.map((names) => [names].flat().join(' = ')).join(', ');
}
