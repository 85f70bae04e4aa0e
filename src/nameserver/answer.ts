/**
 * Snapshot and health words -> answers, ready to be copied: for each map and class, the outcomes of
 * its decision as cumulative thresholds of a 32-bit draw, with their records as wire bytes (body.ts).
 * It runs between two batches when health changes; queries only read it.
 */
import { TYPE_A, TYPE_AAAA, TYPE_CNAME, TYPE_HTTPS, TYPE_SVCB } from '../dns/constants.ts';
import { changedEndpoints, type HealthWords, type WordOf, wordOf } from '../health/health-words.ts';
import { type DecideState, type Decision, decide, type Stage } from '../steering/decide.ts';
import { classTiers } from '../steering/map.ts';
import { compilePolicy, type Policy } from '../steering/policy.ts';
import type { Candidate, Tiers } from '../steering/step.ts';
import {
  type Bodies,
  type Body,
  type BodySignatures,
  bodyOf,
  INTERNED_BODIES_MAX,
} from './body.ts';
import type { Snapshot, SteeringMap } from './snapshot.ts';

export type OutcomeAnswer = {
  /** The outcome's first endpoint, which the answer is counted for; -1 = sorry addresses. */
  readonly endpoint: number;
  readonly body4: Body;
  readonly body6: Body;
  /** For names that are aliases, and for HTTPS and SVCB; empty where the map has none. */
  readonly alias: Body;
  readonly https: Body;
  readonly svcb: Body;
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
  readonly bodies: Bodies;
};

/**
 * All answers of a snapshot in this state of health. An endpoint without a word counts as up.
 * @param signatures of its bodies, as far as they are made
 */
export function buildAnswers(
  snapshot: Snapshot,
  health: HealthWords,
  signatures: BodySignatures = new Map(),
): AnswerTable {
  const table: AnswerTable = {
    snapshot,
    health,
    maps: snapshot.maps.map((map) => {
      const policy = compilePolicy(map.chain);
      const candidates = map.candidates.map((endpoint) => candidateOf(snapshot, endpoint));
      const tiers = map.classes.classes.map((entry) => classTiers(entry, candidates));
      return { map, policy, tiers, classes: [] };
    }),
    bodies: { known: new Map(), signatures, knownMax: INTERNED_BODIES_MAX },
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
  if (table.bodies.known.size > table.bodies.knownMax) forgetBodies(table);
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

/** All that is not answered now, but for what has been signed. */
function forgetBodies({ bodies, maps }: AnswerTable): void {
  const { known, signatures } = bodies;
  const used = new Set<string>();
  for (const { classes } of maps) {
    for (const { stages } of classes) {
      for (const { outcomes } of stages) {
        for (const { alias, body4, body6, https, svcb } of outcomes) {
          for (const { key } of [alias, body4, body6, https, svcb]) used.add(key);
        }
      }
    }
  }
  for (const key of known.keys()) if (!used.has(key)) known.delete(key);
  // A body that is answered holds its own, to which signatures may yet come.
  for (const [key, made] of signatures) {
    if (made.size === 0 && !used.has(key)) signatures.delete(key);
  }
  // Where many are in use, not again with every change.
  bodies.knownMax = Math.max(INTERNED_BODIES_MAX, 2 * known.size);
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

function decideClass(table: AnswerTable, answers: MapAnswers, index: number, word: WordOf): void {
  const { map, policy, tiers } = answers;
  const { near } = map.classes.classes[index]!;
  const decision = decide(policy, tiers[index]!, decideState(map, word, near));
  const { stages, ttlSeconds } = decision;
  answers.classes[index] = {
    decision,
    ttlSeconds,
    stageBounds: thresholdsOf(stages.map(({ share }) => share)),
    stages: stages.map((stage) => stageAnswer(table, map, stage)),
  };
}

function stageAnswer(
  { bodies, snapshot }: AnswerTable,
  map: SteeringMap,
  { outcomes }: Stage,
): StageAnswer {
  const lists = outcomes.map(({ candidates }) => candidates.map(({ endpoint }) => endpoint));
  if (lists.length === 0) lists.push([]);
  return {
    thresholds: thresholdsOf(outcomes.map(({ share }) => share)),
    outcomes: lists.map((endpoints) => {
      const body = (type: number): Body => bodyOf(bodies, snapshot, map, endpoints, type);
      return {
        endpoint: endpoints[0] ?? -1,
        body4: body(TYPE_A),
        body6: body(TYPE_AAAA),
        alias: body(TYPE_CNAME),
        https: body(TYPE_HTTPS),
        svcb: body(TYPE_SVCB),
      };
    }),
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

/** Index of the outcome that a 32-bit draw falls on, signed or unsigned. */
export function outcomeOf(thresholds: Uint32Array, draw: number): number {
  const last = thresholds.length - 1;
  const drawn = draw >>> 0;
  let index = 0;
  while (index < last && drawn >= thresholds[index]!) index++;
  return index;
}
