import type { LatencyLayer } from '../clients/latency-layer.ts';
import type { GeoDatabase } from '../geo/database.ts';
import { buildMap, type ClassMap, createClassTables } from '../steering/map.ts';
import { compilePolicy, type Policy } from '../steering/policy.ts';
import type { Candidate } from '../steering/step.ts';
import { steeringStep } from '../steering/steps/registry.ts';
import { candidateOf } from './answer.ts';
import { mapsOf } from './map-table.ts';
import type { Snapshot, SteeringMap } from './snapshot.ts';

/**
 * Class maps, none made twice: they are the dear part of a snapshot, in time and in memory. Mapping steps go by
 * regions, places and weights (steering/step.ts), so pools that are alike in these differ by the numbers
 * of their endpoints only, and chains that differ in choosing steps not at all.
 */
export type ClassMaps = {
  /** @param candidates of one pool: their endpoints are numbered one after the other */
  of(
    chain: SteeringMap['chain'],
    candidates: readonly Candidate[],
    clientRegions: SteeringMap['clientRegions'],
  ): ClassMap;
};

/**
 * @param latency what was measured of clients; undefined = nothing
 * @param before a snapshot of the same geo data, whose maps are taken over
 */
export function createClassMaps(
  geo: GeoDatabase,
  latency: LatencyLayer | undefined,
  before: Snapshot | undefined,
): ClassMaps {
  const tables = createClassTables(geo, latency);
  /** By what it is made of, for the pool whose endpoints begin with `first`. */
  const made = new Map<string, { readonly first: number; readonly map: ClassMap }>();
  const numbered = new Map<string, ClassMap>();
  const regionTexts = new Map<SteeringMap['clientRegions'], string>();
  const keyOf = (
    chain: SteeringMap['chain'],
    candidates: readonly Candidate[],
    clientRegions: SteeringMap['clientRegions'],
  ): string => {
    const regions = regionTexts.get(clientRegions) ?? JSON.stringify(clientRegions);
    regionTexts.set(clientRegions, regions);
    const isForked = chain.some(({ kind }) => steeringStep(kind)?.stage === 'fork');
    const steps = isForked ? chain : chain.filter(({ kind }) => shapesMap(kind));
    const facts = candidates.map(({ label, location, region, weight }) => {
      return [label, region, location, weight];
    });
    return `${JSON.stringify([steps, facts])} ${regions}`;
  };
  const policies = new Map<SteeringMap['chain'], Policy>();
  const policyOf = (chain: SteeringMap['chain']): Policy => {
    const policy = policies.get(chain) ?? compilePolicy(chain);
    policies.set(chain, policy);
    return policy;
  };
  for (const { candidates: endpoints, chain, classes, clientRegions } of distinctMaps(before)) {
    const candidates = endpoints.map((endpoint) => candidateOf(before!, endpoint));
    const key = keyOf(chain, candidates, clientRegions);
    const first = endpoints[0] ?? 0;
    if (classes.latencyGeneration !== tables.latencyGeneration(policyOf(chain))) continue;
    if (!made.has(key)) made.set(key, { first, map: classes });
    numbered.set(`${first} ${key}`, classes);
  }
  return {
    of(chain, candidates, clientRegions) {
      const first = candidates[0]?.endpoint ?? 0;
      const key = keyOf(chain, candidates, clientRegions);
      const known = numbered.get(`${first} ${key}`);
      if (known !== undefined) return known;
      const like = made.get(key) ?? {
        first,
        map: buildMap(policyOf(chain), candidates, geo, clientRegions, tables),
      };
      made.set(key, like);
      const map = renumber(like.map, first - like.first);
      numbered.set(`${first} ${key}`, map);
      return map;
    },
  };
}

/** Mapping steps, and those for which clients are told apart by area. */
function shapesMap(kind: string): boolean {
  const step = steeringStep(kind);
  return step?.stage === 'map' || (step?.stage === 'choose' && step.isPlanned === true);
}

/** One of those that share classes. */
function distinctMaps(snapshot: Snapshot | undefined): readonly SteeringMap[] {
  if (snapshot === undefined) return [];
  const distinct = new Map<string, SteeringMap>();
  const lists = new Map<object, number>();
  for (const map of mapsOf(snapshot.maps)) {
    const { firstEndpoint, words } = map.classes.classes;
    const list = lists.get(words) ?? lists.size;
    lists.set(words, list);
    distinct.set(`${list} ${firstEndpoint}`, map);
  }
  return [...distinct.values()];
}

/** With endpoints that are so many numbers further on; its memory is the same. */
function renumber(map: ClassMap, shift: number): ClassMap {
  if (shift === 0) return map;
  const { classes } = map;
  return { ...map, classes: { ...classes, firstEndpoint: classes.firstEndpoint + shift } };
}
