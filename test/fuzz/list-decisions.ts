import { sharesOf } from '../../src/capacity/slots-table.ts';
import type { LatencyLayer } from '../../src/clients/latency-layer.ts';
import type { Config } from '../../src/config/config.ts';
import type { GeoDatabase } from '../../src/geo/database.ts';
import { distanceKm } from '../../src/geo/distance.ts';
import type { Location } from '../../src/geo/location.ts';
import { NOWHERE, wordOf } from '../../src/health/health-words.ts';
import { type Address, formatAddress } from '../../src/ip/address.ts';
import { candidateOf, decideState } from '../../src/nameserver/answer.ts';
import type { ServedHealth } from '../../src/nameserver/served-health.ts';
import type { Snapshot, SteeringMap } from '../../src/nameserver/snapshot.ts';
import { classKey } from '../../src/nameserver/tallies.ts';
import { areaKey } from '../../src/steering/area.ts';
import { clientOf } from '../../src/steering/client-facts.ts';
import { type Decision, decide } from '../../src/steering/decide.ts';
import type { Part } from '../../src/steering/parts.ts';
import { compilePolicy, preferenceOf, readsPlace } from '../../src/steering/policy.ts';

/**
 * What clients are to get, found address by address from the lists that people wrote, not from the tables that
 * queries are answered from.
 */
export type ListDecisions = {
  decisionFor(address: Address): Decision;
  /** Equal for those who are answered alike in every state of health: what a class is. */
  kindOf(address: Address): string;
  /** The answers that some parts of the clients may have, the addresses of each as one text. */
  possibleOf(parts: readonly Part[], family: 4 | 6): ReadonlySet<string>;
};

export type Lists = {
  readonly config: Pick<Config, 'regions'>;
  readonly snapshot: Snapshot;
  readonly geo: GeoDatabase;
  readonly latency: LatencyLayer | undefined;
  readonly health: ServedHealth;
  readonly nowMs: number;
};

export function listDecisions(
  { config, geo, health, latency, nowMs, snapshot }: Lists,
  map: SteeringMap,
): ListDecisions {
  const policy = compilePolicy(map.chain);
  const candidates = map.candidates.map((endpoint) => candidateOf(snapshot, endpoint));
  const places = Object.values(config.regions).map(({ location }) => location);
  const word = wordOf(health);
  const classOf = (address: Address) => {
    const client = clientOf(geo, policy, latency, address);
    const near = readsPlace(policy) ? nearest(places, client.location) : NOWHERE;
    const preference = preferenceOf(policy, candidates, client);
    // The plan tells clients apart by where they are, too.
    const area = policy.isPlanned ? areaKey(preference, client) : '';
    return { near, preference, area };
  };
  const { slots } = health;
  const plannedFor = (area: string) => {
    if (slots === undefined || area === '') return {};
    const key = classKey(map.pool, area);
    return { plannedFor: (isOpen: (region: string) => boolean) => sharesOf(slots, key, isOpen) };
  };
  const addressesOf = (endpoints: readonly number[], family: 4 | 6): string => {
    const own = endpoints.map((endpoint) => snapshot.endpoints[endpoint]!);
    return textOf(
      own.flatMap(({ v4, v6 }) => (family === 4 ? v4 : v6)),
      family,
    );
  };
  return {
    decisionFor(address) {
      const { area, near, preference } = classOf(address);
      const state = decideState(map, { near, variant: 0 }, word, {}, nowMs);
      return decide(policy, preference, { ...state, ...plannedFor(area) });
    },
    kindOf(address) {
      const { area, near, preference } = classOf(address);
      const leaves = preference.leaves.map((tiers) =>
        tiers.map((tier) => tier.map(({ endpoint }) => endpoint)),
      );
      return JSON.stringify([near, area, preference.parts, leaves]);
    },
    possibleOf(parts, family) {
      const sorry = textOf(family === 4 ? map.sorry4 : map.sorry6, family);
      const lists = parts.flatMap(({ outcomes }) =>
        outcomes.length === 0
          ? [sorry]
          : outcomes.map(({ candidates: own }) =>
              addressesOf(
                own.map(({ endpoint }) => endpoint),
                family,
              ),
            ),
      );
      return new Set(lists);
    },
  };
}

const textOf = (addresses: readonly Uint8Array[], family: 4 | 6): string =>
  addresses.map((bytes) => formatAddress({ family, bytes })).join(' ');

function nearest(places: readonly (Location | undefined)[], from: Location | undefined): number {
  const far = places.map((place) => (from && place && distanceKm(from, place)) ?? Infinity);
  const least = Math.min(...far);
  return least === Infinity ? NOWHERE : far.indexOf(least);
}

/** The parts of a decision that one client may be answered by, of which `number` (from 1) is its own. */
export function partsFor({ stages }: Decision, number: number) {
  const all = stages.flatMap(({ parts }) => parts);
  // While an endpoint returns slowly, a class without parts has one set of possible answers, not one by client.
  const isBucketed = stages.some(({ parts }) => parts.length > 1);
  return { all, isBucketed, own: isBucketed ? [all[number - 1]!] : all };
}
