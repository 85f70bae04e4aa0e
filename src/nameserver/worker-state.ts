import { COOKIE_ABSENT, type CookieSecrets, type CookieWord } from '../dns/cookie.ts';
import { EDE_NONE } from '../dns/edns.ts';
import { createReply, type Reply } from '../dns/encode.ts';
import { createQuery, type Query } from '../dns/message.ts';
import { NAME_LENGTH_MAX } from '../dns/name.ts';
import type { CounterRow } from '../telemetry/counters.ts';
import { CNAME_CHAIN_MAX, createLookupResult, type LookupResult } from '../zone/lookup.ts';
import type { ZoneSignatures } from '../zone/signatures.ts';
import { type AnswerTable, buildAnswers, updateAnswers } from './answer.ts';
import {
  type BodySignatures,
  createBodySignatures,
  keepSignatures,
  replaceSignatures,
} from './body.ts';
import type { ColdSigner } from './cold-signer.ts';
import { createLearnedRecords, type Learned, type LearnedRecords } from './learned.ts';
import { forgetAnswers, type PacketCache } from './packet-cache.ts';
import { createPlace, type Place } from './place.ts';
import { NOTHING_PREPARED, type PreparedTable } from './prepared.ts';
import {
  createRateLimiter,
  KIND_ERROR,
  type RateLimiter,
  type ResponseKind,
} from './rate-limit.ts';
import type { Cursor } from './records.ts';
import type { ServedHealth } from './served-health.ts';
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
  /** Of the snapshot; undefined = nothing is signed, or it cannot be answered with signatures yet. */
  signatures: ZoneSignatures | undefined;
  readonly bodySignatures: BodySignatures;
  /** Who signs what nobody foresaw; undefined = such answers are left to others (respond.ts). */
  signer: ColdSigner | undefined;
  /** What others have signed for this worker under such names. */
  readonly learned: LearnedRecords;
  /** The answer under way is to have signatures: the client wants them, or nothing else. */
  wantsSigned: boolean;
  /** The answer under way needs a signature that is not there. */
  isCold: boolean;
  /** Proofs that the answer under way ends with: links of pairs of a chain (covering.ts). */
  readonly proofs: Int32Array;
  proofCount: number;
  /** A name that is spelled out. */
  readonly spelled: Uint8Array;
  readonly rateLimiter: RateLimiter;
  /** Undefined = each answer is composed anew, as by who has the keys. */
  cache: PacketCache | undefined;
  readonly query: Query;
  readonly reply: Reply;
  readonly result: LookupResult;
  readonly cursor: Cursor;
  readonly place: Place;
};

/** One for each alias, and two for the name that they lead to (RFC 4035 3.1.3). */
const PROOFS_MAX = CNAME_CHAIN_MAX + 2;

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
    signatures: undefined,
    bodySignatures: createBodySignatures(),
    signer: undefined,
    learned: createLearnedRecords(seed),
    wantsSigned: false,
    isCold: false,
    proofs: new Int32Array(PROOFS_MAX),
    proofCount: 0,
    spelled: new Uint8Array(NAME_LENGTH_MAX + 2),
    rateLimiter: createRateLimiter(seed),
    cache: undefined,
    query: createQuery(),
    reply: createReply(),
    result: createLookupResult(),
    cursor: { name: 0, apex: 0 },
    place: createPlace(seed),
  };
}

/**
 * Serves another snapshot from the next query on; `health` is that of its endpoints, in
 * their order; a missing word counts as up. A row of counters with room for them may come along.
 */
export function setSnapshot(
  state: WorkerState,
  snapshot: Snapshot,
  health: ServedHealth,
  counters: CounterRow = state.counters,
): void {
  const { bodySignatures } = state;
  const [prepared = NOTHING_PREPARED, ...added] = snapshot.prepared;
  bodySignatures.known.clear();
  state.learned.clear();
  forget(state);
  replaceSignatures(bodySignatures, prepared);
  for (const each of added) keepSignatures(bodySignatures, each);
  state.signatures = snapshot.signatures;
  // What is behind it would be kept until the next client is placed.
  state.place.table = undefined;
  state.answers = buildAnswers(snapshot, health, bodySignatures);
  state.snapshot = snapshot;
  state.counters = counters;
}

/**
 * Takes over new health. Those of another generation than the snapshot's are ignored, for
 * their indexes mean other endpoints. Returns whether they were taken.
 */
export function setHealth(state: WorkerState, health: ServedHealth, generation: number): boolean {
  const { snapshot, answers } = state;
  if (snapshot === undefined || answers === undefined) return false;
  if (generation !== snapshot.generation) return false;
  if (health.words.length < snapshot.endpoints.length) return false;
  updateAnswers(answers, health);
  return true;
}

/**
 * Takes over signatures that were made for what is served; those of another generation are ignored.
 * @param signatures renewed ones, and with them all that is prepared; undefined = something is added
 */
export function addSignatures(
  state: WorkerState,
  generation: number,
  signatures: ZoneSignatures | undefined,
  prepared: PreparedTable,
): void {
  const { snapshot } = state;
  if (generation !== snapshot?.generation) return;
  forget(state);
  if (signatures !== undefined) {
    // So that what they replace is held by nobody.
    state.snapshot = { ...snapshot, signatures, prepared: [prepared] };
    state.signatures = signatures;
    state.learned.clear();
    replaceSignatures(state.bodySignatures, prepared);
  } else keepSignatures(state.bodySignatures, prepared);
}

/** Takes over what was signed for an answer of this worker; of another generation it is ignored. */
export function learn(
  { learned, snapshot }: WorkerState,
  generation: number,
  news: readonly Learned[],
): void {
  // Nothing that is in the packet cache waited for it.
  if (generation !== snapshot?.generation) return;
  for (const one of news) learned.learn(one);
}

function forget({ cache }: WorkerState): void {
  if (cache !== undefined) forgetAnswers(cache);
}
