import { DOWN, isForced, isUnknown, wordShare, wordTtlSeconds } from '../health/health-word.ts';
import { decideTree, type Found } from './decide-tree.ts';
import type { LadderState, Rung } from './ladder.ts';
import { mergeEqual, type Part, partsOf, sameParts } from './parts.ts';
import type { Policy, Preference } from './policy.ts';
import type { Candidate, Outcome, Trace } from './step.ts';

/**
 * What one class of clients is answered in one state: for each chain of the policy the ladder (ladder.ts), then
 * the choosing steps; then what the forks make of it (decide-tree.ts). This is evaluated for each class when
 * health changes, never per query, and by `explain` and a drill's prediction with a state of their own.
 */
export type DecideState = LadderState & {
  readonly ttlMinSeconds: number;
  readonly ttlMaxSeconds: number;
  /** Milliseconds since the epoch, for what goes by the clock; undefined = outside of every time window. */
  readonly nowMs?: number;
  /** By name of an endpoint what its weight is multiplied by; 1 where it is missing. */
  readonly trims?: ReadonlyMap<string, number> | undefined;
  /** By region the part of the class's clients that a plan gives it; undefined = there is no plan. */
  readonly plannedFor?:
    | ((isOpen: (region: string) => boolean) => ReadonlyMap<string, number> | undefined)
    | undefined;
};

export type Decision = {
  /** The worst of the chains that answer. */
  readonly rung: Rung;
  /** Index of the tier that answers, of the first chain that does; -1 on rung `sorry`. */
  readonly tier: number;
  /** Shares sum to 1, every list has a candidate. Empty on rung `sorry`, and only there. */
  readonly outcomes: readonly Outcome[];
  /** The same apart by part of the clients: more than one only while something returns slowly. */
  readonly stages: readonly Stage[];
  readonly ttlSeconds: number;
  /** It holds until then, whatever health does: the clock opens or closes a time window; Infinity = for ever. */
  readonly untilMs: number;
  /** Endpoints whose change could change this decision. */
  readonly involved: readonly number[];
  /**
   * They are those of so many tiers, the first ones: what comes after them does not matter. Infinity when the policy
   * has more than one chain.
   */
  readonly searched: number;
};

/**
 * What a part of the clients get, always the same ones: `share` of them, the shares of all
 * stages sum to 1. While an endpoint returns, the first stages know it and the others do not yet;
 * as it gets more, clients only move to it.
 */
export type Stage = { readonly share: number; readonly parts: readonly Part[] };

/**
 * Decides for one class. Some chain of `preference` must have a candidate. Of the trace lines, the last is of
 * step `ttl`, and each chain's begin with step `ladder`.
 */
export function decide(
  policy: Pick<Policy, 'root'>,
  preference: Preference,
  state: DecideState,
  trace?: Trace,
): Decision {
  const found = decideTree(policy.root, preference, state, trace);
  const { stages, tiersSearched } = stagesOf(policy, preference, state, found);
  if (stages.length > 1) traceReturn(preference, found, state, trace);
  const outcomes = stages.length === 1 ? found.outcomes : mergeStages(stages);
  const involved = involvedEndpoints(preference, tiersSearched);
  const { rung, tier, untilMs } = found;
  const ttlSeconds = decideTtl(rung, involved, state, trace);
  const searched = preference.leaves.length === 1 ? (tiersSearched[0] ?? 0) : Infinity;
  return { rung, tier, outcomes, stages, ttlSeconds, untilMs, involved, searched };
}

/**
 * Parts of the clients that see different endpoints because some return slowly. An endpoint with the
 * share s is there for the first s of the clients and down for the others, unless nothing healthy
 * would be left: a slow return must not cost an answer.
 */
function stagesOf(
  policy: Pick<Policy, 'root'>,
  preference: Preference,
  state: DecideState,
  found: Found,
): { readonly stages: readonly Stage[]; readonly tiersSearched: readonly number[] } {
  const shareOf = ({ endpoint }: Candidate): number => wordShare(state.word(endpoint));
  const returning = preference.leaves.flat(2).filter((candidate) => shareOf(candidate) < 1);
  const whole = partsOf(found.outcomes);
  if (found.rung !== 'healthy' || returning.length === 0) {
    return { stages: [{ share: 1, parts: whole }], tiersSearched: found.tiersSearched };
  }
  const ends = [...new Set(returning.map(shareOf))].toSorted((a, b) => a - b);
  const stages: Stage[] = [{ share: ends[0] ?? 1, parts: whole }];
  let { tiersSearched } = found;
  for (const [index, end] of ends.entries()) {
    const share = (ends[index + 1] ?? 1) - end;
    const word = (endpoint: number): number => {
      const own = state.word(endpoint);
      return wordShare(own) <= end && !isForced(own) ? (own | DOWN) >>> 0 : own;
    };
    const without = decideTree(policy.root, preference, { ...state, word });
    tiersSearched = tiersSearched.map((count, leaf) =>
      Math.max(count, without.tiersSearched[leaf] ?? 0),
    );
    stages.push({ share, parts: without.rung === 'healthy' ? partsOf(without.outcomes) : whole });
  }
  return { stages: joinStages(stages), tiersSearched };
}

function joinStages(stages: readonly Stage[]): readonly Stage[] {
  const joined: Stage[] = [];
  for (const stage of stages) {
    const last = joined.at(-1);
    if (last !== undefined && sameParts(last.parts, stage.parts)) {
      joined[joined.length - 1] = { ...last, share: last.share + stage.share };
    } else joined.push(stage);
  }
  return joined;
}

/** Over all clients. */
function mergeStages(stages: readonly Stage[]): readonly Outcome[] {
  return mergeEqual(
    stages.flatMap(({ parts, share }) =>
      parts.flatMap((part) =>
        part.outcomes.map((outcome) => ({
          ...outcome,
          share: share * part.share * outcome.share,
          part: part.key,
          draw: part.draw,
        })),
      ),
    ),
  );
}

function traceReturn(
  { leaves }: Preference,
  { tiersSearched }: Found,
  state: DecideState,
  trace?: Trace,
) {
  const searched = leaves.flatMap((tiers, leaf) => tiers.slice(0, tiersSearched[leaf]).flat());
  const returning = [...new Set(searched)].filter(
    ({ endpoint }) => wordShare(state.word(endpoint)) < 1,
  );
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

/**
 * A candidate of a later tier changes nothing while the first search succeeds; once the search has
 * been through all tiers, a change in any of them may end it earlier.
 */
function involvedEndpoints(
  { leaves }: Preference,
  tiersSearched: readonly number[],
): readonly number[] {
  const involved = leaves.flatMap((tiers, leaf) =>
    tiers
      .slice(0, tiersSearched[leaf])
      .flatMap((candidates) => candidates.map((candidate) => candidate.endpoint)),
  );
  return leaves.length === 1 ? involved : [...new Set(involved)];
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
