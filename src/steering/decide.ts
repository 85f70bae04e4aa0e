import {
  DOWN,
  isDegraded,
  isDown,
  isForced,
  isUnknown,
  wordShare,
  wordTtlSeconds,
} from '../health/health-word.ts';
import { type Policy, traceSkipped } from './policy.ts';
import type { Candidate, ChoiceState, Outcome, Tiers, Trace } from './step.ts';

/**
 * What one class of clients is answered in one state: the ladder, then the choosing steps. This is
 * evaluated for each class when health changes, never per query, and by `explain` and a drill's
 * prediction with a state of their own.
 *
 * The ladder never ends in nothing. Its rungs, best first:
 *   healthy    the first tier with a candidate that is up
 *   degraded   no tier has one, but some tier has a slow or impaired one
 *   panic      so little of the answering tier is up that health is no longer believed in it
 *   all-down   everything is down: answered as if everything were up, best tier first
 *   sorry      operators took everything out: the pool's sorry addresses; `outcomes` is empty
 *   disabled   the same, and the pool has no sorry addresses: as if nothing had been taken out
 *
 * An operator's word stands above health on every rung but the last: what was drained or forced
 * down is not brought back by a panic. Weight 0 means "only when nothing else is left": on each
 * rung the candidates with a weight, in whatever tier, come before those without.
 */
export type Rung = 'healthy' | 'degraded' | 'panic' | 'all-down' | 'sorry' | 'disabled';

export type DecideState = {
  /** Health word of an endpoint, by its index in the snapshot (health/health-word.ts). */
  word(endpoint: number): number;
  /** Ignore health in a tier when less than this share of its weight is healthy, 0..1. */
  readonly panicThreshold: number;
  /** The pool has sorry addresses for when operators have taken everything out. */
  readonly hasSorry: boolean;
  readonly ttlMinSeconds: number;
  readonly ttlMaxSeconds: number;
};

export type Decision = {
  readonly rung: Rung;
  /** Index of the tier that answers; -1 on rung `sorry`. */
  readonly tier: number;
  /** Shares sum to 1, every list has a candidate. Empty on rung `sorry`, and only there. */
  readonly outcomes: readonly Outcome[];
  /** The same apart by part of the clients: more than one only while something returns slowly. */
  readonly stages: readonly Stage[];
  readonly ttlSeconds: number;
  /** Endpoints whose change could change this decision. */
  readonly involved: readonly number[];
  /** They are those of so many tiers, the first ones: what comes after them does not matter. */
  readonly searched: number;
};

/**
 * The outcomes for a part of the clients, always the same ones: `share` of them, the shares of all
 * stages sum to 1. While an endpoint returns, the first stages know it and the others do not yet;
 * as it gets more, clients only move to it.
 */
export type Stage = { readonly share: number; readonly outcomes: readonly Outcome[] };

/**
 * Decides for one class. `tiers` must hold a candidate. Of the trace lines, the first is of step
 * `ladder`, then follow the choosing steps, and the last is of step `ttl`.
 */
export function decide(policy: Policy, tiers: Tiers, state: DecideState, trace?: Trace): Decision {
  const footing = findFooting(policy, tiers, state);
  const { rung, tier } = footing;
  const answering = (tiers[tier] ?? []).filter((candidate) => isInPlay(candidate, footing));
  if (trace !== undefined) traceLadder(tiers, answering, footing, state, trace);
  const whole = rung === 'sorry' ? [] : choose(policy, answering, footing, state, trace);
  const { stages, searched } = stagesOf(policy, tiers, state, footing, whole);
  if (stages.length > 1) traceReturn(tiers, footing, state, trace);
  const outcomes =
    stages.length === 1
      ? whole
      : mergeEqual(
          stages.flatMap(({ share, outcomes: some }) =>
            some.map((outcome) => ({ ...outcome, share: share * outcome.share })),
          ),
        );
  const involved = involvedEndpoints(tiers, searched);
  const ttlSeconds = decideTtl(rung, involved, state, trace);
  return { rung, tier, outcomes, stages, ttlSeconds, involved, searched };
}

/**
 * Parts of the clients that see different endpoints because some return slowly. An endpoint with the
 * share s is there for the first s of the clients and down for the others, unless nothing healthy
 * would be left: a slow return must not cost an answer.
 */
function stagesOf(
  policy: Policy,
  tiers: Tiers,
  state: DecideState,
  footing: Footing,
  whole: readonly Outcome[],
): { readonly stages: readonly Stage[]; readonly searched: number } {
  const shareOf = ({ endpoint }: Candidate): number => wordShare(state.word(endpoint));
  const isReturning = (candidate: Candidate): boolean => shareOf(candidate) < 1;
  if (footing.rung !== 'healthy' || !tiers.some((tier) => tier.some(isReturning))) {
    return { stages: [{ share: 1, outcomes: whole }], searched: footing.tiersSearched };
  }
  const ends = [...new Set(tiers.flat().filter(isReturning).map(shareOf))].toSorted(
    (a, b) => a - b,
  );
  const stages: Stage[] = [{ share: ends[0] ?? 1, outcomes: whole }];
  let searched = footing.tiersSearched;
  for (const [index, end] of ends.entries()) {
    const share = (ends[index + 1] ?? 1) - end;
    const word = (endpoint: number): number => {
      const own = state.word(endpoint);
      return wordShare(own) <= end && !isForced(own) ? (own | DOWN) >>> 0 : own;
    };
    const masked = { ...state, word };
    const found = findFooting(policy, tiers, masked);
    searched = Math.max(searched, found.tiersSearched);
    if (found.rung !== 'healthy') {
      stages.push({ share, outcomes: whole });
      continue;
    }
    const answering = (tiers[found.tier] ?? []).filter((candidate) => isInPlay(candidate, found));
    stages.push({ share, outcomes: choose(policy, answering, found, masked) });
  }
  return { stages: mergeStages(stages), searched };
}

function mergeStages(stages: readonly Stage[]): readonly Stage[] {
  const merged: Stage[] = [];
  for (const stage of stages) {
    const last = merged.at(-1);
    if (last !== undefined && outcomesText(last) === outcomesText(stage)) {
      merged[merged.length - 1] = { ...last, share: last.share + stage.share };
    } else merged.push(stage);
  }
  return merged;
}

function outcomesText({ outcomes }: Stage): string {
  return outcomes
    .map(({ candidates, share }) => `${share} ${candidates.map(({ endpoint }) => endpoint)}`)
    .join('|');
}

function traceReturn(tiers: Tiers, { tiersSearched }: Footing, state: DecideState, trace?: Trace) {
  const returning = tiers
    .slice(0, tiersSearched)
    .flat()
    .filter(({ endpoint }) => wordShare(state.word(endpoint)) < 1);
  const parts = returning.map(({ endpoint, name }) => {
    return `${name} has ${Math.round(wordShare(state.word(endpoint)) * 100)} % of its clients back`;
  });
  trace?.({
    step: 'return',
    kept: returning.map(({ name }) => name),
    dropped: [],
    note: `slow return: ${parts.join(', ')}`,
  });
}

/** How a candidate stands; `disabled` is an operator's word, the others are health. */
type Standing = 'up' | 'degraded' | 'down' | 'disabled';

/** Where on the ladder the answer stands. */
type Footing = {
  readonly rung: Rung;
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
const LADDER: readonly { readonly rung: Rung; readonly accepted: readonly Standing[] }[] = [
  { rung: 'healthy', accepted: ['up'] },
  { rung: 'degraded', accepted: ['up', 'degraded'] },
  { rung: 'all-down', accepted: ['up', 'degraded', 'down'] },
  { rung: 'disabled', accepted: ['up', 'degraded', 'down', 'disabled'] },
];

function standingOf(word: number, readsHealth: boolean): Standing {
  if (isForced(word) && isDown(word)) return 'disabled';
  if (!readsHealth) return 'up';
  if (isDown(word)) return 'down';
  return isDegraded(word) ? 'degraded' : 'up';
}

function findFooting(policy: Policy, tiers: Tiers, state: DecideState): Footing {
  const standing = (candidate: Candidate): Standing =>
    standingOf(state.word(candidate.endpoint), policy.readsHealth);
  for (const { rung, accepted } of LADDER) {
    if (rung === 'disabled' && state.hasSorry) break;
    for (const weightNeeded of [true, false]) {
      const tier = tiers.findIndex((candidates) =>
        candidates.some(
          (candidate) =>
            accepted.includes(standing(candidate)) && (candidate.weight > 0 || !weightNeeded),
        ),
      );
      if (tier === -1) continue;
      const tiersSearched = rung === 'healthy' && weightNeeded ? tier + 1 : tiers.length;
      const footing = { rung, tier, tiersSearched, weightNeeded, standing, accepted };
      return widen(footing, tiers[tier] ?? [], state);
    }
  }
  return {
    rung: 'sorry',
    tier: -1,
    tiersSearched: tiers.length,
    weightNeeded: false,
    standing,
    accepted: [],
  };
}

/**
 * Keeps the few survivors of a tier from being run over by the clients of all of it (Envoy's panic,
 * gdnsd's up_thresh): below the threshold, degraded candidates join, and if that is not enough the
 * whole tier answers as if it were up.
 */
function widen(footing: Footing, tier: readonly Candidate[], state: DecideState): Footing {
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
function isInPlay(candidate: Candidate, footing: Footing): boolean {
  if (footing.weightNeeded && candidate.weight <= 0) return false;
  return footing.rung === 'disabled' || footing.standing(candidate) !== 'disabled';
}

/** Runs the choosing steps on the answering tier. A step that leaves nothing is skipped. */
function choose(
  policy: Policy,
  answering: readonly Candidate[],
  footing: Footing,
  state: DecideState,
  trace?: Trace,
): readonly Outcome[] {
  const choiceState: ChoiceState = {
    usable: (candidate) => footing.accepted.includes(footing.standing(candidate)),
    weight: (candidate) => candidate.weight,
    describe: (candidate) => describeWord(state.word(candidate.endpoint)),
  };
  let outcomes: readonly Outcome[] = [{ share: 1, candidates: answering }];
  for (const { kind, run } of policy.choose) {
    const chosen = run(outcomes, choiceState, trace).filter(
      ({ share, candidates }) => share > 0 && candidates.length > 0,
    );
    if (chosen.length > 0) outcomes = chosen;
    else traceSkipped(kind, answering, trace);
  }
  return mergeEqual(outcomes);
}

/** Outcomes with the same list become one, so that an answer is interned and drawn once. */
function mergeEqual(outcomes: readonly Outcome[]): readonly Outcome[] {
  // Lists that begin with different endpoints are different, and mostly they do.
  const firsts = new Set(outcomes.map(({ candidates }) => candidates[0]?.endpoint));
  if (firsts.size === outcomes.length) return outcomes;
  const byList = new Map<string, Outcome>();
  for (const { share, candidates } of outcomes) {
    const key = candidates.map((candidate) => candidate.endpoint).join(' ');
    byList.set(key, { share: share + (byList.get(key)?.share ?? 0), candidates });
  }
  return [...byList.values()];
}

/**
 * A candidate of a later tier changes nothing while the first search succeeds; once the search has
 * been through all tiers, a change in any of them may end it earlier.
 */
function involvedEndpoints(tiers: Tiers, tiersSearched: number): readonly number[] {
  return tiers
    .slice(0, tiersSearched)
    .flatMap((candidates) => candidates.map((candidate) => candidate.endpoint));
}

/**
 * The TTL is the least time in which a change could come, within the bounds: long while all is
 * quiet, short as a flip comes near. Whenever the state is not plainly known to be good, it is the
 * minimum.
 */
function decideTtl(
  rung: Rung,
  involved: readonly number[],
  state: DecideState,
  trace?: Trace,
): number {
  const { ttlMinSeconds, ttlMaxSeconds } = state;
  const words = involved.map((endpoint) => state.word(endpoint));
  const explain = (seconds: number, note: string): number => {
    trace?.({ step: 'ttl', kept: [], dropped: [], note });
    return seconds;
  };
  if (rung !== 'healthy') return explain(ttlMinSeconds, `minimum, because of rung ${rung}`);
  if (words.some(isUnknown))
    return explain(ttlMinSeconds, 'minimum: an endpoint is not yet judged');
  const earliest = words.reduce(
    (least, word) => Math.min(least, wordTtlSeconds(word)),
    ttlMaxSeconds,
  );
  if (earliest < ttlMinSeconds) {
    return explain(ttlMinSeconds, `minimum: a change could come within ${earliest} s`);
  }
  return explain(
    earliest,
    earliest === ttlMaxSeconds
      ? `maximum: no change could come within ${earliest} s`
      : `a change could come within ${earliest} s`,
  );
}

/** The state that a health word tells, in words for `explain`. */
function describeWord(word: number): string {
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

function traceLadder(
  tiers: Tiers,
  answering: readonly Candidate[],
  footing: Footing,
  state: DecideState,
  trace: Trace,
): void {
  const { rung, tier } = footing;
  const reason = (candidate: Candidate, index: number): string => {
    if (tier !== -1 && index > tier) return 'a better tier answers';
    const standing = footing.standing(candidate);
    const inPlay = standing !== 'disabled' || rung === 'disabled';
    return inPlay && footing.accepted.includes(standing)
      ? 'weight 0'
      : describeWord(state.word(candidate.endpoint));
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
