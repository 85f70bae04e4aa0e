import assert from 'node:assert/strict';
import type { Location } from '../../src/geo/location.ts';
import {
  DEGRADED,
  DOWN,
  FORCED,
  healthWord,
  TTL_MASK,
  UNKNOWN,
} from '../../src/health/health-word.ts';
import type { DecideState } from '../../src/steering/decide.ts';
import { type Policy, type Preference, preferenceOf } from '../../src/steering/policy.ts';
import type { LeafChain } from '../../src/steering/policy-tree.ts';
import type { Candidate, ClientNetwork, Outcome, Tiers, Trace } from '../../src/steering/step.ts';

/** Places and candidates that the steering tests share. */
export const places = {
  virginia: { latitude: 38.9, longitude: -77.5, country: 'US' },
  frankfurt: { latitude: 50.1, longitude: 8.7, country: 'DE' },
  singapore: { latitude: 1.35, longitude: 103.8, country: 'SG' },
  paris: { latitude: 48.9, longitude: 2.35, country: 'FR' },
  tokyo: { latitude: 35.7, longitude: 139.7, country: 'JP' },
  newYork: { latitude: 40.7, longitude: -74, country: 'US' },
} as const satisfies Record<string, Location>;

export function candidate(
  endpoint: number,
  region: string,
  location?: Location,
  weight = 1,
): Candidate {
  return { endpoint, name: `web/${region}`, label: region, region, location, weight };
}

/** The three regions of the quickstart: endpoints 0, 1, 2. */
export const three: readonly Candidate[] = [
  candidate(0, 'virginia', places.virginia),
  candidate(1, 'frankfurt', places.frankfurt),
  candidate(2, 'singapore', places.singapore),
];

/** The preference of a policy with one chain. */
export const alone = (tiers: Tiers): Preference => ({ parts: [], leaves: [tiers] });

/** The only outcome of a distribution without parts. */
export const outcome = (candidates: readonly Candidate[], share = 1): Outcome => ({
  ...{ share, candidates, part: '' },
  draw: 'spread',
});

/** What is known of a client of which only the place is. */
export const at = (location: Location | undefined): ClientNetwork => ({
  ...{ location, system: 0 },
  marks: [],
});

/** The tiers of a policy with one chain. */
export function mapTiers(
  policy: Pick<Policy, 'root'>,
  candidates: readonly Candidate[],
  client: Pick<ClientNetwork, 'location'>,
  trace?: Trace,
): Tiers {
  return preferenceOf(policy, candidates, at(client.location), trace).leaves[0]!;
}

/** The only chain of a policy. */
export function chainOf({ root }: Pick<Policy, 'root'>): LeafChain {
  assert.ok(root.kind === 'chain');
  return root.chain;
}

/** Tiers as text, `virginia=frankfurt > singapore`, to compare at a glance. */
export function showTiers(tiers: Tiers): string {
  return tiers.map((tier) => tier.map(({ region }) => region).join('=')).join(' > ');
}

export const words = {
  up: healthWord(0, 20),
  stable: healthWord(0, TTL_MASK),
  degraded: healthWord(DEGRADED, 20),
  down: healthWord(DOWN, 20),
  unknown: healthWord(UNKNOWN, 0),
  drained: healthWord(DOWN | FORCED, 20),
  forcedUp: healthWord(FORCED, 20),
} as const;
export type WordName = keyof typeof words;

/** A state in which endpoint i has the i-th word; endpoints without one are up. */
export function stateOf(
  names: readonly WordName[],
  options: Partial<Omit<DecideState, 'word'>> = {},
): DecideState {
  return {
    word: (endpoint) => words[names[endpoint] ?? 'up'],
    panicThreshold: 0,
    hasSorry: false,
    ttlMinSeconds: 5,
    ttlMaxSeconds: 30,
    ...options,
  };
}
