import { balancedAt } from '../config/balanced-at.ts';
import type { Config } from '../config/config.ts';
import type { AgentReport } from '../health/statement.ts';
import { formatAddress } from '../ip/address.ts';
import { mapCount, mapPolicyAt, mapPoolAt } from '../nameserver/map-table.ts';
import { sharedPools } from '../nameserver/share-tallies.ts';
import type { Snapshot, SnapshotEndpoint } from '../nameserver/snapshot.ts';
import { chainsIn } from '../steering/policy-chains.ts';
import type { Chain } from '../steering/step.ts';
import type { PlanInputs } from './capacity-planning.ts';

/**
 * Of pools whose clients are shared out by weight, what came to their endpoints: what the balancers count that listen
 * where an endpoint is. Pools that are at the same addresses are counted together.
 */
export function poolLoads(
  { regions }: Pick<Config, 'regions'>,
  snapshot: Pick<Snapshot, 'endpoints' | 'maps'>,
  reports: readonly AgentReport[],
  nowMs: number,
): PlanInputs['pools'] {
  const fresh = reports.filter(({ heardAtMs, leaseMs }) => nowMs - heardAtMs <= leaseMs);
  const trimmed = trimmedPools(snapshot);
  const pools = new Map<string, { isTrimmed: boolean; loads: Map<string, number> }>();
  for (const pool of sharedPools(snapshot)) {
    pools.set(pool, { isTrimmed: trimmed.has(pool), loads: new Map() });
  }
  for (const endpoint of snapshot.endpoints) {
    const loads = pools.get(endpoint.pool)?.loads;
    const own = loads && reportsOf(endpoint, regions[endpoint.region]?.vips ?? [], fresh);
    if (own === undefined || own.length === 0) continue;
    loads?.set(
      endpoint.name,
      own.reduce((sum, { requestsPerSecond }) => sum + requestsPerSecond, 0),
    );
  }
  return pools;
}

function reportsOf(
  { region, v4, v6 }: SnapshotEndpoint,
  vips: readonly string[],
  reports: readonly AgentReport[],
): readonly AgentReport[] {
  const addresses = [
    ...v4.map((bytes) => formatAddress({ family: 4, bytes })),
    ...v6.map((bytes) => formatAddress({ family: 6, bytes })),
  ];
  const listens = balancedAt(addresses, vips);
  const own = reports.filter((report) => report.region === region);
  const there = own.filter(({ address }) => listens.includes(address));
  // Behind the translation of a cloud a balancer does not know the address that clients come to.
  const isAtVips = addresses.every((address) => vips.includes(address));
  return there.length === 0 && isAtVips ? own : there;
}

function trimmedPools({ maps }: Pick<Snapshot, 'maps'>): ReadonlySet<string> {
  const pools = new Set<string>();
  for (let map = 0; map < mapCount(maps); map += 1) {
    if (asksForTrim(mapPolicyAt(maps, map).chain)) pools.add(mapPoolAt(maps, map).pool);
  }
  return pools;
}

const asksForTrim = (chain: Chain): boolean =>
  chainsIn(chain)
    .flat()
    .some(({ options }) => (options as { readonly trim?: unknown } | undefined)?.trim === true);
