import { z } from 'zod';
import type { ForkStep } from '../step.ts';
import { fence } from './fork-options.ts';

const options = z.strictObject({
  regions: z
    .array(z.string().min(1))
    .min(1)
    .describe('Regions that only these clients are answered with, while any other is healthy.'),
  percent: z.number().min(0).max(100).describe('Their share of the clients.'),
});

/**
 * A few clients, always the same ones, to endpoints that the others do not get: a new release, a new region. Raising
 * the share moves only clients that were not there yet, lowering it only those that leave.
 */
export const canary: ForkStep<z.infer<typeof options>> = {
  kind: 'canary',
  stage: 'fork',
  summary: 'Gives a steady share of the clients to regions that answer nobody else.',
  options,
  reads: () => [],
  compile: ({ percent, regions }, { follow, rest }) => ({
    kind: 'split',
    draw: undefined,
    parts: [
      { label: 'canary', share: percent / 100, node: follow([fence(regions), ...rest]) },
      {
        label: 'others',
        share: 1 - percent / 100,
        node: follow([{ kind: 'only', options: { except: regions } }, ...rest]),
      },
    ],
  }),
};
