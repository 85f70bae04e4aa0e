import type { Candidate, MapFunction, Marks, Tiers } from '../step.ts';
import { bestFit, type ClientLists, compileFits, describeLists } from './client-match.ts';
import { describeOrder, type RegionOrder, ranksOf, splitByRank } from './region-order.ts';

/** Rules that give clients an order of regions: what the steps `geo` and `subnet` share. */
export type RegionRules = {
  readonly rules: readonly (ClientLists & { readonly regions: RegionOrder })[];
  /** For everybody else; undefined = the tiers stay as they are. */
  readonly default?: RegionOrder | undefined;
  /** Regions that are not named answer nobody, instead of when the named ones are gone. */
  readonly fence: boolean;
};

export function preferRegions(
  step: string,
  { default: others, fence, rules }: RegionRules,
  marks: Marks,
): MapFunction {
  const fits = compileFits(rules, marks);
  const orders = [...rules.map(({ regions }) => regions), others];
  const ranks = orders.map((order) => order && ranksOf(order));
  return (tiers, client, trace) => {
    const best = bestFit(fits, client);
    const index = best < 0 ? rules.length : best;
    const [order, own] = [orders[index], ranks[index]];
    if (order === undefined || own === undefined) {
      const kept = tiers.flat().map(({ name }) => name);
      trace?.({ step, kept, dropped: [], note: 'no rule is for this client' });
      return tiers;
    }
    const isNamed = (candidate: Candidate): boolean => own.rankOf(candidate) !== undefined;
    const ordered: Tiers = tiers.flatMap((tier) =>
      splitByRank(fence ? tier.filter(isNamed) : tier, own),
    );
    if (trace !== undefined) {
      const kept = new Set(ordered.flat());
      const dropped = tiers.flat().filter((candidate) => !kept.has(candidate));
      const who = best < 0 ? 'everybody else' : describeLists(rules[best]!);
      trace({
        step,
        kept: [...kept].map(({ name }) => name),
        dropped: dropped.map(({ name }) => ({ name, reason: 'not among the regions of the rule' })),
        note: `the rule for ${who}: ${describeOrder(order)}`,
      });
    }
    return ordered;
  };
}
