import { z } from 'zod';
import type { ForkStep } from '../step.ts';
import { chainOf, fence, type NamedChain, partNames, policyName } from './fork-options.ts';

const PARTS_MAX = 64;

const part = z.strictObject({
  policy: policyName.describe('What is tried.'),
  regions: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('Regions that may answer by it. Default: all.'),
});

const options = z.strictObject({
  parts: z
    .array(part)
    .min(1)
    .max(PARTS_MAX)
    .describe('Policies in order: the first with something healthy answers.'),
  last: z.boolean().default(true).describe('Whether the rest of this chain is what is tried last.'),
});
type Options = Omit<z.infer<typeof options>, 'parts'> & {
  readonly parts: readonly (z.infer<typeof part> & NamedChain)[];
};

/** Failover between whole policies: groups of endpoints, each with ways of its own. */
export const tryInOrder: ForkStep<Options> = {
  kind: 'try',
  stage: 'fork',
  summary: 'Tries policies in order: the first that has something healthy answers.',
  options,
  reads: () => [],
  compile: ({ last, parts }, { follow }) => {
    const names = partNames(parts, 'rest');
    const tried = parts.map((each, index) => ({
      label: names[index]!,
      node: follow([
        ...(each.regions === undefined ? [] : [fence(each.regions)]),
        ...(chainOf(each) ?? []),
      ]),
    }));
    return {
      kind: 'try',
      parts: last ? [...tried, { label: names.at(-1)!, node: follow() }] : tried,
    };
  },
};
