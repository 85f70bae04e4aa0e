import { z } from 'zod';
import type { EndpointHealth } from '../health/endpoint-health.ts';
import type { EndpointLife } from '../health/endpoint-life.ts';
import type { Override } from '../health/override.ts';
import type { Judgement } from '../health/quorum.ts';
import { createHealthPublisher } from './health-publisher.ts';
import {
  adoptWorld,
  type BoardState,
  datedRows,
  emptyState,
  evaluateRows,
  rowStatus,
  STOOD_STILL_MS,
} from './health-rows.ts';
import type { HealthEvent, HealthTable, HealthTableDeps, HeldJudgement } from './health-table.ts';
import { regionSights } from './region-sights.ts';

/** The table without its timers: what each row is, evaluated when something that it reads changed. */
export type HealthBoard = Omit<HealthTable, 'close'> & {
  overrides(): readonly Override[];
  /** Looks for what time alone has changed. */
  sweep(): void;
  /** Evaluates rows again; all of them by default. */
  refresh(indexes?: Iterable<number>): void;
  close(): void;
};

export function createHealthBoard({ clock, faultsOf, onChange }: HealthTableDeps): HealthBoard {
  const state = emptyState();
  const publisher = createHealthPublisher<HealthEvent>(clock, onChange);
  const publish = (index: number): void => {
    const { health, near } = state.rows[index]!;
    publisher.put(index, health.word, wordsOf(near));
  };
  const refresh = (indexes: Iterable<number> = state.rows.keys()): void => {
    const nowMs = clock.nowMs();
    const { changed, events } = evaluateRows(state, indexes, nowMs);
    for (const index of changed) publish(index);
    publisher.tell(events);
  };
  return {
    words: publisher.words,
    overrides: () => state.overrides,
    refresh,
    setEndpoints(next) {
      adoptWorld(state, next, clock.nowMs());
      publisher.reset(state.rows.length);
      const { changed } = evaluateRows(state, state.rows.keys(), clock.nowMs());
      for (const index of changed) publish(index);
      return publisher.settle();
    },
    ...createEars(state, clock, refresh),
    setOverrides(next) {
      state.overrides = next;
      refresh();
    },
    sweep() {
      const nowMs = clock.nowMs();
      if (nowMs - state.sweptAtMs > STOOD_STILL_MS) state.backlogUntilMs = nowMs + BACKLOG_MS;
      state.sweptAtMs = nowMs;
      refresh(datedRows(state, nowMs));
    },
    status: (name) => rowStatus(state, name, clock.nowMs(), faultsOf),
    reports: () =>
      state.book.reports().filter(({ heardAtMs, leaseMs }) => clock.nowMs() - heardAtMs <= leaseMs),
    regionSights: (vantage) => regionSights(state, vantage, clock.nowMs()),
    exportState: () => ({
      judgements: Object.fromEntries(state.judgements),
      lives: Object.fromEntries(state.rows.map(({ endpoint, life }) => [endpoint.name, life])),
    }),
    importState(saved) {
      const parsed = savedSchema.safeParse(saved);
      if (!parsed.success) return;
      // A clock that was set back since must not keep the past alive.
      const nowMs = clock.nowMs();
      const judgements = Object.entries(parsed.data.judgements).map(
        ([id, each]) => [id, { ...each, decidedAtMs: Math.min(each.decidedAtMs, nowMs) }] as const,
      );
      state.judgements = new Map(judgements);
      state.freshUntilMs = Number.POSITIVE_INFINITY;
      const lives = Object.entries(parsed.data.lives).map(
        ([name, life]) => [name, lifeBefore(life, nowMs)] as const,
      );
      state.savedLives = new Map(lives);
    },
    wake() {
      if (state.freshUntilMs > 0) state.freshUntilMs = clock.nowMs() + FRESH_MS;
    },
    close: publisher.close,
  };
}

/** All nodes that are there have said what they see after so long. */
const FRESH_MS = 2000;
/** What was said while this process stood still is read after so long. */
const BACKLOG_MS = 300;

type Ears = Pick<
  HealthBoard,
  'observe' | 'withdraw' | 'hear' | 'report' | 'heldJudgements' | 'hearJudgement'
>;

/** What comes in from vantage points, balancers and other nodes. */
function createEars(
  state: BoardState,
  clock: HealthTableDeps['clock'],
  refresh: (indexes: Iterable<number>) => void,
): Ears {
  const refreshKeys = (keys: readonly string[]): void => {
    const indexes = new Set(keys.flatMap((key) => state.rowsBy.key.get(key) ?? []));
    if (indexes.size > 0) refresh(indexes);
  };
  return {
    observe(statement) {
      const indexes = state.rowsBy.key.get(statement.key);
      if (indexes === undefined) return;
      if (state.book.put(statement, clock.nowMs())) refresh(indexes);
    },
    withdraw(vantage, key) {
      if (state.book.withdraw(vantage, key)) refreshKeys([key]);
    },
    hear: (word) => refreshKeys(state.book.hear(word)),
    report(report) {
      if (!state.book.report(report, clock.nowMs())) return;
      refresh(state.rowsBy.region.get(report.region) ?? []);
    },
    heldJudgements: () => heldIn(state.judgements),
    hearJudgement({ decidedAtMs, health, id }) {
      const ours = state.judgements.get(id);
      if (ours === undefined || !ours.isHeld) return;
      const margin = health === ours.health ? ECHO_MS : 0;
      if (ours.health !== 'unknown' && ours.decidedAtMs + margin >= decidedAtMs) return;
      state.judgements.set(id, { ...ours, health, decidedAtMs });
      refresh(state.rowsBy.id.get(id) ?? []);
    },
  };
}

/**
 * Ages grow younger by the time that the telling takes. Two nodes that hold the same would tell it to
 * and fro, a little later each time, and never let go; so the same must be later by more than that.
 */
const ECHO_MS = 10_000;

const savedSchema = z.object({
  judgements: z.record(
    z.string(),
    z.object({
      health: z.enum(['up', 'down', 'unknown']),
      decidedAtMs: z.number(),
      reason: z.string(),
      ttlSeconds: z.number(),
      slow: z.boolean(),
      isHeld: z.boolean(),
    }),
  ),
  lives: z.record(
    z.string(),
    z.object({
      downSinceMs: z.number().optional(),
      isOut: z.boolean(),
      returnedAtMs: z.number().optional(),
    }),
  ),
});

function lifeBefore(
  { downSinceMs, isOut, returnedAtMs }: EndpointLife,
  nowMs: number,
): EndpointLife {
  const before = (ms: number | undefined): number | undefined =>
    ms === undefined ? undefined : Math.min(ms, nowMs);
  return { isOut, downSinceMs: before(downSinceMs), returnedAtMs: before(returnedAtMs) };
}

function wordsOf(near: ReadonlyMap<number, EndpointHealth>): ReadonlyMap<number, number> {
  return new Map([...near].map(([region, { word }]) => [region, word]));
}

function heldIn(judgements: ReadonlyMap<string, Judgement>): readonly HeldJudgement[] {
  const held: HeldJudgement[] = [];
  for (const [id, { decidedAtMs, health, isHeld }] of judgements) {
    if (isHeld && health !== 'unknown') held.push({ id, health, decidedAtMs });
  }
  return held;
}
