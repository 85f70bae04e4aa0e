import { z } from 'zod';
import type { ChooseStep } from '../step.ts';
import { asParts, describeShares, namesIn, rotations } from './rotation.ts';

const MODES = ['spread', 'sticky', 'random'] as const;

const options = z.strictObject({
  mode: z
    .enum(MODES)
    .default('spread')
    .describe(
      '`spread`: every client network gets each endpoint in turn, as evenly as can be. `sticky`: a client network stays with its endpoint while weights allow. `random`: drawn for each query.',
    ),
});

/**
 * Shares a tier by weight: one outcome per candidate, in proportion to its weight now.
 *
 * It draws nothing: the share of each answer is exact, and the query path picks among them.
 */
export const weighted: ChooseStep<z.infer<typeof options>> = {
  kind: 'weighted',
  stage: 'choose',
  summary: 'Shares clients among the equally good endpoints in proportion to their weights.',
  options,
  compile:
    ({ mode }) =>
    (outcomes, state, trace) => {
      const shared = outcomes.flatMap((outcome) =>
        rotations(outcome, (candidate) => state.weight(candidate)),
      );
      const note = describeShares(shared);
      const how = mode === 'spread' ? '' : mode === 'sticky' ? ', sticky' : ', at random';
      trace?.({ step: 'weighted', kept: namesIn(shared), dropped: [], note: `${note}${how}` });
      if (mode === 'sticky') return asParts(shared);
      return mode === 'random'
        ? shared.map((each) => ({ ...each, draw: 'random' as const }))
        : shared;
    },
};
