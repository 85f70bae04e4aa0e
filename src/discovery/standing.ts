import type { Answer } from './look-up.ts';
import { type FoundServer, isSameSet, nameOf } from './server-set.ts';

/**
 * What is known of an upstream's servers, from look-up to look-up. The last good set stands whatever
 * comes: a name server that has lost its records, or does not answer, says nothing about servers that
 * serve. Whether they do is for the monitors to say.
 */
export type Standing = {
  readonly servers: readonly FoundServer[];
  /** Look-ups in vain since the last good one. */
  readonly failures: number;
  /** Why the last was in vain; undefined = it was not. */
  readonly problem: string | undefined;
};

export type Step = {
  readonly standing: Standing;
  /** Until the next look-up. */
  readonly waitMs: number;
  readonly isChanged: boolean;
  /** What people should hear of. */
  readonly news: readonly News[];
};

export type News = {
  readonly kind:
    | 'discovery.changed'
    | 'discovery.empty'
    | 'discovery.failed'
    | 'discovery.recovered';
  readonly message: string;
};

export type Bounds = { readonly minTtlMs: number; readonly maxTtlMs: number };

/** After look-ups in vain the pauses grow to this, or to the shortest that is allowed. */
export const RETRY_PAUSE_MAX_MS = 30_000;
/** Pauses are longer by up to this part, so that nodes do not ask all at once. */
export const JITTER = 0.1;
const NAMES_SHOWN_MAX = 5;

export const NOTHING_FOUND: Standing = { servers: [], failures: 0, problem: undefined };

/** @param draw in [0, 1) */
export function takeAnswer(before: Standing, answer: Answer, bounds: Bounds, draw: number): Step {
  const spread = 1 + JITTER * draw;
  if (answer.kind !== 'found') return keep(before, answer, bounds, spread);
  const { servers } = answer;
  const isChanged = !isSameSet(before.servers, servers);
  const news: News[] = [];
  if (before.problem !== undefined) {
    news.push({ kind: 'discovery.recovered', message: 'Servers are found again.' });
  }
  if (isChanged) {
    news.push({ kind: 'discovery.changed', message: changeText(before.servers, servers) });
  }
  const goodMs = Math.min(Math.max(answer.ttlSeconds * 1000, bounds.minTtlMs), bounds.maxTtlMs);
  const standing = { servers, failures: 0, problem: undefined };
  return { standing, waitMs: goodMs * spread, isChanged, news };
}

function keep(
  before: Standing,
  answer: Exclude<Answer, { readonly kind: 'found' }>,
  { maxTtlMs, minTtlMs }: Bounds,
  spread: number,
): Step {
  const { reason } = answer;
  const failures = before.failures + 1;
  const longest = Math.max(minTtlMs, Math.min(maxTtlMs, RETRY_PAUSE_MAX_MS));
  const pauseMs = Math.min(longest, minTtlMs * 2 ** Math.min(failures - 1, 30));
  // What does not exist does not for as long as its zone says, within the same bounds.
  const knownMs = answer.kind === 'none' ? Math.min(longest, answer.ttlSeconds * 1000) : 0;
  const count = before.servers.length;
  const kept = count === 0 ? 'there are none yet' : `the ${count} known before are used on`;
  const isNews = before.problem !== reason;
  const kind = answer.kind === 'none' ? 'discovery.empty' : 'discovery.failed';
  return {
    standing: { servers: before.servers, failures, problem: reason },
    waitMs: Math.max(pauseMs, knownMs) * spread,
    isChanged: false,
    news: isNews ? [{ kind, message: `No servers are found: ${reason}; ${kept}.` }] : [],
  };
}

function changeText(before: readonly FoundServer[], after: readonly FoundServer[]): string {
  const [was, is] = [new Set(before.map(nameOf)), new Set(after.map(nameOf))];
  const come = [...is.difference(was)];
  const gone = [...was.difference(is)];
  const parts = [
    ...(come.length === 0 ? [] : [`new: ${shown(come)}`]),
    ...(gone.length === 0 ? [] : [`gone: ${shown(gone)}`]),
  ];
  const what = parts.length === 0 ? 'other weights or priorities' : parts.join('; ');
  return `${after.length} servers now; ${what}.`;
}

function shown(names: readonly string[]): string {
  const more = names.length - NAMES_SHOWN_MAX;
  const some = names.slice(0, NAMES_SHOWN_MAX).join(', ');
  return more > 0 ? `${some} and ${more} more` : some;
}
