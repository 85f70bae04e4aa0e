import { checkKeys } from '../health/composite.ts';
import { type EndpointHealth, endpointHealth, type Judged } from '../health/endpoint-health.ts';
import { type EndpointLife, NEW_LIFE, nextLife } from '../health/endpoint-life.ts';
import { TTL_MASK } from '../health/health-word.ts';
import { activeOverride, type Override } from '../health/override.ts';
import type { Judgement } from '../health/quorum.ts';
import { rampShare } from '../health/ramp.ts';
import { frozenMembers } from '../health/withdrawal.ts';
import { freezeEvents, judgedEvent, nearEvents } from './health-events.ts';
import type {
  EndpointHealthStatus,
  HealthEndpoint,
  HealthEvent,
  HealthTableDeps,
  HealthWorld,
} from './health-table.ts';
import { type JudgedEndpoint, judgeEndpoint, judgementId } from './judge-endpoint.ts';
import { vantageHealth } from './vantage-health.ts';
import { createVoteBook, type VoteBook } from './vote-book.ts';

/**
 * All that a node knows of health, as one explicit state, and what follows from it. Nothing here has
 * a clock or an ear of its own: time is an argument, and news are put into the state before.
 */
export type BoardState = {
  readonly book: VoteBook;
  world: HealthWorld;
  rows: readonly Row[];
  rowsBy: RowIndex;
  /** By judgementId. */
  judgements: Map<string, Judgement>;
  /** When time was looked at last: long ago means that this process stood still, */
  sweptAtMs: number;
  /** and has first to hear all that was said meanwhile. */
  backlogUntilMs: number;
  /** Until then what was judged before a restart stands, since the others are still to be heard. */
  freshUntilMs: number;
  /** Of before a restart, until endpoints are known. */
  savedLives: ReadonlyMap<string, EndpointLife>;
  /** Client regions by name. */
  regions: ReadonlyMap<string, number>;
  /** Names of endpoints that the withdrawal limit keeps in. */
  frozen: ReadonlySet<string>;
  overrides: readonly Override[];
};

export type Row = {
  readonly endpoint: HealthEndpoint;
  /** Of the judgements that it is made of. */
  readonly ids: readonly string[];
  health: EndpointHealth;
  /** By client region, where it is not what the world sees. */
  near: ReadonlyMap<number, EndpointHealth>;
  life: EndpointLife;
};

export function emptyState(): BoardState {
  return {
    book: createVoteBook(),
    world: { endpoints: [], pools: new Map(), regions: [] },
    rows: [],
    rowsBy: indexRows([]),
    judgements: new Map(),
    sweptAtMs: Number.POSITIVE_INFINITY,
    backlogUntilMs: 0,
    freshUntilMs: 0,
    savedLives: new Map(),
    regions: new Map(),
    frozen: new Set(),
    overrides: [],
  };
}

/** Another generation of endpoints; what is known of those that stay is kept. */
export function adoptWorld(state: BoardState, world: HealthWorld, nowMs: number): void {
  const lives = new Map([
    ...state.savedLives,
    ...state.rows.map(({ endpoint, life }) => [endpoint.name, life] as const),
  ]);
  state.savedLives = new Map();
  state.world = world;
  state.regions = new Map(world.regions.map((name, index) => [name, index]));
  state.rows = world.endpoints.map((endpoint) => newRow(endpoint, lives.get(endpoint.name)));
  state.rowsBy = indexRows(world.endpoints);
  state.book.keepOnly(new Set(state.rowsBy.key.keys()));
  const staying = state.rowsBy.id;
  state.judgements = new Map([...state.judgements].filter(([id]) => staying.has(id)));
  // What was kept in before a restart did not leave since.
  state.frozen = frozenNow(state, nowMs);
}

/** Evaluates rows; says which rows have been, and what people should hear. */
export function evaluateRows(
  state: BoardState,
  indexes: Iterable<number>,
  nowMs: number,
): { readonly changed: ReadonlySet<number>; readonly events: readonly HealthEvent[] } {
  const events: HealthEvent[] = [];
  const changed = new Set<number>();
  const lives = new Map<number, EndpointLife>();
  let mayFreeze = state.frozen.size > 0;
  for (const index of indexes) {
    const { life } = state.rows[index]!;
    lives.set(index, life);
    events.push(...evaluateRow(state, index, nowMs));
    changed.add(index);
    if (state.rows[index]!.life.downSinceMs !== life.downSinceMs) mayFreeze = true;
  }
  if (!mayFreeze) return { changed, events };
  const before = state.frozen;
  state.frozen = frozenNow(state, nowMs);
  for (const [index, row] of state.rows.entries()) {
    const { endpoint, life } = row;
    if (before.has(endpoint.name) === state.frozen.has(endpoint.name)) continue;
    // Nobody has seen what it was for a moment above: it has not left, so it does not return.
    row.life = lives.get(index) ?? life;
    events.push(...evaluateRow(state, index, nowMs));
    changed.add(index);
  }
  events.push(...freezeEvents(before, state.frozen));
  return { changed, events };
}

function evaluateRow(state: BoardState, index: number, nowMs: number): readonly HealthEvent[] {
  const row = state.rows[index]!;
  const { health: before, near: nearBefore } = row;
  const judged = judgeRow(state, row, nowMs);
  for (const [id, judgement] of judged.targets) state.judgements.set(id, judgement);
  Object.assign(row, settleRow(state, row, judged, nowMs));
  const events = [...nearEvents(row, nearBefore, state.world.regions)];
  if (row.health.judged !== before.judged) events.unshift(judgedEvent(row));
  return events;
}

/** Time is looked at twice a second. */
export const STOOD_STILL_MS = 1500;

function judgeRow(state: BoardState, { endpoint }: Row, nowMs: number): JudgedEndpoint {
  const { backlogUntilMs, book, judgements, regions, freshUntilMs, sweptAtMs } = state;
  const isFresh = nowMs < freshUntilMs;
  const isBehind = nowMs < backlogUntilMs || nowMs - sweptAtMs > STOOD_STILL_MS;
  return judgeEndpoint(endpoint, { book, previous: judgements, regions, isFresh, isBehind }, nowMs);
}

/** The row in its circumstances: what people said, what is frozen, how far it has returned. */
function settleRow(
  { frozen, overrides, world }: BoardState,
  { endpoint, life }: Row,
  { near: seenNear, world: seen }: JudgedEndpoint,
  nowMs: number,
): Omit<Row, 'endpoint' | 'ids'> {
  const override = activeOverride(overrides, endpoint, nowMs);
  const isFrozen = frozen.has(endpoint.name);
  const isOut =
    override === undefined ? seen.judged === 'down' && !isFrozen : override.action !== 'up';
  const isForcedIn = override?.action === 'up';
  const next = nextLife(life, seen.judged, { isOut, isForcedIn }, nowMs);
  const ramp = world.pools.get(endpoint.pool)?.ramp;
  const share = ramp === undefined ? 1 : rampShare(next.returnedAtMs, ramp, nowMs);
  const health = endpointHealth(seen, { override, frozen: isFrozen, share }, nowMs);
  const near = new Map<number, EndpointHealth>();
  // A person's word is for everybody.
  if (override === undefined) {
    for (const [region, there] of seenNear) {
      near.set(region, endpointHealth(there, { override, frozen: isFrozen, share }, nowMs));
    }
  }
  return { health, near, life: next };
}

function frozenNow({ rows, rowsBy, world }: BoardState, nowMs: number): ReadonlySet<string> {
  const frozen = [...rowsBy.pool].flatMap(([pool, indexes]) => {
    const rules = world.pools.get(pool)?.withdrawals;
    const members = indexes.map((index) => {
      const { endpoint, life } = rows[index]!;
      const { capacity, name } = endpoint;
      return { name, capacity, downSinceMs: life.downSinceMs };
    });
    return rules === undefined ? [] : [...frozenMembers(members, rules, nowMs)];
  });
  return new Set(frozen);
}

/**
 * Rows that time alone may have changed: votes that are no longer counted or are again, states that
 * are held, overrides with an end, slow returns. Those of the others are confirmed: should their
 * votes fall silent, the time that follows counts from now.
 */
export function datedRows(state: BoardState, nowMs: number): ReadonlySet<number> {
  const { judgements, rows, rowsBy } = state;
  const { keys, regions } = state.book.sweep(nowMs);
  const dated = new Set([
    ...keys.flatMap((key) => rowsBy.key.get(key) ?? []),
    ...regions.flatMap((region) => rowsBy.region.get(region) ?? []),
  ]);
  for (const [index, row] of rows.entries()) {
    if (hasDate(row, judgements)) dated.add(index);
    else if (!dated.has(index)) confirm(row, judgements, nowMs);
  }
  return dated;
}

/** What people see of an endpoint, as of now. */
export function rowStatus(
  state: BoardState,
  name: string,
  nowMs: number,
  faultsOf: NonNullable<HealthTableDeps['faultsOf']> = () => new Map(),
): EndpointHealthStatus | undefined {
  const row = state.rows[state.rowsBy.name.get(name) ?? -1];
  if (row === undefined) return undefined;
  const { health, near } = settleRow(state, row, judgeRow(state, row, nowMs), nowMs);
  const { word: _word, ...rest } = health;
  const { targets } = row.endpoint;
  const keys = targets.flatMap(({ address, check }) =>
    checkKeys(check).map((key) => ({ key, place: check.kind === 'target' ? address : key })),
  );
  const spoken = keys.map(({ key, place }) => ({
    statements: state.book.statements(key),
    word: state.book.word,
    faults: faultsOf(key),
    prefix: keys.length === 1 ? '' : `${place}: `,
    nowMs,
  }));
  return {
    ...rest,
    vantages: vantageHealth(spoken),
    near: [...near].map(([region, seen]) => ({
      region: state.world.regions[region] ?? '',
      state: seen.state,
      reason: seen.reason,
    })),
  };
}

function newRow(endpoint: HealthEndpoint, life: EndpointLife = NEW_LIFE): Row {
  const nothing: Judged = { judged: 'unknown', reason: '', ttlSeconds: 0 };
  const circumstances = { override: undefined, frozen: false, share: 1 };
  const health = endpointHealth(nothing, circumstances, 0);
  return { endpoint, ids: idsOf(endpoint), life, near: new Map(), health };
}

export type RowIndex = {
  readonly name: ReadonlyMap<string, number>;
  readonly key: ReadonlyMap<string, readonly number[]>;
  readonly region: ReadonlyMap<string, readonly number[]>;
  readonly pool: ReadonlyMap<string, readonly number[]>;
  readonly id: ReadonlyMap<string, readonly number[]>;
};

function indexRows(endpoints: readonly HealthEndpoint[]): RowIndex {
  const by = {
    name: new Map<string, number>(),
    key: new Map<string, number[]>(),
    region: new Map<string, number[]>(),
    pool: new Map<string, number[]>(),
    id: new Map<string, number[]>(),
  };
  for (const [index, { name, pool, region, targets }] of endpoints.entries()) {
    by.name.set(name, index);
    push(by.region, region, index);
    push(by.pool, pool, index);
    for (const key of new Set(targets.flatMap(({ check }) => checkKeys(check)))) {
      push(by.key, key, index);
      push(by.id, judgementId(name, key), index);
    }
  }
  return by;
}

function push(map: Map<string, number[]>, key: string, index: number): void {
  const indexes = map.get(key);
  if (indexes === undefined) map.set(key, [index]);
  else indexes.push(index);
}

function idsOf({ name, targets }: HealthEndpoint): readonly string[] {
  return targets.flatMap(({ check }) => checkKeys(check).map((key) => judgementId(name, key)));
}

/** True when time alone may change the row: a held judgement, an override with an end, a slow return. */
function hasDate({ health, ids }: Row, judgements: ReadonlyMap<string, Judgement>): boolean {
  if (health.share < 1) return true;
  const overruled = health.state !== health.judged && health.state !== 'frozen';
  if (overruled && health.ttlSeconds < TTL_MASK) return true;
  return ids.some((id) => judgements.get(id)?.isHeld === true);
}

/** The votes that decided are still there: what follows, should they fall silent, counts from now. */
function confirm({ ids }: Row, judgements: Map<string, Judgement>, nowMs: number): void {
  for (const id of ids) {
    const judgement = judgements.get(id);
    if (judgement !== undefined) judgements.set(id, { ...judgement, decidedAtMs: nowMs });
  }
}
