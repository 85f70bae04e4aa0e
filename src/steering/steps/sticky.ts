import { z } from 'zod';
import type { ChooseStep } from '../step.ts';
import { asParts, describeShares, namesIn, rotations } from './rotation.ts';

const options = z.strictObject({
  by: z
    .enum(['client', 'name'])
    .default('client')
    .describe(
      '`client`: by the network of the client (an IPv4 /24, an IPv6 /48). `name`: all clients of a name have the same endpoint, and names are shared out.',
    ),
});

/**
 * The same endpoint for the same client: by weighted rendezvous (slots.ts), so that whoever joins or leaves moves
 * the clients that it gets or had, and hardly any others.
 */
export const sticky: ChooseStep<z.infer<typeof options>> = {
  kind: 'sticky',
  stage: 'choose',
  summary:
    'Keeps each client network with one of the equally good endpoints, in proportion to weights.',
  options,
  isShared: true,
  compile:
    ({ by }) =>
    (outcomes, state, trace) => {
      const shared = outcomes.flatMap((outcome) =>
        rotations(outcome, (candidate) => state.weight(candidate)),
      );
      const note = `${describeShares(shared)}, by ${by}`;
      trace?.({ step: 'sticky', kept: namesIn(shared), dropped: [], note });
      if (by === 'client') return asParts(shared);
      return shared.map((outcome) => ({ ...outcome, draw: 'name' as const }));
    },
};
