import type { Decision } from './decide.ts';
import type { ClassMap } from './map.ts';
import type { Candidate } from './step.ts';

/**
 * What part of the address space each region or endpoint is the answer for. Addresses are not
 * clients and clients are not load, but it is what is known before a single query has come; a
 * prediction that says "address space" says so on purpose.
 */

/**
 * Share of the located IPv4 address space per region, 0..1. `decisions[i]` is that of class i.
 * What is answered with sorry addresses belongs to no region, so the sum may be below 1.
 */
export function regionShares(
  map: ClassMap,
  decisions: readonly Decision[],
): ReadonlyMap<string, number> {
  return sharesBy(map, decisions, (candidate) => candidate.region);
}

/** As regionShares, per endpoint index. */
export function endpointShares(
  map: ClassMap,
  decisions: readonly Decision[],
): ReadonlyMap<number, number> {
  return sharesBy(map, decisions, (candidate) => candidate.endpoint);
}

/** An answer of several endpoints counts in equal parts: clients take any of them (RFC 6724). */
function sharesBy<Key>(
  map: ClassMap,
  decisions: readonly Decision[],
  keyOf: (candidate: Candidate) => Key,
): ReadonlyMap<Key, number> {
  const shares = new Map<Key, number>();
  for (const [index, addressShare] of map.classes.shares.entries()) {
    for (const { share, candidates } of decisions[index]?.outcomes ?? []) {
      const part = (addressShare * share) / candidates.length;
      for (const candidate of candidates) {
        const key = keyOf(candidate);
        shares.set(key, (shares.get(key) ?? 0) + part);
      }
    }
  }
  return shares;
}
