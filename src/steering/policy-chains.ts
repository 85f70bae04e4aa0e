/**
 * Policies that name others: `policy: NAME` in the options of a forking step, or in one of its parts or rules. A
 * compiled chain needs nothing else, so the chain of each policy that is named is put beside its name.
 */

import type { Chain, SteeringStep } from './step.ts';
import { steeringStep } from './steps/registry.ts';

type Named = { readonly policy?: unknown; readonly chain?: unknown };
type Options = Readonly<Record<string, unknown>>;

/** Lists of options whose members may name a policy. */
const LISTS = ['parts', 'rules'] as const;

/** What a step names, with the way to it: `['parts', 0, 'policy']`. */
export function policiesNamed(options: unknown): readonly {
  readonly name: string;
  readonly path: readonly (string | number)[];
}[] {
  if (!isOptions(options)) return [];
  const own =
    typeof options['policy'] === 'string' ? [{ name: options['policy'], path: ['policy'] }] : [];
  const inLists = LISTS.flatMap((list) =>
    membersOf(options, list).flatMap(({ policy }, index) =>
      typeof policy === 'string' ? [{ name: policy, path: [list, index, 'policy'] }] : [],
    ),
  );
  return [...own, ...inLists];
}

/**
 * The chain with those of all policies that it names.
 * @param chainOf of a policy; undefined = there is none. Throws then, and where a policy comes back to itself:
 *   validation refuses both.
 */
export function inlineChain(
  chain: Chain,
  chainOf: (policy: string) => Chain | undefined,
  above: readonly string[] = [],
): Chain {
  const named = (policy: unknown): Chain => {
    const name = String(policy);
    const found = chainOf(name);
    if (found === undefined) throw new Error(`There is no policy "${name}".`);
    if (above.includes(name)) throw new Error(`The policy "${name}" leads back to itself.`);
    return inlineChain(found, chainOf, [...above, name]);
  };
  const withChain = <Each extends Named>(each: Each): Each =>
    each.policy === undefined ? each : { ...each, chain: named(each.policy) };
  return chain.map((step) => {
    if (steeringStep(step.kind)?.stage !== 'fork' || !isOptions(step.options)) return step;
    return { ...step, options: mapOptions(step.options, withChain) };
  });
}

/** The chain, and all that it has beside the names of policies in it. */
export function chainsIn(chain: Chain): readonly Chain[] {
  const inner = chain.flatMap(({ options }) => {
    if (!isOptions(options)) return [];
    const named: readonly Named[] = [options, ...LISTS.flatMap((list) => membersOf(options, list))];
    return named.flatMap((each) => (Array.isArray(each.chain) ? chainsIn(each.chain) : []));
  });
  return [chain, ...inner];
}

/** Options as their schema makes them, with the chains that were put beside names. */
export function parseOptions({ options: schema, stage }: SteeringStep, options: unknown): unknown {
  if (stage !== 'fork' || !isOptions(options)) return schema.parse(options ?? {});
  const parsed = schema.parse(mapOptions(options, ({ chain: _, ...rest }) => rest)) as Options;
  const restored: Record<string, unknown> = { ...parsed };
  if (options['chain'] !== undefined) restored['chain'] = options['chain'];
  for (const list of LISTS) {
    const members = membersOf(options, list);
    if (members.length === 0) continue;
    restored[list] = membersOf(parsed, list).map((member, index) => {
      const own = members[index]?.chain;
      return own === undefined ? member : { ...member, chain: own };
    });
  }
  return restored;
}

/** Options, and the members of their lists, each changed. */
function mapOptions(options: Options, change: (each: Named) => Named): Options {
  const changed: Record<string, unknown> = { ...change(options) };
  for (const list of LISTS) {
    if (Array.isArray(options[list])) changed[list] = membersOf(options, list).map(change);
  }
  return changed;
}

function membersOf(options: Options, list: (typeof LISTS)[number]): readonly Named[] {
  const members = options[list];
  return Array.isArray(members) ? (members as readonly Named[]) : [];
}

function isOptions(options: unknown): options is Options {
  return typeof options === 'object' && options !== null;
}
