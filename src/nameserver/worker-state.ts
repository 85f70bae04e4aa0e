import { createReply, type Reply } from '../dns/encode.ts';
import { createQuery, type Query } from '../dns/message.ts';
import type { CounterRow } from '../telemetry/counters.ts';
import { createLookupResult, type LookupResult } from '../zone/lookup.ts';
import { type AnswerTable, buildAnswers, updateAnswers } from './answer.ts';
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
  readonly query: Query;
  readonly reply: Reply;
  readonly result: LookupResult;
  readonly cursor: Cursor;
  /** Where the current query's client is, as the map sees it. */
  readonly place: Place;
};

/** A client's place in a map; one per worker, set by `placeClient`. */
export type Place = {
  classId: number;
  /** SCOPE PREFIX-LENGTH of the response's client subnet. */
  scope: number;
  /** Clients with the same bucket draw alike. */
  bucket: number;
  /** The query's client subnet decided, not the resolver's address. */
  fromSubnet: boolean;
};

/** A worker that has no snapshot yet and answers SERVFAIL. */
export function createWorkerState(counters: CounterRow): WorkerState {
  return {
    snapshot: undefined,
    answers: undefined,
    counters,
    query: createQuery(),
    reply: createReply(),
    result: createLookupResult(),
    cursor: { name: 0, apex: 0 },
    place: createPlace(),
  };
}

export function createPlace(): Place {
  return { classId: 0, scope: 0, bucket: 0, fromSubnet: false };
}

/**
 * Serves another snapshot from the next query on; `words` are its endpoints' health words, in their
 * order. A row of counters with room for its endpoints may come along.
 */
export function setSnapshot(
  state: WorkerState,
  snapshot: Snapshot,
  words: Uint32Array,
  counters: CounterRow = state.counters,
): void {
  state.answers = buildAnswers(snapshot, words);
  state.snapshot = snapshot;
  state.counters = counters;
}

/**
 * Takes over new health words. Words of another generation than the snapshot's are ignored, for
 * their indexes mean other endpoints; returns whether they were taken.
 */
export function setHealth(state: WorkerState, words: Uint32Array, generation: number): boolean {
  const { snapshot, answers } = state;
  if (snapshot === undefined || answers === undefined) return false;
  if (generation !== snapshot.generation || words.length < snapshot.endpoints.length) return false;
  updateAnswers(answers, words);
  return true;
}
