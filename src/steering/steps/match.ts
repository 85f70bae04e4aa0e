import { z } from 'zod';
import type { ForkStep } from '../step.ts';
import {
  compileFits,
  describeLists,
  factsOf,
  networkList,
  placeLists,
  saysWho,
  systemsOf,
} from './client-match.ts';
import { chainOf, type NamedChain, policyName } from './fork-options.ts';

const RULES_MAX = 1000;

const rule = z
  .strictObject({
    ...placeLists,
    networks: networkList.optional(),
    policy: policyName.describe('The policy for these clients.'),
  })
  .refine(saysWho, { params: { said: 'does not say which clients it is for' } });

const options = z.strictObject({
  rules: z
    .array(rule)
    .min(1)
    .max(RULES_MAX)
    .describe(
      'Who goes by another policy. The narrowest list that has the client decides: network, autonomous system, state, country, continent. Everybody else goes on in this chain.',
    ),
});
type Options = { readonly rules: readonly (z.infer<typeof rule> & NamedChain)[] };

/** Other policies for other clients. */
export const match: ForkStep<Options> = {
  kind: 'match',
  stage: 'fork',
  summary: 'Sends clients of some places, autonomous systems or networks on by another policy.',
  options,
  reads: ({ rules }) => factsOf(rules),
  systems: ({ rules }) => systemsOf(rules),
  compile: ({ rules }, { follow, marks, rest }) => {
    const fits = compileFits(rules, marks);
    const chains = [rest, ...rules.map(chainOf)].map((chain) => JSON.stringify(chain));
    const parts = rules.map((each, index) => {
      const like = chains.indexOf(chains[index + 1]!);
      return {
        label: describeLists(each),
        fits: fits[index]!,
        way: like === 0 ? rules.length : like - 1,
        node: follow(chainOf(each)),
      };
    });
    return { kind: 'match', parts, otherwise: follow() };
  },
};
