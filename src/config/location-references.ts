import { compilePolicy, leafChains } from '../steering/policy.ts';
import { inlineChain } from '../steering/policy-chains.ts';
import type { Chain } from '../steering/step.ts';
import type { Check } from './references.ts';

/** The step that reads how far regions are from clients. */
const DISTANCE_STEP = 'nearest';

/**
 * A region may be without a location, as long as nobody asks how far it is: a policy that does puts it behind all
 * others, for every client.
 */
export function warnUnplaced({ config, file, steered, warn }: Check): void {
  const unplaced = new Set(
    Object.entries(file.regions).flatMap(([name, { location }]) => (location ? [] : [name])),
  );
  if (unplaced.size === 0) return;
  const chainOf = (name: string): Chain | undefined => config.policies[name]?.chain;
  const measures = new Map<string, boolean>();
  for (const { config: own, ownerText } of steered) {
    const { policy, pool } = own;
    if (!measures.has(policy)) measures.set(policy, readsDistance(chainOf(policy), chainOf));
    if (measures.get(policy) !== true) continue;
    for (const { region } of config.pools[pool]?.endpoints ?? []) {
      if (!unplaced.delete(region)) continue;
      const message = `has no location, so the policy "${policy}" of ${ownerText} takes it last for everybody`;
      warn(['regions', region], message, 'location: DE, or aws/eu-west-1', 'key');
    }
  }
}

function readsDistance(
  chain: Chain | undefined,
  chainOf: (name: string) => Chain | undefined,
): boolean {
  if (chain === undefined) return false;
  try {
    const leaves = leafChains(compilePolicy(inlineChain(chain, chainOf)).root);
    return leaves.some(({ map }) => map.some(({ kind }) => kind === DISTANCE_STEP));
  } catch {
    // It names what is not there, or itself, which is an error of its own.
    return false;
  }
}
