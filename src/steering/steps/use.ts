import { z } from 'zod';
import type { ForkStep } from '../step.ts';
import { chainOf, type NamedChain, policyName } from './fork-options.ts';

const options = z.strictObject({
  policy: policyName.describe('The policy whose steps these are.'),
});

/** The steps of another policy, as if they were written here. */
export const use: ForkStep<z.infer<typeof options> & NamedChain> = {
  kind: 'use',
  stage: 'fork',
  summary: 'Goes on with the steps of another policy, and then with what follows.',
  options,
  reads: () => [],
  compile: (named, { rest, follow }) => follow([...(chainOf(named) ?? []), ...rest]),
};
