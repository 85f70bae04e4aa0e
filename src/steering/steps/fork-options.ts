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

type NamedPart = {
  readonly policy?: string | undefined;
  readonly regions?: readonly string[] | undefined;
};

/**
 * What tells parts apart, for people and for the slots of clients (slots.ts), each once: `closest on us+eu`. It does
 * not hang on what other parts there are, or a new part would move the clients of all.
 * @param last the name of what comes behind them
 */
export function partNames(parts: readonly NamedPart[], last: string): readonly string[] {
  const names = parts.map(({ policy, regions }) =>
    [policy, regions?.join('+')].filter((text) => text !== undefined).join(' on '),
  );
  const seen = new Map<string, number>();
  return [...names, last].map((name) => {
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    return times === 1 ? name : `${name} (${times})`;
  });
}
