/**
 * Snapshot and health words -> answers, ready to be copied: for each map and class, the outcomes of
 * its decision as cumulative thresholds of a 32-bit draw, with their records as wire bytes (body.ts).
 *
 * A class is decided by the first query that needs it, and again by the first one after a change of one
 * of the endpoints that its decision involves. So neither a flip nor a snapshot holds up queries, however
 * many names and classes there are, and what nobody asks for costs nothing (docs/decisions/0026-flips.md).
 */
import { sharesOf } from '../capacity/slots-table.ts';
import { changedEndpoints, type WordOf, wordOf } from '../health/health-words.ts';
import {
  type ClassEntry,
  type ClassList,
  classCount,
  classEntry,
  classVariant,
  leafCount,
  tierCount,
  tierPlace,
} from '../steering/class-list.ts';
import { type DecideState, decide, type Stage } from '../steering/decide.ts';
import type { Part } from '../steering/parts.ts';
import { compilePolicy, type Policy } from '../steering/policy.ts';
import type { Candidate, DrawMode } from '../steering/step.ts';
import {
  type Bodies,
  type BodySignatures,
  createBodySignatures,
  forgetBodies,
  INTERNED_BODIES_MAX,
} from './body.ts';
import { slotsOf, stagesText, thresholdsOf } from './dealing.ts';
import { mapAt, mapCount } from './map-table.ts';
import { OutcomeAnswer, SORRY } from './outcome-answer.ts';
import type { ServedHealth } from './served-health.ts';
import type { Snapshot, SteeringMap } from './snapshot.ts';
import { classKey, plannedEndpoints, talliesOf } from './tallies.ts';

/** What each query reads is first, and nothing of it is a number that lies elsewhere in memory. */
export type ClassAnswer = {
  /** The latest of the table's epochs that it is known to be right in. */
  epoch: number;
  /** No time window opens or closes. */
  readonly isLasting: boolean;
  /** By slot of clients (slotOf()) the index of their part; undefined = all have one. */
  readonly slots: Uint16Array | undefined;
  readonly parts: readonly PartAnswer[];
  /** Where its queries are counted: the slot of endpoint 0; 0 = they are not (tallies.ts). */
  readonly tally: number;
  readonly ttlSeconds: number;
  /** Some client networks are answered otherwise than others of the class for more than a slow return. */
  readonly isBucketed: boolean;
  /** Milliseconds since the epoch; Infinity = it is lasting. */
  readonly untilMs: number;
  /** Endpoints whose change could change it. */
  readonly involved: readonly number[];
};
export type PartAnswer = {
  readonly draw: DrawMode;
  /** Outcome i is drawn below thresholds[i] and not below the one before; the last has no bound. */
  readonly thresholds: Uint32Array;
  readonly outcomes: readonly OutcomeAnswer[];
};

export type MapAnswers = {
  readonly map: SteeringMap;
  /** Those that were asked for; classAnswer() knows whether they are still right. */
  classes: (ClassAnswer | undefined)[];
  /** By variant of the policy, where it has one chain. */
  decisions: Decisions[];
  /** By variant and all tiers, where it has several. */
  readonly forked: Map<string, ClassAnswer>;
  /** The latest one with each first endpoint: the next state has mostly the same. */
  readonly outcomes: Map<number, OutcomeAnswer>;
  /** By their text (stagesText()): classes that are told apart by a plan mostly share them, and so do queries. */
  readonly parts: Map<string, readonly PartAnswer[]>;
  /** Of tallies.ts, and of share-tallies.ts with the number of classes. */
  readonly tallyBase: number;
  readonly shareBase: number;
  readonly classCount: number;
};

/**
 * By the tiers of a class, one after the other: mostly the first one decides, and then so many classes have one
 * answer that a change is done with when a few have been decided. A tier is known by its place (tierPlace()).
 */
type Decisions = {
  /** Of all classes whose tiers begin with those that lead here, whatever comes after them. */
  begun: ClassAnswer | undefined;
  /** Of the classes that have no others. */
  whole: ClassAnswer | undefined;
  next: Map<number, Decisions> | undefined;
};

export type AnswerTable = {
  readonly snapshot: Snapshot;
  health: ServedHealth;
  /** Reads `health`. */
  word: WordOf;
  /** Counts up with every state of health. */
  epoch: number;
  /** By endpoint: the epoch that its word is of. */
  readonly changedAt: Float64Array;
  /** By map index, those that were asked for: mapAnswers() makes the others. */
  readonly maps: (MapAnswers | undefined)[];
  /** By endpoint. */
  readonly candidates: readonly Candidate[];
  readonly policies: Map<SteeringMap['chain'], Policy>;
  readonly bodies: Bodies;
  /** By what they are dealt for: most classes share few of them, and a query touches what it shares. */
  readonly slots: Map<string, Uint16Array>;
  /** By map index (tallies.ts, share-tallies.ts). */
  readonly tallyBases: Int32Array;
  readonly shareBases: Int32Array;
};

/**
 * The answers of a snapshot in this state of health. An endpoint without a word counts as up.
 * @param signatures of its bodies, as far as they are made
 */
export function buildAnswers(
  snapshot: Snapshot,
  health: ServedHealth,
  signatures: BodySignatures = createBodySignatures(),
): AnswerTable {
  const tallies = talliesOf(snapshot);
  return {
    snapshot,
    health,
    word: wordOf(health),
    epoch: 0,
    changedAt: new Float64Array(snapshot.endpoints.length),
    maps: new Array(mapCount(snapshot.maps)).fill(undefined),
    candidates: snapshot.endpoints.map((_, endpoint) => candidateOf(snapshot, endpoint)),
    policies: new Map(),
    bodies: { known: new Map(), signatures },
    slots: new Map(),
    tallyBases: tallies.bases,
    shareBases: tallies.shares.bases,
  };
}

/** Takes over new words. Returns how many endpoints they change something for. */
export function updateAnswers(table: AnswerTable, health: ServedHealth): number {
  const isPlanNew = table.health.slots?.generation !== health.slots?.generation;
  const changed = new Set([
    ...changedEndpoints(table.health, health),
    ...(isPlanNew ? plannedEndpoints(table.snapshot) : []),
    ...changedTrims(table, health.trims),
  ]);
  if (changed.size === 0) return 0;
  table.health = health;
  table.word = wordOf(health);
  table.epoch += 1;
  for (const endpoint of changed) table.changedAt[endpoint] = table.epoch;
  // Of states that have passed. What is still in use is soon made anew; to look for it would take longer.
  if (table.bodies.known.size > INTERNED_BODIES_MAX) {
    for (const answers of table.maps) {
      if (answers === undefined) continue;
      answers.classes = [];
      answers.decisions = [];
      answers.forked.clear();
      answers.outcomes.clear();
      answers.parts.clear();
    }
    forgetBodies(table.bodies);
  }
  return changed.size;
}

/** Endpoints whose weight is trimmed otherwise than before; all of a pool share what one gets. */
function changedTrims(
  { candidates, health: { trims: before }, snapshot }: AnswerTable,
  now: ServedHealth['trims'],
): readonly number[] {
  if (before === now) return [];
  const pools = new Set<string>();
  for (const name of new Set([...(before?.keys() ?? []), ...(now?.keys() ?? [])])) {
    if (before?.get(name) !== now?.get(name)) pools.add(name.slice(0, name.indexOf('/')));
  }
  const isOf = (endpoint: number): boolean => pools.has(snapshot.endpoints[endpoint]!.pool);
  return [...candidates.keys()].filter(isOf);
}

export function mapAnswers(table: AnswerTable, map: number): MapAnswers {
  return table.maps[map] ?? openAnswers(table, map);
}

function openAnswers(
  { maps, shareBases, snapshot, tallyBases }: AnswerTable,
  map: number,
): MapAnswers {
  const own = mapAt(snapshot.maps, map);
  const opened = {
    map: own,
    classes: [],
    decisions: [],
    forked: new Map(),
    outcomes: new Map(),
    parts: new Map(),
    tallyBase: tallyBases[map]!,
    shareBase: shareBases[map]!,
    classCount: classCount(own.classes.classes),
  };
  maps[map] = opened;
  return opened;
}

/** What the clients of a class are answered now in the table's state of health, wholly. */
export function classAnswer(
  table: AnswerTable,
  map: number,
  classId: number,
  nowMs: number,
): ClassAnswer {
  const known = table.maps[map]?.classes[classId];
  return known !== undefined &&
    known.epoch === table.epoch &&
    (known.isLasting || nowMs < known.untilMs)
    ? known
    : renewed(table, map, classId, nowMs, known);
}

/** The answers of all classes of a map. For those who have time. */
export function classAnswers(
  table: AnswerTable,
  map: number,
  nowMs: number,
): readonly ClassAnswer[] {
  const count = classCount(mapAnswers(table, map).map.classes.classes);
  return Array.from({ length: count }, (_, classId) => classAnswer(table, map, classId, nowMs));
}

function renewed(
  table: AnswerTable,
  map: number,
  classId: number,
  nowMs: number,
  known: ClassAnswer | undefined,
): ClassAnswer {
  if (known !== undefined && isRight(table, known, nowMs)) return known;
  const answers = mapAnswers(table, map);
  const answer =
    decidedAnswer(table, answers, classId, nowMs) ?? decideClass(table, answers, classId, nowMs);
  answers.classes[classId] = answer;
  return answer;
}

/** What was decided for another class with the same tiers, as far as they matter. */
function decidedAnswer(
  table: AnswerTable,
  { decisions, forked, map }: MapAnswers,
  classId: number,
  nowMs: number,
): ClassAnswer | undefined {
  const { classes } = map.classes;
  if (leafCount(classes, classId) > 1) {
    const known = forked.get(forkKey(classes, classId));
    return known !== undefined && isRight(table, known, nowMs) ? known : undefined;
  }
  const count = tierCount(classes, classId);
  let at: Decisions | undefined = decisions[classVariant(classes, classId)];
  if (at === undefined) return undefined;
  for (let index = 0; index < count; index += 1) {
    at = at.next?.get(tierPlace(classes, classId, index));
    if (at === undefined) return undefined;
    if (at.begun !== undefined && isRight(table, at.begun, nowMs)) return at.begun;
  }
  return at.whole !== undefined && isRight(table, at.whole, nowMs) ? at.whole : undefined;
}

function keepDecision(
  { decisions, forked, map }: MapAnswers,
  classId: number,
  searched: number,
  answer: ClassAnswer,
): void {
  const { classes } = map.classes;
  if (leafCount(classes, classId) > 1) {
    forked.set(forkKey(classes, classId), answer);
    return;
  }
  const variant = classVariant(classes, classId);
  decisions[variant] ??= noDecisions();
  let at = decisions[variant];
  for (let index = 0; index < searched; index += 1) {
    const tier = tierPlace(classes, classId, index);
    at.next ??= new Map();
    const next = at.next.get(tier) ?? noDecisions();
    at.next.set(tier, next);
    at = next;
  }
  if (searched < tierCount(classes, classId)) at.begun = answer;
  else at.whole = answer;
}

const noDecisions = (): Decisions => ({ begun: undefined, whole: undefined, next: undefined });

/** Whether the answer is that of the table's epoch, now. */
function isRight(table: AnswerTable, answer: ClassAnswer, nowMs: number): boolean {
  if (nowMs >= answer.untilMs) return false;
  if (answer.epoch !== table.epoch) {
    if (isConcerned(table, answer)) return false;
    answer.epoch = table.epoch;
  }
  return true;
}

/** Whether an endpoint that the answer involves has changed since. */
function isConcerned({ changedAt }: AnswerTable, { epoch, involved }: ClassAnswer): boolean {
  for (let index = 0; index < involved.length; index += 1) {
    if (changedAt[involved[index]!]! > epoch) return true;
  }
  return false;
}

/** The endpoint as the steering steps see it. */
export function candidateOf(
  { endpoints }: Pick<Snapshot, 'endpoints'>,
  endpoint: number,
): Candidate {
  const { location, name, pool, region, weight } = endpoints[endpoint]!;
  return { endpoint, name, label: name.slice(pool.length + 1), region, location, weight };
}

/** What `decide` needs to know for a class of a map. */
export function decideState(
  map: SteeringMap,
  { near, variant }: Pick<ClassEntry, 'near' | 'variant'>,
  word: WordOf,
  { slots, trims }: Pick<ServedHealth, 'slots' | 'trims'>,
  nowMs: number | undefined,
): DecideState {
  const area = map.classes.areas[map.classes.variants[variant]!.area];
  const key = area && classKey(map.pool, area.key);
  return {
    ...(trims && { trims }),
    ...(slots && key !== undefined && { plannedFor: (isOpen) => sharesOf(slots, key, isOpen) }),
    ...(nowMs === undefined ? {} : { nowMs }),
    word: (endpoint) => word(endpoint, near),
    panicThreshold: map.panicThreshold,
    hasSorry: map.sorry4.length + map.sorry6.length > 0,
    ttlMinSeconds: map.ttlMinSeconds,
    ttlMaxSeconds: map.ttlMaxSeconds,
  };
}

function decideClass(
  table: AnswerTable,
  answers: MapAnswers,
  classId: number,
  nowMs: number,
): ClassAnswer {
  const { candidates, epoch, health, word } = table;
  const { map, tallyBase } = answers;
  const entry = classEntry(map.classes.classes, classId);
  const { area, parts } = map.classes.variants[entry.variant]!;
  const { leaves } = entry;
  const preference = {
    parts,
    leaves: leaves.map((tiers) =>
      tiers.map((tier) => tier.map((endpoint) => candidates[endpoint]!)),
    ),
  };
  const state = decideState(map, entry, word, health, nowMs);
  const decision = decide(policyOf(table, map), preference, state);
  const { involved, searched, stages, ttlSeconds, untilMs } = decision;
  const answer = {
    epoch,
    isLasting: untilMs === Number.POSITIVE_INFINITY,
    slots: sharedSlots(table, stages),
    parts: partAnswers(table, answers, stages),
    tally: tallyBase === 0 ? 0 : tallyBase + area * map.candidates.length,
    ttlSeconds,
    isBucketed: stages.some((stage) => stage.parts.length > 1),
    ...{ untilMs, involved },
  };
  // Else it may be that of clients near one region only.
  if (health.exceptions.length === 0) keepDecision(answers, classId, searched, answer);
  return answer;
}

/** Those that are known; to deal them out takes milliseconds where there are many parts. */
function sharedSlots({ slots }: AnswerTable, stages: readonly Stage[]): Uint16Array | undefined {
  const key = stagesText(stages, false);
  const known = slots.get(key);
  if (known !== undefined) return known;
  const dealt = slotsOf(stages);
  if (dealt === undefined) return undefined;
  // Those in use are held by their answers.
  if (slots.size >= SLOTS_SHARED_MAX) slots.clear();
  slots.set(key, dealt);
  return dealt;
}

/** Eight megabytes. */
const SLOTS_SHARED_MAX = 4096;

/** What tells decisions of a policy with several chains apart. */
function forkKey(classes: ClassList, classId: number): string {
  const { leaves, variant } = classEntry(classes, classId);
  return `${variant};${leaves.map((tiers) => tiers.map(String).join('|')).join(';')}`;
}

/** Names of one policy share its chain. */
function policyOf({ policies }: AnswerTable, { chain }: SteeringMap): Policy {
  const known = policies.get(chain);
  if (known !== undefined) return known;
  const policy = compilePolicy(chain);
  policies.set(chain, policy);
  return policy;
}

function partAnswers(
  table: AnswerTable,
  answers: MapAnswers,
  stages: readonly Stage[],
): readonly PartAnswer[] {
  const text = stagesText(stages, true);
  const known = answers.parts.get(text);
  if (known !== undefined) return known;
  const made = stages.flatMap(({ parts }) => parts.map((part) => partAnswer(table, answers, part)));
  if (answers.parts.size >= PARTS_SHARED_MAX) answers.parts.clear();
  answers.parts.set(text, made);
  return made;
}

const PARTS_SHARED_MAX = 1024;

function partAnswer(table: AnswerTable, answers: MapAnswers, { draw, outcomes }: Part): PartAnswer {
  const lists = outcomes.length === 0 ? [[]] : outcomes.map(({ candidates }) => candidates);
  return {
    draw,
    thresholds: thresholdsOf(outcomes.map(({ share }) => share)),
    outcomes: lists.map((candidates) => outcomeAnswer(table, answers, candidates)),
  };
}

function outcomeAnswer(
  { bodies, snapshot }: AnswerTable,
  { map, outcomes }: MapAnswers,
  candidates: readonly Candidate[],
): OutcomeAnswer {
  const first = candidates[0]?.endpoint ?? SORRY;
  const known = outcomes.get(first);
  if (known?.isOf(candidates)) return known;
  const made = new OutcomeAnswer(bodies, snapshot, map, candidates);
  outcomes.set(first, made);
  return made;
}
