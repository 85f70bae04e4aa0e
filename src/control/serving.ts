import type { LatencyLayer } from '../clients/latency-layer.ts';
import type { Config } from '../config/config.ts';
import { decideClasses, type SteeredName } from '../drill/predict.ts';
import type { GeoDatabase } from '../geo/database.ts';
import { type HealthWords, wordOf } from '../health/health-words.ts';
import { candidateOf } from '../nameserver/answer.ts';
import { mapsOf } from '../nameserver/map-table.ts';
import { servicesOf } from '../nameserver/services.ts';
import type { Snapshot, SteeringMap } from '../nameserver/snapshot.ts';
import { compilePolicy } from '../steering/policy.ts';
import { endpointShares } from '../steering/shares.ts';

/** What the node serves at this instant: configuration, the snapshot made of it, and its geo data. */
export type Serving = {
  readonly config: Config;
  readonly snapshot: Snapshot;
  readonly geo: GeoDatabase;
  /** What was measured of clients; undefined = nothing. */
  readonly latency?: LatencyLayer | undefined;
  /** Every steered name with what is needed to decide for it; made once per snapshot. */
  readonly names: readonly SteeredName[];
};

export function createServing(
  config: Config,
  { geo, latency, snapshot }: Pick<Serving, 'snapshot' | 'geo' | 'latency'>,
): Serving {
  const maps = [...mapsOf(snapshot.maps)];
  const decided = createDecided(snapshot);
  const names = Array.from(servicesOf(snapshot.services), (service): SteeredName => {
    const map = maps[service.map]!;
    return {
      name: service.owner,
      ...decided(map),
      panicThreshold: map.panicThreshold,
      hasSorry: map.sorry4.length + map.sorry6.length > 0,
      ttlMinSeconds: map.ttlMinSeconds,
      ttlMaxSeconds: map.ttlMaxSeconds,
    };
  });
  return { config, snapshot, geo, latency, names };
}

/** What decides: the same objects for all maps of a policy over a pool, which differ in TTL bounds only. */
function createDecided(snapshot: Snapshot) {
  const known = new Map<string, Pick<SteeredName, 'policy' | 'map' | 'candidates'>>();
  return ({ candidates, chain, classes, policy, pool }: SteeringMap) => {
    const key = JSON.stringify([pool, policy]);
    const made = known.get(key) ?? {
      policy: compilePolicy(chain),
      map: classes,
      candidates: candidates.map((endpoint) => candidateOf(snapshot, endpoint)),
    };
    known.set(key, made);
    return made;
  };
}

/**
 * The share of the located IPv4 address space that each endpoint answers for now, as the mean over
 * the names that use it, 0..1, by endpoint index.
 */
export function addressShares(serving: Serving, words: HealthWords): ReadonlyMap<number, number> {
  const totals = new Map<number, number>();
  const word = wordOf(words);
  // Names of one policy over one pool share its decisions.
  const byMap = new Map<SteeredName['map'], ReadonlyMap<number, number>>();
  for (const steered of serving.names) {
    let shares = byMap.get(steered.map);
    if (!shares) {
      const decisions = decideClasses(steered, word);
      shares = endpointShares(steered.map, decisions);
      byMap.set(steered.map, shares);
    }
    for (const [endpoint, share] of shares) {
      totals.set(endpoint, (totals.get(endpoint) ?? 0) + share / serving.names.length);
    }
  }
  return totals;
}
