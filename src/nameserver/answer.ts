/**
 * Snapshot and health words -> answers, ready to be copied: for each map and class, the outcomes of
 * its decision as cumulative thresholds of a 32-bit draw, with the address records of both families
 * as wire bytes. Bodies are interned by addresses and TTL, so names, maps and classes with the same
 * answer share its bytes. It runs between two batches when health changes; queries only read it.
 */
import { CLASS_IN, HEADER_LENGTH, POINTER_BITS, TYPE_A, TYPE_AAAA } from '../dns/constants.ts';
import { changedEndpoints, type HealthWords, type WordOf, wordOf } from '../health/health-words.ts';
import { type DecideState, type Decision, decide, type Stage } from '../steering/decide.ts';
import { classTiers } from '../steering/map.ts';
import { compilePolicy, type Policy } from '../steering/policy.ts';
import type { Candidate, Tiers } from '../steering/step.ts';
import type { Snapshot, SnapshotEndpoint, SteeringMap } from './snapshot.ts';

/** Records of one family in one answer; those of the first candidates stay. */
export const ADDRESSES_MAX = 64;
/** Bodies kept for reuse before the interner starts anew; those in use live on. */
export const INTERNED_BODIES_MAX = 20_000;

/** Bytes of an A and of an AAAA record whose owner is a pointer. */
export const RECORD_LENGTH_A = 16;
export const RECORD_LENGTH_AAAA = 28;

/** Address records, owned by the question's name (pointer 0xC00C). */
export type Body = {
  readonly bytes: Uint8Array;
  readonly records: number;
  /** Of all records. */
  readonly ttlSeconds: number;
};

export type OutcomeAnswer = {
  /** The outcome's first endpoint, which the answer is counted for; -1 = sorry addresses. */
  readonly endpoint: number;
  readonly body4: Body;
  readonly body6: Body;
};

export type ClassAnswer = {
  readonly decision: Decision;
  readonly ttlSeconds: number;
  /** Stage i is for clients whose sticky draw is below stageBounds[i] and not below the one before. */
  readonly stageBounds: Uint32Array;
  /** One, but while something returns slowly. */
  readonly stages: readonly StageAnswer[];
};
export type StageAnswer = {
  /** Outcome i is drawn below thresholds[i] and not below the one before; the last has no bound. */
  readonly thresholds: Uint32Array;
  readonly outcomes: readonly OutcomeAnswer[];
};

export type MapAnswers = {
  readonly map: SteeringMap;
  readonly policy: Policy;
  readonly tiers: readonly Tiers[];
  readonly classes: ClassAnswer[];
};

export type AnswerTable = {
  readonly snapshot: Snapshot;
  health: HealthWords;
  /** By map index. */
  readonly maps: readonly MapAnswers[];
  readonly interned: Map<string, Body>;
};

/** All answers of a snapshot in this state of health. An endpoint without a word counts as up. */
export function buildAnswers(snapshot: Snapshot, health: HealthWords): AnswerTable {
  const table: AnswerTable = {
    snapshot,
    health,
    maps: snapshot.maps.map((map) => {
      const policy = compilePolicy(map.chain);
      const candidates = map.candidates.map((endpoint) => candidateOf(snapshot, endpoint));
      const tiers = map.classes.classes.map((entry) => classTiers(entry, candidates));
      return { map, policy, tiers, classes: [] };
    }),
    interned: new Map(),
  };
  const word = wordOf(health);
  for (const answers of table.maps) {
    for (let index = 0; index < answers.tiers.length; index++) {
      decideClass(table, answers, index, word);
    }
  }
  return table;
}

/**
 * Takes over new words in place and evaluates the classes again whose decision involves an
 * endpoint that changed. Returns how many those were.
 */
export function updateAnswers(table: AnswerTable, health: HealthWords): number {
  const changed = changedEndpoints(table.health, health);
  if (changed.size === 0) return 0;
  table.health = health;
  const word = wordOf(health);
  if (table.interned.size > INTERNED_BODIES_MAX) table.interned.clear();
  let evaluated = 0;
  for (const answers of table.maps) {
    for (const [index, { decision }] of answers.classes.entries()) {
      if (!decision.involved.some((endpoint) => changed.has(endpoint))) continue;
      decideClass(table, answers, index, word);
      evaluated++;
    }
  }
  return evaluated;
}

/** The endpoint as the steering steps see it. */
export function candidateOf(
  { endpoints }: Pick<Snapshot, 'endpoints'>,
  endpoint: number,
): Candidate {
  const { name, region, location, weight } = endpoints[endpoint]!;
  return { endpoint, name, region, location, weight };
}

/** What `decide` needs to know for a class of a map. */
export function decideState(map: SteeringMap, word: WordOf, near: number): DecideState {
  return {
    word: (endpoint) => word(endpoint, near),
    panicThreshold: map.panicThreshold,
    hasSorry: map.sorry4.length + map.sorry6.length > 0,
    ttlMinSeconds: map.ttlMinSeconds,
    ttlMaxSeconds: map.ttlMaxSeconds,
  };
}

/** The addresses of one family that a list of endpoints answers with; [] = the sorry addresses. */
export function addressesOf(
  snapshot: Snapshot,
  map: SteeringMap,
  endpoints: readonly number[],
  family: 4 | 6,
): readonly Uint8Array[] {
  const ofEndpoint = ({ v4, v6 }: SnapshotEndpoint): readonly Uint8Array[] =>
    family === 4 ? v4 : v6;
  const all =
    endpoints.length > 0
      ? endpoints.flatMap((endpoint) => ofEndpoint(snapshot.endpoints[endpoint]!))
      : family === 4
        ? map.sorry4
        : map.sorry6;
  const distinct = new Map(all.map((address) => [address.join(' '), address]));
  return [...distinct.values()].slice(0, ADDRESSES_MAX);
}

function decideClass(table: AnswerTable, answers: MapAnswers, index: number, word: WordOf): void {
  const { map, policy, tiers } = answers;
  const { near } = map.classes.classes[index]!;
  const decision = decide(policy, tiers[index]!, decideState(map, word, near));
  const { stages, ttlSeconds } = decision;
  answers.classes[index] = {
    decision,
    ttlSeconds,
    stageBounds: thresholdsOf(stages.map(({ share }) => share)),
    stages: stages.map((stage) => stageAnswer(table, map, stage, ttlSeconds)),
  };
}

function stageAnswer(
  table: AnswerTable,
  map: SteeringMap,
  { outcomes }: Stage,
  ttlSeconds: number,
): StageAnswer {
  const lists = outcomes.map(({ candidates }) => candidates.map(({ endpoint }) => endpoint));
  if (lists.length === 0) lists.push([]);
  return {
    thresholds: thresholdsOf(outcomes.map(({ share }) => share)),
    outcomes: lists.map((endpoints) => ({
      endpoint: endpoints[0] ?? -1,
      body4: bodyOf(table, map, endpoints, 4, ttlSeconds),
      body6: bodyOf(table, map, endpoints, 6, ttlSeconds),
    })),
  };
}

/** Upper ends of the outcomes' parts of the 32-bit range. */
export function thresholdsOf(shares: readonly number[]): Uint32Array {
  const thresholds = new Uint32Array(Math.max(1, shares.length));
  let sum = 0;
  for (const [index, share] of shares.entries()) {
    sum += share;
    thresholds[index] = Math.min(0xffffffff, Math.round(sum * 2 ** 32));
  }
  return thresholds;
}

/** Index of the outcome that a 32-bit draw falls on. */
export function outcomeOf(thresholds: Uint32Array, draw: number): number {
  const last = thresholds.length - 1;
  let index = 0;
  while (index < last && draw >= thresholds[index]!) index++;
  return index;
}

function bodyOf(
  table: AnswerTable,
  map: SteeringMap,
  endpoints: readonly number[],
  family: 4 | 6,
  ttlSeconds: number,
): Body {
  const addresses = addressesOf(table.snapshot, map, endpoints, family);
  const key = `${family} ${ttlSeconds} ${addresses.join(' ')}`;
  const known = table.interned.get(key);
  if (known !== undefined) return known;
  const body = encodeBody(addresses, family === 4 ? TYPE_A : TYPE_AAAA, ttlSeconds);
  table.interned.set(key, body);
  return body;
}

function encodeBody(addresses: readonly Uint8Array[], type: number, ttlSeconds: number): Body {
  const stride = type === TYPE_A ? RECORD_LENGTH_A : RECORD_LENGTH_AAAA;
  const bytes = new Uint8Array(addresses.length * stride);
  const view = new DataView(bytes.buffer);
  for (const [index, address] of addresses.entries()) {
    const at = index * stride;
    view.setUint16(at, (POINTER_BITS << 8) | HEADER_LENGTH);
    view.setUint16(at + 2, type);
    view.setUint16(at + 4, CLASS_IN);
    view.setUint32(at + 6, ttlSeconds);
    view.setUint16(at + 10, address.length);
    bytes.set(address, at + 12);
  }
  return { bytes, records: addresses.length, ttlSeconds };
}
