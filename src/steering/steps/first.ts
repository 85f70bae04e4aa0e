import { z } from 'zod';
import type { ChooseStep } from '../step.ts';

/** More addresses than this help no client and push an answer towards truncation. */
const COUNT_MAX = 16;

const options = z.strictObject({
  count: z
    .int()
    .min(1)
    .max(COUNT_MAX)
    .default(1)
    .describe('How many endpoints an answer names at most.'),
  across: z
    .boolean()
    .default(false)
    .describe(
      'Whether endpoints of later tiers follow when the best one has fewer: the nearest two regions, say.',
    ),
});

/** Shortens every possible answer to its first endpoints. */
export const first: ChooseStep<z.infer<typeof options>> = {
  kind: 'first',
  stage: 'choose',
  summary: 'Keeps the first endpoints of the answer and leaves out the rest.',
  options,
  looksBehind: ({ across, count }) => across && count > 1,
  compile:
    ({ across, count }) =>
    (outcomes, state, trace) => {
      const behind = across ? state.later : [];
      const shortened = outcomes.map((outcome) => ({
        ...outcome,
        candidates: [...outcome.candidates, ...behind].slice(0, count),
      }));
      if (trace !== undefined) {
        const kept = new Set(
          shortened.flatMap(({ candidates }) => candidates.map(({ name }) => name)),
        );
        const before = new Set(
          outcomes.flatMap(({ candidates }) => candidates.map(({ name }) => name)),
        );
        trace({
          step: 'first',
          kept: [...kept],
          dropped: [...before]
            .filter((name) => !kept.has(name))
            .map((name) => ({ name, reason: `not among the first ${count}` })),
          note: `at most ${count} in an answer`,
        });
      }
      return shortened;
    },
};
