import { isDegraded, isDown, isForced, isUnknown } from '../health/health-word.ts';
import type { LeafChain } from './policy-tree.ts';
import type { Candidate, Tiers, Trace } from './step.ts';

/**
 * The ladder, which never ends in nothing. Its rungs, best first:
 *   healthy    the first tier with a candidate that is up
 *   degraded   no tier has one, but some tier has a slow or impaired one
 *   panic      so little of the answering tier is up that health is no longer believed in it
 *   all-down   everything is down: answered as if everything were up, best tier first
 *   sorry      operators took everything out: the pool's sorry addresses; there are no outcomes
 *   disabled   the same, and the pool has no sorry addresses: as if nothing had been taken out
 *
 * An operator's word stands above health on every rung but the last: what was drained or forced
 * down is not brought back by a panic. Weight 0 means "only when nothing else is left": on each
 * rung the candidates with a weight, in whatever tier, come before those without.
 */
export type Rung = (typeof RUNGS)[number];
const RUNGS = ['healthy', 'degraded', 'panic', 'all-down', 'sorry', 'disabled'] as const;

/** The one that is furthest down. */
export const worstOf = (rungs: readonly Rung[]): Rung =>
  RUNGS[Math.max(...rungs.map((rung) => RUNGS.indexOf(rung)))]!;

export type LadderState = {
  /** Health word of an endpoint, by its index in the snapshot (health/health-word.ts). */
  word(endpoint: number): number;
  /** Ignore health in a tier when less than this share of its weight is healthy, 0..1. */
  readonly panicThreshold: number;
  /** The pool has sorry addresses for when operators have taken everything out. */
  readonly hasSorry: boolean;
};

/** How a candidate stands; `disabled` is an operator's word, the others are health. */
export type Standing = 'up' | 'degraded' | 'down' | 'disabled';

/** Where on the ladder the answer stands. */
export type Footing = {
  readonly rung: Rung;
  /** How good that is, 0 = best: a panic is as good as what it came from. */
  readonly rank: number;
  readonly tier: number;
  /** Tiers from the first on that had to be looked at to find this. */
  readonly tiersSearched: number;
  /** Candidates with weight 0 stay out: some tier has one with a weight. */
  readonly weightNeeded: boolean;
  readonly standing: (candidate: Candidate) => Standing;
  /** The standings that health lets answer on this rung. */
  readonly accepted: readonly Standing[];
};

/** Each rung accepts what the one above accepted, and something worse. Panic is not a search. */
const LADDER: readonly {
  readonly rung: Rung;
  readonly accepted: readonly Standing[];
  /** So many as the chain asks for, or the next tier answers. */
  readonly enough?: true;
}[] = [
  { rung: 'healthy', accepted: ['up'], enough: true },
  { rung: 'healthy', accepted: ['up'] },
  { rung: 'degraded', accepted: ['up', 'degraded'] },
  { rung: 'all-down', accepted: ['up', 'degraded', 'down'] },
  { rung: 'disabled', accepted: ['up', 'degraded', 'down', 'disabled'] },
];
/** Rank of rung `sorry`, and of a chain that has no candidates at all. */
export const RANK_SORRY = LADDER.length;
export const RANK_EMPTY = LADDER.length + 1;

function standingOf(word: number, readsHealth: boolean): Standing {
  if (isForced(word) && isDown(word)) return 'disabled';
  if (!readsHealth) return 'up';
  if (isDown(word)) return 'down';
  return isDegraded(word) ? 'degraded' : 'up';
}

export function findFooting(leaf: LeafChain, tiers: Tiers, state: LadderState): Footing {
  const standing = (candidate: Candidate): Standing =>
    standingOf(state.word(candidate.endpoint), leaf.readsHealth);
  for (const [rank, { accepted, enough, rung }] of LADDER.entries()) {
    if (rung === 'disabled' && state.hasSorry) break;
    const needed = enough === true ? leaf.healthyMin : 1;
    for (const weightNeeded of [true, false]) {
      const isIn = (candidate: Candidate): boolean =>
        accepted.includes(standing(candidate)) && (candidate.weight > 0 || !weightNeeded);
      const tier = tiers.findIndex((candidates) => hasMany(candidates, isIn, needed));
      if (tier === -1) continue;
      const atOnce = rank === 0 && weightNeeded;
      const tiersSearched = atOnce && !leaf.looksBehind ? tier + 1 : tiers.length;
      const footing = { rung, rank, tier, tiersSearched, weightNeeded, standing, accepted };
      return widen(footing, tiers[tier] ?? [], state);
    }
  }
  return {
    rung: 'sorry',
    rank: tiers.length === 0 ? RANK_EMPTY : RANK_SORRY,
    tier: -1,
    tiersSearched: tiers.length,
    weightNeeded: false,
    standing,
    accepted: [],
  };
}

function hasMany(
  candidates: readonly Candidate[],
  isIn: (candidate: Candidate) => boolean,
  needed: number,
): boolean {
  let found = 0;
  for (const candidate of candidates) {
    if (!isIn(candidate)) continue;
    found += 1;
    if (found === needed) return true;
  }
  return false;
}

/**
 * Keeps the few survivors of a tier from being run over by the clients of all of it (Envoy's panic,
 * gdnsd's up_thresh): below the threshold, degraded candidates join, and if that is not enough the
 * whole tier answers as if it were up.
 */
function widen(footing: Footing, tier: readonly Candidate[], state: LadderState): Footing {
  const weightOf = (accepted: readonly Standing[]): number =>
    tier
      .filter((candidate) => accepted.includes(footing.standing(candidate)))
      .reduce((sum, candidate) => sum + candidate.weight, 0);
  const needed = state.panicThreshold * weightOf(['up', 'degraded', 'down']);
  if (footing.rung !== 'healthy' && footing.rung !== 'degraded') return footing;
  if (weightOf(footing.accepted) >= needed) return footing;
  if (weightOf(['up', 'degraded']) >= needed) {
    return { ...footing, rung: 'degraded', accepted: ['up', 'degraded'] };
  }
  return { ...footing, rung: 'panic', accepted: ['up', 'degraded', 'down'] };
}

/** May the choosing steps see it at all? Overrides and weight 0 are the core's to apply. */
export function isInPlay(candidate: Candidate, footing: Footing): boolean {
  if (footing.weightNeeded && candidate.weight <= 0) return false;
  return footing.rung === 'disabled' || footing.standing(candidate) !== 'disabled';
}

/** The state that a health word tells, in words for `explain`. */
export function describeWord(word: number): string {
  if (isForced(word)) return isDown(word) ? 'taken out by an operator' : 'forced up by an operator';
  if (isDown(word)) return 'down';
  if (isDegraded(word)) return 'degraded';
  return isUnknown(word) ? 'not yet judged' : 'up';
}

const RUNG_NOTES: Readonly<Record<Rung, string>> = {
  healthy: 'the first with a healthy endpoint',
  degraded: 'nothing better than degraded is left',
  panic: 'too little of it is healthy: its health is ignored',
  'all-down': 'everything is down: answered as if all were up',
  sorry: 'operators took out every endpoint: sorry addresses',
  disabled:
    'operators took out every endpoint and there are no sorry addresses: answered all the same',
};

export function traceLadder(
  tiers: Tiers,
  answering: readonly Candidate[],
  footing: Footing,
  state: LadderState,
  trace: Trace,
): void {
  const { rung, tier } = footing;
  const reason = (candidate: Candidate, index: number): string => {
    if (tier !== -1 && index > tier) return 'a better tier answers';
    const standing = footing.standing(candidate);
    const inPlay = standing !== 'disabled' || rung === 'disabled';
    if (!inPlay || !footing.accepted.includes(standing)) {
      return describeWord(state.word(candidate.endpoint));
    }
    return candidate.weight > 0 ? 'too few of its tier are healthy' : 'weight 0';
  };
  trace({
    step: 'ladder',
    kept: answering.map((candidate) => candidate.name),
    dropped: tiers.flatMap((candidates, index) =>
      candidates
        .filter((candidate) => index !== tier || !answering.includes(candidate))
        .map((candidate) => ({ name: candidate.name, reason: reason(candidate, index) })),
    ),
    note:
      tier === -1 ? RUNG_NOTES[rung] : `tier ${tier + 1} of ${tiers.length}: ${RUNG_NOTES[rung]}`,
  });
}
