import { compilePolicy, leafChains } from '../steering/policy.ts';
import { inlineChain, policiesNamed } from '../steering/policy-chains.ts';
import type { Chain } from '../steering/step.ts';
import type { ConfigPath } from './issue.ts';
import type { Check } from './references.ts';
import { didYouMean } from './spelling.ts';

/** What policies need of others: regions and policies that exist, no circles, and steps that have an effect. */
export function checkPolicies(check: Check, defaultPolicy: string): void {
  const { config, file } = check;
  const chainOf = (name: string): Chain | undefined => config.policies[name]?.chain;
  const places = placesOf(check);
  const nested = new Set<string>();
  for (const { chain } of Object.values(file.policies)) {
    for (const { options } of chain)
      for (const { name } of policiesNamed(options)) nested.add(name);
  }
  const steered = new Set(check.steered.map(({ config: { policy } }) => policy));
  for (const [name, { chain }] of Object.entries(file.policies)) {
    const path = ['policies', name, 'chain'];
    checkOrder(check, chain, path);
    for (const [index, { options }] of chain.entries()) {
      checkPlaces(check, options, [...path, index], places);
      checkNamed(check, options, [...path, index], defaultPolicy);
    }
    const circle = circleFrom(name, chainOf);
    if (circle !== undefined) {
      check.error(path, `leads back to itself: ${circle.join(' → ')}`, 'break the circle');
      continue;
    }
    // A policy that is only part of others may leave health to them.
    if (!nested.has(name) || steered.has(name)) warnBlind(check, chain, path, chainOf);
  }
}

/** Policies that others name. */
export function namedInPolicies({ file }: Pick<Check, 'file'>): readonly string[] {
  return Object.values(file.policies).flatMap(({ chain }) =>
    chain.flatMap(({ options }) => policiesNamed(options).map(({ name }) => name)),
  );
}

function checkOrder({ error, warn }: Check, chain: Chain, path: ConfigPath): void {
  const kinds = chain.map(({ kind }) => kind);
  const first = kinds.indexOf('first');
  if (first >= 0 && first < kinds.length - 1) {
    const hint = 'what follows it has nothing left to choose from';
    error([...path, first], '"first" is not the last step', hint);
  }
  for (const [index, kind] of kinds.entries()) {
    if (kinds.indexOf(kind) < index && ONCE.has(kind)) {
      warn([...path, index], `the step "${kind}" is there twice`, 'once is enough');
    }
  }
}

/** Steps that do nothing more the second time. */
const ONCE = new Set([
  'healthy',
  'nearest',
  'failover',
  'weighted',
  'sticky',
  'round-robin',
  'first',
]);

/** Names of regions, and of endpoints that have one of their own. */
function placesOf({ file, written }: Check): ReadonlySet<string> {
  const named = Object.values(file.pools).flatMap(({ endpoints }) =>
    endpoints.flatMap(({ name }) => (name === undefined ? [] : [name])),
  );
  return new Set([...written.regions, ...named]);
}

/** Options that name regions, alone or in lists; those of parts and rules as well. */
const REGION_LISTS = ['regions', 'except', 'default'] as const;

function checkPlaces(
  check: Check,
  options: unknown,
  path: ConfigPath,
  places: ReadonlySet<string>,
): void {
  // The step's own schema has judged the options already.
  const own = options as Readonly<Record<string, unknown>>;
  const say = (name: string, at: ConfigPath): void => {
    if (places.has(name)) return;
    const hint = places.size === 0 ? 'define it under "regions"' : didYouMean(name, [...places]);
    check.error(at, `there is no region "${name}"`, hint);
  };
  for (const key of REGION_LISTS) {
    const list = Array.isArray(own[key])
      ? (own[key] as readonly (string | readonly string[])[])
      : [];
    for (const [index, names] of list.entries()) {
      const at = [...path, key, index];
      if (typeof names === 'string') say(names, at);
      else for (const [place, name] of names.entries()) say(name, [...at, place]);
    }
  }
  for (const name of Object.keys((own['bias'] as object | undefined) ?? {})) {
    say(name, [...path, 'bias', name]);
  }
  for (const key of ['parts', 'rules'] as const) {
    const members = Array.isArray(own[key]) ? (own[key] as readonly unknown[]) : [];
    for (const [index, member] of members.entries()) {
      checkPlaces(check, member, [...path, key, index], places);
    }
  }
}

function checkNamed(
  { error, written }: Check,
  options: unknown,
  path: ConfigPath,
  defaultPolicy: string,
): void {
  for (const { name, path: at } of policiesNamed(options)) {
    if (written.policies.has(name) || name === defaultPolicy) continue;
    const hint = didYouMean(name, [...written.policies, defaultPolicy]);
    error([...path, ...at], `there is no policy "${name}"`, hint);
  }
}

function circleFrom(
  start: string,
  chainOf: (name: string) => Chain | undefined,
): readonly string[] | undefined {
  const seen = new Set<string>();
  const visit = (name: string, above: readonly string[]): readonly string[] | undefined => {
    if (above.length > 0 && name === start) return [...above, name];
    if (seen.has(name)) return undefined;
    seen.add(name);
    for (const { options } of chainOf(name) ?? []) {
      for (const { name: next } of policiesNamed(options)) {
        const circle = visit(next, [...above, name]);
        if (circle !== undefined) return circle;
      }
    }
    return undefined;
  };
  return visit(start, []);
}

function warnBlind(
  { warn }: Check,
  chain: Chain,
  path: ConfigPath,
  chainOf: (name: string) => Chain | undefined,
): void {
  let leaves: ReturnType<typeof leafChains>;
  try {
    leaves = leafChains(compilePolicy(inlineChain(chain, chainOf)).root);
  } catch {
    // It names what is not there, which is an error of its own.
    return;
  }
  const blind = leaves.filter(({ readsHealth }) => !readsHealth).length;
  if (blind === 0) return;
  const hint = 'without it, endpoints that are down are answered too';
  if (leaves.length === 1) warn(path, 'the chain has no "healthy" step', hint);
  else {
    const message = `${blind} of the ${leaves.length} chains that it forks into have no "healthy" step`;
    warn(path, message, `${hint}; put it before the fork`);
  }
}
