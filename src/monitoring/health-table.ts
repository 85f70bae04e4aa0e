import { z } from 'zod';
import { type EndpointHealth, endpointHealth } from '../health/endpoint-health.ts';
import { TTL_MASK, wordTtlSeconds } from '../health/health-word.ts';
import { activeOverride, nextExpiry, type Override } from '../health/override.ts';
import { type Judgement, judge, participates, STALE_HOLD_MS } from '../health/quorum.ts';
import type { MonitoringClock, VantageVerdict } from './monitoring.ts';
import { type VantageHealth, vantageHealth, voteOf } from './vantage-health.ts';

/**
 * The health of every endpoint: verdicts of all vantage points and overrides in, one word per
 * endpoint out. Time is an input like the others: leases and overrides run out without any event,
 * so a sweep looks for silence and a timer for the next override that lapses.
 *
 * A change of flags is told at once. TTLs move with nearly every observation, so a change of TTL is
 * told when it is material, and together with others.
 */
export function createHealthTable(deps: HealthTableDeps): HealthTable {
  const board = createBoard(deps);
  let cancelSweep = (): void => {};
  let cancelExpiry = (): void => {};
  const sweepLater = (): void => {
    cancelSweep = deps.clock.setTimer(SWEEP_MS, () => {
      board.sweep();
      sweepLater();
    });
  };
  const expireLater = (): void => {
    cancelExpiry();
    const nowMs = deps.clock.nowMs();
    const atMs = nextExpiry(board.overrides(), nowMs);
    if (atMs === undefined) return;
    cancelExpiry = deps.clock.setTimer(atMs - nowMs, () => {
      board.refresh();
      expireLater();
    });
  };
  sweepLater();
  return {
    words: board.words,
    setEndpoints: board.setEndpoints,
    observe: board.observe,
    setOverrides(overrides) {
      board.setOverrides(overrides);
      expireLater();
    },
    status: board.status,
    exportState: board.exportState,
    importState: board.importState,
    close() {
      cancelSweep();
      cancelExpiry();
      board.close();
    },
  };
}

/** An endpoint as the table sees it; its place in the list is its index in words. */
export type HealthEndpoint = {
  /** `pool/region`. */
  readonly name: string;
  readonly pool: string;
  readonly region: string;
  /** What is probed for each address, by the keys of monitoring jobs. Empty = not monitored: up. */
  readonly targets: readonly { readonly address: string; readonly key: string }[];
  /** Fewest vantage groups that must agree. */
  readonly quorumMin: number;
};

export type HealthEvent = {
  /** `endpoint.up`, `endpoint.down`, `endpoint.degraded`, `endpoint.unknown`: the judged state. */
  readonly kind: string;
  readonly subject: string;
  readonly message: string;
};

export type EndpointHealthStatus = Omit<EndpointHealth, 'word'> & {
  readonly vantages: readonly VantageHealth[];
};

export type HealthTableDeps = {
  readonly clock: MonitoringClock;
  /** A fresh copy of all words, and what people should hear; `events` is often empty. */
  readonly onChange: (words: Uint32Array, events: readonly HealthEvent[]) => void;
};

export type HealthTable = {
  words(): Uint32Array;
  /** A new generation: returns its words. Known states of endpoints that stay are kept. */
  setEndpoints(endpoints: readonly HealthEndpoint[]): Uint32Array;
  /** A verdict of any vantage point, of this node or another; unknown keys are ignored. */
  observe(verdict: VantageVerdict): void;
  /** All overrides in force, those that lapsed may still be among them. */
  setOverrides(overrides: readonly Override[]): void;
  status(name: string): EndpointHealthStatus | undefined;
  /** Judged states as JSON, to be kept over a restart. */
  exportState(): unknown;
  /** Takes what `exportState` gave, before the first `setEndpoints`; anything else is ignored. */
  importState(state: unknown): void;
  close(): void;
};

/** Changes of TTLs alone wait for each other this long. */
export const COALESCE_MS = 20;
/** How often silence is looked for. */
export const SWEEP_MS = 500;
/** A TTL is told when it moved by more than this factor. */
const TTL_STEP = 1.25;

type Row = {
  readonly endpoint: HealthEndpoint;
  health: EndpointHealth;
};
type Board = Omit<HealthTable, 'close'> & {
  overrides(): readonly Override[];
  sweep(): void;
  refresh(): void;
  close(): void;
};

function createBoard({ clock, onChange }: HealthTableDeps): Board {
  const votes = createVotes();
  let judged = new Map<string, Judgement>();
  let rows: readonly Row[] = [];
  let rowsByKey = new Map<string, number[]>();
  let overrides: readonly Override[] = [];
  const publisher = createPublisher(clock, onChange);

  const evaluate = (endpoint: HealthEndpoint, keep: boolean): EndpointHealth => {
    const nowMs = clock.nowMs();
    const rules = { quorumMin: endpoint.quorumMin, targetRegion: endpoint.region };
    const judgements = endpoint.targets.map(({ address, key }) => {
      const id = judgementId(endpoint.name, address);
      const judgement = judge(votes.of(key).map(voteOf), rules, judged.get(id), nowMs);
      if (keep) judged.set(id, judgement);
      return { address, judgement };
    });
    return endpointHealth(judgements, activeOverride(overrides, endpoint, nowMs), nowMs);
  };
  const refresh = (indexes: Iterable<number> = rows.keys()): void => {
    const events: HealthEvent[] = [];
    for (const index of indexes) {
      const row = rows[index]!;
      const before = row.health;
      row.health = evaluate(row.endpoint, true);
      publisher.put(index, row.health.word);
      if (row.health.judged !== before.judged) events.push(eventOf(row));
    }
    publisher.tell(events);
  };
  return {
    words: () => publisher.words(),
    overrides: () => overrides,
    refresh,
    setEndpoints(endpoints) {
      const ids = endpoints.flatMap(({ name, targets }) =>
        targets.map(({ address }) => judgementId(name, address)),
      );
      const staying = new Set(ids);
      judged = new Map([...judged].filter(([id]) => staying.has(id)));
      rowsByKey = indexByKey(endpoints);
      votes.keepOnly(rowsByKey);
      rows = endpoints.map((endpoint) => ({ endpoint, health: evaluate(endpoint, true) }));
      return publisher.reset(rows.map((row) => row.health.word));
    },
    observe(verdict) {
      const indexes = rowsByKey.get(verdict.key);
      if (indexes === undefined) return;
      votes.put(verdict);
      refresh(indexes);
    },
    setOverrides(next) {
      overrides = next;
      refresh();
    },
    sweep() {
      const silent = votes.sweep(clock.nowMs()).flatMap((key) => rowsByKey.get(key) ?? []);
      const dated = [...rows.keys()].filter((index) => hasDate(rows[index]!, judged));
      refresh(new Set([...silent, ...dated]));
    },
    status(name) {
      const row = rows.find(({ endpoint }) => endpoint.name === name);
      if (row === undefined) return undefined;
      const { word: _word, ...health } = evaluate(row.endpoint, false);
      const { targets } = row.endpoint;
      const verdicts = targets.map(({ address, key }) => ({ address, verdicts: votes.of(key) }));
      return { ...health, vantages: vantageHealth(verdicts, clock.nowMs()) };
    },
    exportState: () => Object.fromEntries(judged),
    importState(state) {
      const parsed = savedSchema.safeParse(state);
      if (parsed.success) judged = new Map(Object.entries(parsed.data));
    },
    close: publisher.close,
  };
}

const savedSchema = z.record(
  z.string(),
  z.object({
    health: z.enum(['up', 'down', 'unknown']),
    decidedAtMs: z.number(),
    reason: z.string(),
    ttlSeconds: z.number(),
    isHeld: z.boolean(),
  }),
);

const judgementId = (name: string, address: string): string => `${name} ${address}`;

function eventOf({ endpoint, health }: Row): HealthEvent {
  const { judged } = health;
  return {
    kind: `endpoint.${judged}`,
    subject: endpoint.name,
    message: `${judged}: ${health.judgedReason}`,
  };
}

/** True when time alone may change the row: a held judgement, or an override with an end. */
function hasDate({ endpoint, health }: Row, judged: ReadonlyMap<string, Judgement>): boolean {
  if (health.state !== health.judged && health.ttlSeconds < TTL_MASK) return true;
  return endpoint.targets.some(({ address }) => {
    const judgement = judged.get(judgementId(endpoint.name, address));
    return judgement?.isHeld === true;
  });
}

function indexByKey(endpoints: readonly HealthEndpoint[]): Map<string, number[]> {
  const byKey = new Map<string, number[]>();
  for (const [index, { targets }] of endpoints.entries()) {
    for (const { key } of targets) {
      const indexes = byKey.get(key);
      if (indexes === undefined) byKey.set(key, [index]);
      else indexes.push(index);
    }
  }
  return byKey;
}

type Votes = {
  of(key: string): readonly VantageVerdict[];
  put(verdict: VantageVerdict): void;
  keepOnly(keys: ReadonlyMap<string, unknown>): void;
  /** Keys of which a vantage point fell silent since the last sweep. */
  sweep(nowMs: number): readonly string[];
};

function createVotes(): Votes {
  const byKey = new Map<string, Map<string, VantageVerdict>>();
  let sweptAtMs = 0;
  return {
    of: (key) => [...(byKey.get(key)?.values() ?? [])],
    put(verdict) {
      const byVantage = byKey.get(verdict.key) ?? new Map<string, VantageVerdict>();
      byVantage.set(verdict.vantage, verdict);
      byKey.set(verdict.key, byVantage);
    },
    keepOnly(keys) {
      for (const key of byKey.keys()) if (!keys.has(key)) byKey.delete(key);
    },
    sweep(nowMs) {
      const silent: string[] = [];
      for (const [key, byVantage] of byKey) {
        for (const [vantage, verdict] of byVantage) {
          const vote = voteOf(verdict);
          if (participates(vote, nowMs)) continue;
          if (participates(vote, sweptAtMs)) silent.push(key);
          // Nobody of that name has spoken for so long that it may not exist any more.
          if (nowMs - vote.atMs > STALE_HOLD_MS) byVantage.delete(vantage);
        }
      }
      sweptAtMs = nowMs;
      return silent;
    },
  };
}

type Publisher = {
  words(): Uint32Array;
  put(index: number, word: number): void;
  /** Tells now when there are events or flags changed, and soon when a TTL moved. */
  tell(events: readonly HealthEvent[]): void;
  reset(words: readonly number[]): Uint32Array;
  close(): void;
};

function createPublisher(clock: MonitoringClock, onChange: HealthTableDeps['onChange']): Publisher {
  let current = new Uint32Array(0);
  let told = new Uint32Array(0);
  let urgency: 'none' | 'soon' | 'now' = 'none';
  let cancelLater: (() => void) | undefined;

  const settle = (): void => {
    cancelLater?.();
    cancelLater = undefined;
    urgency = 'none';
    told = current.slice();
  };
  const publish = (events: readonly HealthEvent[]): void => {
    settle();
    onChange(current.slice(), events);
  };
  return {
    words: () => current.slice(),
    put(index, word) {
      current[index] = word;
      const before = told[index] ?? 0;
      if (flagsOf(word) !== flagsOf(before)) urgency = 'now';
      else if (urgency === 'none' && isMaterial(before, word)) urgency = 'soon';
    },
    tell(events) {
      if (urgency === 'now' || events.length > 0) publish(events);
      else if (urgency === 'soon') {
        cancelLater ??= clock.setTimer(COALESCE_MS, () => publish([]));
      }
    },
    reset(words) {
      current = Uint32Array.from(words);
      settle();
      return current.slice();
    },
    close: settle,
  };
}

const flagsOf = (word: number): number => (word & ~TTL_MASK) >>> 0;

function isMaterial(before: number, after: number): boolean {
  const [less, more] = [wordTtlSeconds(before), wordTtlSeconds(after)].toSorted((a, b) => a - b);
  return more! > less! * TTL_STEP;
}
