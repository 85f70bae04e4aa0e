import { z } from 'zod';
import type { Candidate, ChooseStep, Outcome } from '../step.ts';

const MIN_LIMIT = 1000;

const options = z.strictObject({
  min: z
    .int()
    .min(1)
    .max(MIN_LIMIT)
    .default(1)
    .describe(
      'How many healthy endpoints a tier needs to answer; with fewer the next tier does, if it has enough.',
    ),
});

/**
 * Keeps the candidates that may be answered now. A chain without this step does not look at health
 * at all; an operator's drain counts in every chain, because the core applies it (decide.ts).
 */
export const healthy: ChooseStep<z.infer<typeof options>> = {
  kind: 'healthy',
  stage: 'choose',
  summary: 'Drops endpoints that are down; the next tier answers when none is left.',
  options,
  compile: () => (outcomes, state, trace) => {
    const kept = new Set<Candidate>();
    const dropped = new Set<Candidate>();
    const remaining: Outcome[] = [];
    let share = 0;
    for (const outcome of outcomes) {
      const usable = outcome.candidates.filter((candidate) => state.usable(candidate));
      for (const candidate of outcome.candidates) {
        (state.usable(candidate) ? kept : dropped).add(candidate);
      }
      if (usable.length === 0) continue;
      share += outcome.share;
      remaining.push({ ...outcome, candidates: usable });
    }
    trace?.({
      step: 'healthy',
      kept: [...kept].map((candidate) => candidate.name),
      dropped: [...dropped].map((candidate) => ({
        name: candidate.name,
        reason: state.describe(candidate),
      })),
      note:
        dropped.size === 0
          ? 'all are usable'
          : `${kept.size} of ${kept.size + dropped.size} usable`,
    });
    if (share === 0) return [];
    return remaining.map((outcome) => ({ ...outcome, share: outcome.share / share }));
  },
};
