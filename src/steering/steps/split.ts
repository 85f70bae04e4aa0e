import { z } from 'zod';
import type { ForkStep } from '../step.ts';
import { chainOf, fence, type NamedChain, partNames, policyName } from './fork-options.ts';

const PARTS_MAX = 64;
const WHOLE = 100;

const part = z
  .strictObject({
    percent: z.number().min(0).max(WHOLE).describe('Its share of the clients.'),
    policy: policyName.optional().describe('What they go by. Default: the rest of this chain.'),
    regions: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe('Regions that may answer them. Default: all.'),
  })
  .refine((value) => value.policy !== undefined || value.regions !== undefined, {
    params: { said: 'needs a policy, regions, or both' },
  });

const options = z
  .strictObject({
    parts: z
      .array(part)
      .min(1)
      .max(PARTS_MAX)
      .describe('Who is answered otherwise; the rest of the clients go on in this chain.'),
    draw: z
      .enum(['client', 'spread', 'random'])
      .default('client')
      .describe(
        '`client`: a client network stays in its part; when shares change, hardly more clients move than have to. `spread`: each client network is in each part in turn. `random`: drawn for each query.',
      ),
  })
  .refine(({ parts }) => parts.reduce((sum, { percent }) => sum + percent, 0) <= WHOLE + 1e-9, {
    params: { said: 'has parts of more than 100 percent' },
  });
type Options = Omit<z.infer<typeof options>, 'parts'> & {
  readonly parts: readonly (z.infer<typeof part> & NamedChain)[];
};

/** Several chains by lot. A part whose endpoints are all down leaves its clients to the others. */
export const split: ForkStep<Options> = {
  kind: 'split',
  stage: 'fork',
  summary: 'Shares clients among chains: stacks side by side, each with a policy of its own.',
  options,
  reads: () => [],
  compile: ({ draw, parts }, { follow, rest }) => {
    const taken = parts.reduce((sum, { percent }) => sum + percent, 0);
    const names = partNames(parts, 'others');
    const branches = parts.map((each, index) => {
      const fences = each.regions === undefined ? [] : [fence(each.regions)];
      return {
        label: names[index]!,
        share: each.percent / WHOLE,
        node: follow([...fences, ...(chainOf(each) ?? rest)]),
      };
    });
    const share = Math.max(0, 1 - taken / WHOLE);
    const others = { label: names.at(-1)!, share, node: follow() };
    return {
      kind: 'split',
      draw: draw === 'client' ? undefined : draw,
      parts: [...branches, others],
    };
  },
};
