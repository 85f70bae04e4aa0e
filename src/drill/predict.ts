import { type SlotsTable, sharesOf as sharesOfClass } from '../capacity/slots-table.ts';
import { DOWN, FORCED, healthWord, TTL_MASK } from '../health/health-word.ts';
import type { WordOf } from '../health/health-words.ts';
import { classKey } from '../nameserver/tallies.ts';
import { type ClassEntry, classEntries } from '../steering/class-list.ts';
import { type DecideState, type Decision, decide } from '../steering/decide.ts';
import { type ClassMap, classPreference } from '../steering/map.ts';
import type { Policy } from '../steering/policy.ts';
import { regionShares } from '../steering/shares.ts';
import type { Candidate } from '../steering/step.ts';

/**
 * What the loss of a region would do to the answers, from the map and the state that serve right
 * now: the same `decide` with one region's words replaced. Nothing here is a model of its own.
 */

/** A steered name, as much as a prediction needs of it. */
export type SteeredName = Omit<DecideState, 'word'> & {
  readonly name: string;
  readonly policy: Policy;
  readonly map: ClassMap;
  readonly candidates: readonly Candidate[];
};

/** Part of the located address space, 0..1, in the order of the pool; regions at 0 are listed too. */
export type Shares = readonly { readonly region: string; readonly share: number }[];

export type NamePrediction = {
  readonly name: string;
  readonly before: Shares;
  readonly during: Shares;
};

/** Predicts, for each name that has endpoints in the region, who answers before and during its loss. */
export function predictShares(
  names: readonly SteeredName[],
  word: WordOf,
  region: string,
  planned: PlannedSlots = { now: undefined, without: undefined },
): readonly NamePrediction[] {
  const drained = healthWord(DOWN | FORCED, TTL_MASK);
  return names
    .filter(({ candidates }) => candidates.some((candidate) => candidate.region === region))
    .map((steered) => {
      const gone = new Set(
        steered.candidates
          .filter((candidate) => candidate.region === region)
          .map((candidate) => candidate.endpoint),
      );
      const during: WordOf = (endpoint, near) =>
        gone.has(endpoint) ? drained : word(endpoint, near);
      return {
        name: steered.name,
        before: sharesOf(steered, word, planned.now),
        during: sharesOf(steered, during, planned.without),
      };
    });
}

/** What the capacity plan makes of the state, and of the one in which the region is lost; undefined = there is none. */
export type PlannedSlots = {
  readonly now: SlotsTable | undefined;
  readonly without: SlotsTable | undefined;
};

/** Every class of a name decided in one state; the index is the class. */
export function decideClasses(
  steered: SteeredName,
  word: WordOf,
  slots?: SlotsTable,
): readonly Decision[] {
  return Array.from(classEntries(steered.map.classes), (entry) => {
    const state = {
      ...steered,
      ...plannedFor(steered, entry, slots),
      word: (endpoint: number) => word(endpoint, entry.near),
    };
    return decide(steered.policy, classPreference(steered.map, entry, steered.candidates), state);
  });
}

function plannedFor(
  { candidates, map }: SteeredName,
  { variant }: ClassEntry,
  slots: SlotsTable | undefined,
): Pick<DecideState, 'plannedFor'> {
  const area = map.areas[map.variants[variant]!.area];
  const [pool = ''] = candidates[0]?.name.split('/', 1) ?? [];
  if (slots === undefined || area === undefined) return {};
  return { plannedFor: (isOpen) => sharesOfClass(slots, classKey(pool, area.key), isOpen) };
}

/** The mean over the names of a prediction; how much each is asked for is not known here. */
export function meanShares(
  prediction: readonly NamePrediction[],
  phase: 'before' | 'during',
): ReadonlyMap<string, number> {
  const means = new Map<string, number>();
  for (const name of prediction) {
    for (const { region, share } of name[phase]) {
      means.set(region, (means.get(region) ?? 0) + share / prediction.length);
    }
  }
  return means;
}

function sharesOf(steered: SteeredName, word: WordOf, slots: SlotsTable | undefined): Shares {
  const shares = regionShares(steered.map, decideClasses(steered, word, slots));
  const regions = new Set(steered.candidates.map((candidate) => candidate.region));
  return [...regions].map((region) => ({ region, share: shares.get(region) ?? 0 }));
}
