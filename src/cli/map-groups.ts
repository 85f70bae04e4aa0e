/**
 * Steered names of a configuration as the report of the map takes them: those that have the same chain over the same
 * endpoints, before and now, are one.
 */
import type { Config, PoolConfig, SteeredConfig } from '../config/config.ts';
import { formatName, lowerName, parseName, ROOT_NAME } from '../dns/name.ts';
import type { MapSubject, MapWorld } from '../steering/map-chart.ts';
import { compilePolicy, readsPlace } from '../steering/policy.ts';
import { inlineChain } from '../steering/policy-chains.ts';
import type { Candidate } from '../steering/step.ts';

/** A configuration with what its maps are made of. */
export type MapSide = { readonly config: Config; readonly world: MapWorld };

export type NameGroup = {
  readonly names: readonly string[];
  readonly policies: readonly string[];
  readonly pools: readonly string[];
  readonly subject: MapSubject;
  /** Absent = the names are new, or there is nothing to compare with. */
  readonly before?: MapSubject;
};

/** Steered names, absolute and lower case, in the order of the file. */
export function steeredNames({ zones }: Config): ReadonlyMap<string, SteeredConfig> {
  const all = Object.values(zones).flatMap(({ steered }) => steered);
  return new Map(all.map((steered) => [absoluteName(steered.owner) ?? steered.owner, steered]));
}

/** The form that names are compared in; undefined = it is none. */
export function absoluteName(text: string): string | undefined {
  const name = parseName(text, ROOT_NAME);
  return name && formatName(lowerName(name));
}

/** @param names steered by `now`; those that `before` does not steer have nothing to be compared with */
export function groupNames(
  names: readonly string[],
  now: MapSide,
  before: MapSide | undefined,
): readonly NameGroup[] {
  const [own, older] = [createPlans(now), before && createPlans(before)];
  const groups = new Map<string, { names: string[]; now: Plan; before: Plan | undefined }>();
  const policies = new Map<string, Set<string>>();
  const pools = new Map<string, Set<string>>();
  for (const name of names) {
    const plan = own(name);
    if (plan === undefined) continue;
    const was = older?.(name);
    const key = JSON.stringify([plan.key, was?.key]);
    const group = groups.get(key) ?? { names: [], now: plan, before: was };
    groups.set(key, group);
    group.names.push(name);
    policies.set(key, (policies.get(key) ?? new Set()).add(plan.steered.policy));
    pools.set(key, (pools.get(key) ?? new Set()).add(plan.steered.pool));
  }
  return [...groups].map(([key, group]) => ({
    names: group.names,
    policies: [...policies.get(key)!],
    pools: [...pools.get(key)!],
    subject: group.now.subject,
    ...(group.before && { before: group.before.subject }),
  }));
}

type Plan = { readonly key: string; readonly steered: SteeredConfig; readonly subject: MapSubject };

/** What becomes of a name; undefined = it is not steered. Each policy over each pool is compiled once. */
function createPlans({ config, world }: MapSide): (name: string) => Plan | undefined {
  const steeredBy = steeredNames(config);
  const known = new Map<string, Pick<Plan, 'key' | 'subject'>>();
  return (name) => {
    const steered = steeredBy.get(name);
    if (steered === undefined) return undefined;
    const pair = JSON.stringify([steered.policy, steered.pool]);
    const plan = known.get(pair) ?? planOf(config, world, steered);
    known.set(pair, plan);
    return { ...plan, steered };
  };
}

function planOf(
  config: Config,
  world: MapWorld,
  { policy: named, pool: pooled }: SteeredConfig,
): Pick<Plan, 'key' | 'subject'> {
  // Validation has refused what is not there.
  const pool = config.pools[pooled]!;
  const chain = inlineChain(config.policies[named]!.chain, (name) => config.policies[name]?.chain);
  const policy = compilePolicy(chain);
  const candidates = candidatesOf(config, pooled, pool);
  const isApart = pool.regionalHealth ?? readsPlace(policy);
  const clientRegions = isApart
    ? Object.values(config.regions).map(({ location }) => location)
    : [];
  const facts = candidates.map(({ label, location, region, weight }) => {
    return [label, region, location, weight];
  });
  return {
    key: JSON.stringify([chain, facts, clientRegions]),
    subject: { world, policy, candidates, clientRegions },
  };
}

function candidatesOf(
  { regions }: Config,
  pool: string,
  { endpoints }: PoolConfig,
): readonly Candidate[] {
  return endpoints.map(({ name, region, weight }, endpoint) => {
    const label = name ?? region;
    const location = regions[region]?.location;
    return { endpoint, name: `${pool}/${label}`, label, region, location, weight };
  });
}
