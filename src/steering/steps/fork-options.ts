import { z } from 'zod';
import type { Chain } from '../step.ts';

/** A policy that a forking step goes on with. Its chain is put beside the name (policy-chains.ts). */
export const policyName = z.string().min(1);

export type NamedChain = { readonly policy?: string | undefined; readonly chain?: Chain };

/** The chain of a named policy. Throws where it was not put there: a bug of who compiles. */
export function chainOf({ chain, policy }: NamedChain): Chain | undefined {
  if (policy !== undefined && chain === undefined) {
    throw new Error(`The chain of the policy "${policy}" is missing.`);
  }
  return chain;
}

/** A step that leaves out other regions, to be put before a chain. */
export const fence = (regions: readonly string[]): Chain[number] => ({
  kind: 'only',
  options: { regions },
});
