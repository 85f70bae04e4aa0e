import { z } from 'zod';
import { WITHIN } from '../slots.ts';
import type { Candidate, ChooseStep, Outcome } from '../step.ts';
import { describeShares, namesIn } from './rotation.ts';

const options = z.strictObject({});

/**
 * Gives each region the part of the clients that the plan has for it (capacity/plan.ts), whatever tier it is in: who is
 * passed on because a region has all that it can carry, and to where. A client stays with its region while
 * the plan allows. Without a plan, or when nothing that it names can be answered, the order of the chain holds.
 */
export const capacity: ChooseStep<z.infer<typeof options>> = {
  kind: 'capacity',
  stage: 'choose',
  summary: 'Passes clients on to other regions when theirs has as much as it can carry.',
  options,
  looksBehind: () => true,
  isPlanned: true,
  compile:
    () =>
    (outcomes, { later, planned }, trace) => {
      const shared =
        planned === undefined
          ? outcomes
          : outcomes.flatMap((outcome) => passOn(outcome, later, planned));
      trace?.({
        step: 'capacity',
        kept: namesIn(shared),
        dropped: [],
        note: planned === undefined ? 'there is no plan' : `by plan: ${describeShares(shared)}`,
      });
      return shared;
    },
};

function passOn(
  outcome: Outcome,
  later: readonly Candidate[],
  planned: ReadonlyMap<string, number>,
): readonly Outcome[] {
  const all = new Set([...outcome.candidates, ...later]);
  const byRegion = Map.groupBy(all, ({ region }) => region);
  const open = [...byRegion].flatMap(([region, candidates]) => {
    const share = planned.get(region) ?? 0;
    return share > 0 ? [{ region, candidates, share }] : [];
  });
  const sum = open.reduce((total, { share }) => total + share, 0);
  if (sum === 0) return [outcome];
  return open.map(({ candidates, region, share }) => ({
    ...outcome,
    candidates,
    share: (outcome.share * share) / sum,
    part: partOf(outcome.part, region, open.length),
  }));
}

/** With one region there are no parts. */
function partOf(outer: string, region: string, regions: number): string {
  if (regions === 1) return outer;
  return outer === '' ? region : `${outer}${WITHIN}${region}`;
}
