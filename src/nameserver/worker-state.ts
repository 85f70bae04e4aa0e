import { COOKIE_ABSENT, type CookieSecrets, type CookieWord } from '../dns/cookie.ts';
import { EDE_NONE } from '../dns/edns.ts';
import { createReply, type Reply } from '../dns/encode.ts';
import { createQuery, type Query } from '../dns/message.ts';
import type { HealthWords } from '../health/health-words.ts';
import type { CounterRow } from '../telemetry/counters.ts';
import { createLookupResult, type LookupResult } from '../zone/lookup.ts';
import { type AnswerTable, buildAnswers, updateAnswers } from './answer.ts';
import { createPlace, type Place } from './place.ts';
import {
  createRateLimiter,
  KIND_ERROR,
  type RateLimiter,
  type ResponseKind,
} from './rate-limit.ts';
import type { Cursor } from './records.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * What one DNS worker has in hands: the snapshot that it serves, the answers computed from it, and
 * the scratch records that `respond` fills anew for every query. One per thread; never shared.
 */
export type WorkerState = {
  snapshot: Snapshot | undefined;
  answers: AnswerTable | undefined;
  counters: CounterRow;
  /** Secrets of server cookies; undefined = none are made. */
  cookies: CookieSecrets | undefined;
  /** Of the query under way: what its cookie is worth, and what its response is. */
  cookie: CookieWord;
  kind: ResponseKind;
  /** The extended error of an answer that has none of its own: its zone's (zone-standing.ts). */
  zoneEde: number;
  readonly rateLimiter: RateLimiter;
  readonly query: Query;
  readonly reply: Reply;
  readonly result: LookupResult;
  readonly cursor: Cursor;
  readonly place: Place;
};

/**
 * A worker that has no snapshot yet and answers SERVFAIL; `counters` as counters.ts lays out. The seed
 * is of rate-limit.ts: random, unless time stands still.
 */
export function createWorkerState(counters: CounterRow, seed = 0): WorkerState {
  return {
    snapshot: undefined,
    answers: undefined,
    counters,
    cookies: undefined,
    cookie: COOKIE_ABSENT,
    kind: KIND_ERROR,
    zoneEde: EDE_NONE,
    rateLimiter: createRateLimiter(seed),
    query: createQuery(),
    reply: createReply(),
    result: createLookupResult(),
    cursor: { name: 0, apex: 0 },
    place: createPlace(),
  };
}

/**
 * Serves another snapshot from the next query on; `health` is that of its endpoints, in
 * their order; a missing word counts as up. A row of counters with room for them may come along.
 */
export function setSnapshot(
  state: WorkerState,
  snapshot: Snapshot,
  health: HealthWords,
  counters: CounterRow = state.counters,
): void {
  state.answers = buildAnswers(snapshot, health);
  state.snapshot = snapshot;
  state.counters = counters;
}

/**
 * Takes over new health. Those of another generation than the snapshot's are ignored, for
 * their indexes mean other endpoints. Returns whether they were taken.
 */
export function setHealth(state: WorkerState, health: HealthWords, generation: number): boolean {
  const { snapshot, answers } = state;
  if (snapshot === undefined || answers === undefined) return false;
  if (generation !== snapshot.generation) return false;
  if (health.words.length < snapshot.endpoints.length) return false;
  updateAnswers(answers, health);
  return true;
}
