import { WITHIN } from '../slots.ts';
import type { Candidate, Outcome } from '../step.ts';

/**
 * One outcome per candidate, in proportion to its weight. The others follow it in rotated order, as further
 * addresses when a later step keeps more than one. All weights zero count as equal: something must be answered.
 */
export function rotations(
  outcome: Outcome,
  weightOf: (candidate: Candidate) => number,
): readonly Outcome[] {
  const { candidates } = outcome;
  const stated = candidates.map((candidate) => Math.max(0, weightOf(candidate)));
  const statedSum = stated.reduce((sum, weight) => sum + weight, 0);
  const weights = statedSum > 0 ? stated : candidates.map(() => 1);
  const weightSum = statedSum > 0 ? statedSum : candidates.length;
  return candidates.flatMap((_, index) => {
    const share = (outcome.share * (weights[index] ?? 0)) / weightSum;
    if (share === 0) return [];
    const rotated = [...candidates.slice(index), ...candidates.slice(0, index)];
    return [{ ...outcome, share, candidates: rotated }];
  });
}

/** Each outcome as a part of its own: its clients stay with the endpoint that it begins with. */
export function asParts(outcomes: readonly Outcome[]): readonly Outcome[] {
  return outcomes.map((outcome) => {
    const name = outcome.candidates[0]?.name ?? '';
    return { ...outcome, part: outcome.part === '' ? name : `${outcome.part}${WITHIN}${name}` };
  });
}

/** `virginia 60 %, frankfurt 40 %`. */
export function describeShares(outcomes: readonly Outcome[]): string {
  return outcomes
    .map(({ share, candidates }) => `${candidates[0]?.name} ${percent(share)}`)
    .join(', ');
}

export const namesIn = (outcomes: readonly Outcome[]): readonly string[] =>
  [...new Set(outcomes.flatMap(({ candidates }) => candidates))].map(({ name }) => name);

export const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;
