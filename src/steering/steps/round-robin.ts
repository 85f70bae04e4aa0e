import { z } from 'zod';
import type { ChooseStep } from '../step.ts';
import { describeShares, namesIn, rotations } from './rotation.ts';

const options = z.strictObject({});

/**
 * Every endpoint in turn, whatever its weight. Resolvers and clients reorder addresses (RFC 6724), so what rotates
 * is who is answered first; with `first` behind it, who is answered at all.
 */
export const roundRobin: ChooseStep<z.infer<typeof options>> = {
  kind: 'round-robin',
  stage: 'choose',
  summary: 'Gives every one of the equally good endpoints its turn, without weights.',
  options,
  compile: () => (outcomes, _state, trace) => {
    const shared = outcomes.flatMap((outcome) => rotations(outcome, () => 1));
    trace?.({
      step: 'round-robin',
      kept: namesIn(shared),
      dropped: [],
      note: describeShares(shared),
    });
    return shared;
  },
};
