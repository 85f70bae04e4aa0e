import { z } from 'zod';
import type { Candidate, ChooseStep } from '../step.ts';
import { asParts, describeShares, namesIn, rotations } from './rotation.ts';

const MODES = ['spread', 'sticky', 'random'] as const;

const options = z.strictObject({
  mode: z
    .enum(MODES)
    .default('spread')
    .describe(
      '`spread`: every client network gets each endpoint in turn, as evenly as can be. `sticky`: a client network stays with its endpoint while weights allow. `random`: drawn for each query.',
    ),
  trim: z
    .boolean()
    .default(false)
    .describe(
      'Correct the weights slowly, by a fifth at most, so that the shares hold of what balancers count, and not only of the answers.',
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
  isShared: true,
  compile:
    ({ mode, trim }) =>
    (outcomes, state, trace) => {
      const weightOf = (candidate: Candidate): number =>
        state.weight(candidate) * (trim ? state.trim(candidate) : 1);
      const shared = outcomes.flatMap((outcome) => rotations(outcome, weightOf));
      const note = describeShares(shared);
      const how = mode === 'spread' ? '' : mode === 'sticky' ? ', sticky' : ', at random';
      trace?.({ step: 'weighted', kept: namesIn(shared), dropped: [], note: `${note}${how}` });
      if (mode === 'sticky') return asParts(shared);
      return mode === 'random'
        ? shared.map((each) => ({ ...each, draw: 'random' as const }))
        : shared;
    },
};
