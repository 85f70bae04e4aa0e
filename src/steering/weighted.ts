import { z } from 'zod';
import type { Candidate, ChooseStep, Outcome } from './step.ts';

const options = z.strictObject({});

/**
 * Shares a tier by weight: one outcome per candidate, in proportion to its weight now. The others
 * follow it in rotated order, as further addresses when a later step keeps more than one.
 *
 * It draws nothing: the share of each answer is exact, and the query path picks among them.
 */
export const weighted: ChooseStep<z.infer<typeof options>> = {
  kind: 'weighted',
  stage: 'choose',
  summary: 'Shares clients among the equally good endpoints in proportion to their weights.',
  options,
  compile: () => (outcomes, state, trace) => {
    const shared = outcomes.flatMap((outcome) =>
      rotations(outcome, (candidate) => state.weight(candidate)),
    );
    trace?.({
      step: 'weighted',
      kept: [...new Set(shared.flatMap(({ candidates }) => candidates))].map(({ name }) => name),
      dropped: [],
      note: shared
        .map(({ share, candidates }) => `${candidates[0]?.name} ${percent(share)}`)
        .join(', '),
    });
    return shared;
  },
};

/** All weights zero count as equal: something must be answered. */
function rotations(outcome: Outcome, weightOf: (candidate: Candidate) => number): Outcome[] {
  const { candidates } = outcome;
  const stated = candidates.map((candidate) => Math.max(0, weightOf(candidate)));
  const statedSum = stated.reduce((sum, weight) => sum + weight, 0);
  const weights = statedSum > 0 ? stated : candidates.map(() => 1);
  const weightSum = statedSum > 0 ? statedSum : candidates.length;
  return candidates.flatMap((_, index) => {
    const share = (outcome.share * (weights[index] ?? 0)) / weightSum;
    if (share === 0) return [];
    return [{ share, candidates: [...candidates.slice(index), ...candidates.slice(0, index)] }];
  });
}

const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;
