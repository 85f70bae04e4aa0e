/** Every endpoint that could have been answered, with the numbers that decided about it. */
import { distanceKm } from '../geo/distance.ts';
import {
  isDegraded,
  isDown,
  isForced,
  isUnknown,
  wordShare,
  wordTtlSeconds,
} from '../health/health-word.ts';
import { type HealthWords, NOWHERE, readExceptions, wordOf } from '../health/health-words.ts';
import type { Decision } from '../steering/decide.ts';
import type { Candidate, Tiers } from '../steering/step.ts';
import type { ExplainContext, Explanation } from './explain.ts';

export type ExplainedCandidate = {
  /** `pool/region`. */
  readonly name: string;
  readonly region: string;
  /** From 1, best first; 0 = the policy leaves it out for this client. */
  readonly tier: number;
  /** 0 = only when nothing else is left. */
  readonly weight: number;
  readonly state: string;
  /** Why: who judged or who overrode, in words. */
  readonly reason: string;
  /** The region whose vantage points' view this is; undefined = the world's. */
  readonly seenFrom: string | undefined;
  /** The part of its share that it gets: below 1 while it returns slowly. */
  readonly share: number;
  /** Seconds until its state could change. */
  readonly ttlSeconds: number;
  /** From the client, when the policy looks at where clients are and both places are known. */
  readonly distanceKm: number | undefined;
  /** Part of the clients of this class that are answered with it first, 0..1. */
  readonly answerShare: number;
};

/** What candidates are described by. */
export type CandidateInputs = {
  readonly candidates: readonly Candidate[];
  readonly tiers: Tiers;
  readonly decision: Decision;
  /** Client region, NOWHERE = none. */
  readonly near: number;
  readonly readsPlace: boolean;
  readonly location: Explanation['client']['location'];
};

export function explainCandidates(
  { health, snapshot, view }: ExplainContext,
  { candidates, decision, location, near, readsPlace, tiers }: CandidateInputs,
): readonly ExplainedCandidate[] {
  const word = wordOf(health);
  const excepted = exceptedEndpoints(health, near);
  const nearName = near === NOWHERE ? undefined : snapshot.regions[near];
  const described = candidates.map((candidate): ExplainedCandidate => {
    const { endpoint, name, region, weight } = candidate;
    const own = word(endpoint, near);
    const seenFrom = excepted.has(endpoint) ? nearName : undefined;
    const known = view?.(name, seenFrom);
    const km =
      readsPlace && location !== undefined && candidate.location !== undefined
        ? distanceKm(location, candidate.location)
        : undefined;
    return {
      name,
      region,
      tier: tiers.findIndex((tier) => tier.some((each) => each.endpoint === endpoint)) + 1,
      weight,
      state: known?.state ?? stateOfWord(own),
      reason: known?.reason ?? '',
      seenFrom,
      share: wordShare(own),
      ttlSeconds: wordTtlSeconds(own),
      distanceKm: km === undefined ? undefined : Math.round(km),
      answerShare: decision.outcomes.reduce(
        (sum, outcome) => sum + (outcome.candidates[0]?.endpoint === endpoint ? outcome.share : 0),
        0,
      ),
    };
  });
  return described.toSorted((a, b) => (a.tier || Infinity) - (b.tier || Infinity));
}

/** The state that a health word tells. */
export function stateOfWord(word: number): WordState {
  if (isForced(word)) return isDown(word) ? 'forced-down' : 'forced-up';
  if (isDown(word)) return 'down';
  if (isDegraded(word)) return 'degraded';
  return isUnknown(word) ? 'unknown' : 'up';
}

export type WordState = 'up' | 'degraded' | 'unknown' | 'down' | 'forced-up' | 'forced-down';

function exceptedEndpoints({ exceptions }: HealthWords, near: number): ReadonlySet<number> {
  if (near === NOWHERE || exceptions.length === 0) return new Set();
  const own = readExceptions(exceptions).filter((each) => each.near === near);
  return new Set(own.map(({ endpoint }) => endpoint));
}
