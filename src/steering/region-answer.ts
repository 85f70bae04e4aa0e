/**
 * What classes of clients are answered while every endpoint is up, and what when the regions of that answer are
 * down: by region, as people think of it. It is what `decide` says, in states that nobody has to wait for.
 */
import { DOWN, healthWord, TTL_MASK } from '../health/health-word.ts';
import type { ClassEntry } from './class-list.ts';
import { decide } from './decide.ts';
import { classPreference, type SortedClients } from './map.ts';
import type { Policy } from './policy.ts';
import type { Candidate, Outcome } from './step.ts';

/** A part of the clients, 0..1. */
export type RegionShare = { readonly region: string; readonly share: number };

/** The largest part first; all together are 1. */
export type RegionAnswer = readonly RegionShare[];

export type ClassAnswer = {
  readonly answer: RegionAnswer;
  /** While the regions of `answer` are down. */
  readonly next: RegionAnswer;
  /** Both hold until then, milliseconds since the epoch; Infinity = for ever. */
  readonly untilMs: number;
};

const UP = healthWord(0, TTL_MASK);

/**
 * By class.
 * @param nowMs for what goes by the clock, milliseconds since the epoch
 */
export function classAnswers(
  policy: Policy,
  candidates: readonly Candidate[],
  { entries, variants }: Pick<SortedClients, 'entries' | 'variants'>,
  nowMs: number,
): readonly ClassAnswer[] {
  const regionOf = new Map(candidates.map(({ endpoint, region }) => [endpoint, region]));
  const answerOf = (entry: Omit<ClassEntry, 'addressShare'>, down: RegionAnswer) => {
    const isDown = new Set(down.map(({ region }) => region));
    const word = (endpoint: number): number =>
      isDown.has(regionOf.get(endpoint) ?? '') ? healthWord(DOWN, TTL_MASK) : UP;
    const preference = classPreference({ variants }, entry, candidates);
    const { outcomes, untilMs } = decide(policy, preference, { ...QUIET, nowMs, word });
    return { answer: byRegion(outcomes), untilMs };
  };
  return entries.map((entry) => {
    const { answer, untilMs } = answerOf(entry, []);
    const after = answerOf(entry, answer);
    return { answer, next: after.answer, untilMs: Math.min(untilMs, after.untilMs) };
  });
}

/** TTLs are nobody's business here. */
const QUIET = { panicThreshold: 0, hasSorry: false, ttlMinSeconds: 0, ttlMaxSeconds: 0 };

/** An answer of several endpoints counts in equal parts, as in shares.ts. */
function byRegion(outcomes: readonly Outcome[]): RegionAnswer {
  const shares = new Map<string, number>();
  for (const { candidates, share } of outcomes) {
    for (const { region } of candidates) {
      shares.set(region, (shares.get(region) ?? 0) + share / candidates.length);
    }
  }
  const answer = [...shares].map(([region, share]) => ({ region, share }));
  return answer.sort((a, b) => b.share - a.share || (a.region < b.region ? -1 : 1));
}

/** Shares that differ by less are the same: they are sums of fractions. */
const EPSILON = 1e-9;

/** Of the clients of `before`, who go elsewhere now: parts of them, 0..1; [] = the answer is the same. */
export function movesBetween(before: RegionAnswer, now: RegionAnswer): readonly RegionMove[] {
  const lost = excessOf(before, now);
  const won = excessOf(now, before);
  const all = won.reduce((sum, { share }) => sum + share, 0);
  return lost.flatMap((from) =>
    won.map((to) => ({
      from: from.region,
      to: to.region,
      share: (from.share * to.share) / all,
    })),
  );
}

export type RegionMove = { readonly from: string; readonly to: string; readonly share: number };

/** What regions have in one answer that they do not have in another. */
function excessOf(answer: RegionAnswer, other: RegionAnswer): readonly RegionShare[] {
  const otherShare = new Map(other.map(({ region, share }) => [region, share]));
  return answer
    .map(({ region, share }) => ({ region, share: share - (otherShare.get(region) ?? 0) }))
    .filter(({ share }) => share > EPSILON);
}
