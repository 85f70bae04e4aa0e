import type { PickState } from '../balancing/algorithm.ts';
import { carryOver } from '../resilience/carry-over.ts';
import {
  createOutlierState,
  endEjections,
  HELD,
  LEVEL,
  OUTCOME,
  OUTLIER_INTERVAL_MS,
  type Outcome,
  type OutlierState,
  observeOutcome,
  observeProbeSuccess,
  outlierWeight,
  readmitLast,
  sweep,
} from '../resilience/outlier.ts';
import { explainOutlier, outlierCause } from '../resilience/outlier-explain.ts';
import { type PriorityPlan, pickPriority, planPriorities } from '../resilience/panic.ts';
import {
  createSlowStartState,
  observeVerdict,
  type SlowStartState,
  slowStartFactor,
  startRamp,
} from '../resilience/slow-start.ts';
import type { UpstreamSnapshot } from './snapshot.ts';

/**
 * Which servers of an upstream take requests, and with what weight: what probes say, what requests have
 * shown (outliers), how long a server has been back (slow start), and which priority it is of. Worked
 * out when one of these changes, so that a pick only looks at arrays. Slot i belongs to the server with
 * index i.
 */
export type Standing = {
  readonly settings: UpstreamSnapshot;
  /** 1 = probes have nothing against it. */
  readonly healthy: Uint8Array;
  /** 1 = it takes nobody new, for somebody said so. */
  readonly draining: Uint8Array;
  /** 1 = it takes new requests, unless it is ejected. */
  readonly inService: Uint8Array;
  /** 1 = probes find it up, and want it to have less. */
  readonly degraded: Uint8Array;
  readonly outliers: OutlierState;
  readonly slowStart: SlowStartState;
  /** What a picker sees of each priority, the first first. */
  readonly levels: readonly PickState[];
  /** The place of each server's priority in `levels`. */
  readonly levelOf: Uint8Array;
  /** 1 = it would take requests, if it had room. */
  readonly willing: Uint8Array;
  /** 1 = no limit of it is reached. */
  readonly hasRoom: Uint8Array;
  /** 1 = it takes requests, of whichever priority. With one priority it is that one's. */
  readonly usable: Uint8Array;
  readonly weights: Float64Array;
  plan: PriorityPlan;
  /** A weight changes with time. */
  isRamping: boolean;
  sweptMs: number;
  /** What of each server was told last: its level; when a detection that was not acted on. */
  readonly toldLevel: Uint8Array;
  readonly toldHeldMs: Float64Array;
  /** What `outliersOf` said last still holds. */
  isTold: boolean;
  readonly report: (event: ServerEvent) => void;
  readonly draw: () => number;
};

/** Something that requests have shown of a server, for the log. `suspected`: no more than said. */
export type ServerEvent = {
  readonly kind: 'reduced' | 'ejected' | 'returned' | 'suspected';
  readonly upstream: string;
  readonly server: string;
  readonly reason: string;
};

/** A server that has less than its weight, or nothing, for what requests have shown of it. */
export type Outlier = {
  readonly upstream: string;
  readonly server: string;
  readonly level: 'reduced' | 'ejected';
  /** The detector and what it saw. */
  readonly why: string;
  readonly untilMs: number;
};

/** A detector that only observes, or is held back, says so of a server not more often than this. */
const SUSPICION_INTERVAL_MS = 60_000;

/**
 * @param load of the upstream, for the picker
 * @param formerIndexes per server its index in `former`, or -1 when it is new
 */
export function createStanding(
  settings: UpstreamSnapshot,
  load: Omit<PickState, 'usable' | 'weights'>,
  said: Pick<Standing, 'healthy' | 'draining' | 'degraded'>,
  former: Standing | undefined,
  formerIndexes: readonly number[],
  voice: Pick<Standing, 'draw' | 'report'>,
  nowMs: number,
): Standing {
  const { length } = settings.servers;
  const priorities = [...new Set(settings.servers.map(({ priority }) => priority ?? 0))];
  priorities.sort((a, b) => a - b);
  const usable = new Uint8Array(length);
  const weights = new Float64Array(length);
  const standing: Standing = {
    settings,
    ...said,
    inService: new Uint8Array(length),
    outliers: createOutlierState(length),
    slowStart: createSlowStartState(length),
    levels: priorities.map(() => ({
      ...load,
      usable: priorities.length === 1 ? usable : new Uint8Array(length),
      weights,
    })),
    levelOf: Uint8Array.from(settings.servers, ({ priority }) => priorities.indexOf(priority ?? 0)),
    willing: new Uint8Array(length),
    hasRoom: new Uint8Array(length).fill(1),
    usable,
    weights,
    plan: { shares: [], panic: [], refuses: false },
    isRamping: true,
    sweptMs: former?.sweptMs ?? nowMs,
    toldLevel: new Uint8Array(length),
    toldHeldMs: new Float64Array(length).fill(Number.NEGATIVE_INFINITY),
    isTold: false,
    ...voice,
  };
  if (former) {
    carryOver(former.outliers, standing.outliers, formerIndexes);
    carryOver(former.slowStart, standing.slowStart, formerIndexes);
    standing.toldLevel.set(standing.outliers.level);
    rampNewServers(standing, formerIndexes, nowMs);
  }
  refreshStanding(standing, nowMs);
  return standing;
}

/** Who joins a pool at work has cold caches; where all are new, all are alike. */
function rampNewServers(
  { draw, settings, slowStart }: Standing,
  formerIndexes: readonly number[],
  nowMs: number,
): void {
  if (!formerIndexes.some((index) => index >= 0)) return;
  for (const [server, index] of formerIndexes.entries()) {
    if (index < 0) startRamp(slowStart, settings.slowStart, server, nowMs, draw());
  }
}

/** What probes, or a person, say of a server, changed or not; `refreshStanding` after the last of them. */
export function observeProbes(
  standing: Standing,
  server: number,
  healthy: boolean,
  nowMs: number,
): void {
  const { draw, outliers, settings, slowStart } = standing;
  const isBack = healthy && standing.healthy[server] === 0;
  standing.healthy[server] = healthy ? 1 : 0;
  observeVerdict(slowStart, settings.slowStart, server, healthy, nowMs, draw());
  // It was down and has come back: what requests had shown was of the one before.
  if (isBack && observeProbeSuccess(outliers, settings.outliers, server)) {
    tellChanges(standing, nowMs);
  }
}

/** A request to the server has ended. @param answerMs until its response began */
export function observeRequest(
  standing: Standing,
  server: number,
  outcome: Outcome,
  answerMs: number,
  nowMs: number,
): void {
  const { draw, inService, outliers, settings } = standing;
  const rules = settings.outliers;
  const isOk = outcome === OUTCOME.ok;
  const jitter = isOk ? 0 : draw();
  if (observeOutcome(outliers, rules, inService, server, outcome, answerMs, nowMs, jitter)) {
    tellChanges(standing, nowMs);
    refreshStanding(standing, nowMs);
  } else if (!isOk) tellSuspicion(standing, server, nowMs);
}

/** Applies the clock: ejections end, rates are judged, weights grow. */
export function tickStanding(standing: Standing, nowMs: number): void {
  const { draw, inService, outliers, settings } = standing;
  let changed = endEjections(outliers, nowMs);
  if (nowMs - standing.sweptMs >= OUTLIER_INTERVAL_MS) {
    standing.sweptMs = nowMs;
    changed += sweep(outliers, settings.outliers, inService, nowMs, draw());
    for (const server of inService.keys()) tellSuspicion(standing, server, nowMs);
  }
  if (changed > 0) tellChanges(standing, nowMs);
  if (changed > 0 || standing.isRamping) refreshStanding(standing, nowMs);
}

/** Works out who takes requests, and with what weight. */
export function refreshStanding(standing: Standing, nowMs: number): void {
  const { draining, healthy, levelOf, levels, outliers, settings, slowStart } = standing;
  const { degraded, weights, willing } = standing;
  putInService(standing);
  if (readmitLast(outliers, healthy, standing.inService) > 0) tellChanges(standing, nowMs);
  standing.isRamping = false;
  for (const [server, { weight }] of settings.servers.entries()) {
    const factor = slowStartFactor(slowStart, settings.slowStart, server, nowMs);
    if (factor < 1) standing.isRamping = true;
    const isIn = healthy[server] === 1 && outliers.level[server] !== LEVEL.ejected;
    willing[server] = isIn && draining[server] === 0 ? 1 : 0;
    const share = degraded[server] === 1 ? settings.degradedWeight : 1;
    weights[server] =
      weight * share * factor * (outlierWeight(outliers, settings.outliers, server) || 1);
  }
  standing.plan = planPriorities(
    levels.map((_, level) => healthOf(standing, level)),
    settings.panic,
  );
  for (const server of levelOf.keys()) {
    const panics = standing.plan.panic[levelOf[server]!] === true;
    if (panics && draining[server] === 0) willing[server] = 1;
    setRoom(standing, server, standing.hasRoom[server] === 1);
  }
}

/** Who is down or drains serves nobody new, and one of weight 0 nobody while there is another. */
function putInService({ draining, healthy, inService, settings }: Standing): void {
  for (const [server, { weight }] of settings.servers.entries()) {
    const serves = healthy[server] === 1 && draining[server] === 0 && weight > 0;
    inService[server] = serves ? 1 : 0;
  }
}

/** Servers that requests have shown something of. */
export function outliersOf({ outliers, settings }: Standing): readonly Outlier[] {
  const { name: upstream, outliers: rules, servers } = settings;
  return servers.flatMap(({ name: server }, index) => {
    const level = outliers.level[index];
    if (level === LEVEL.in) return [];
    return {
      upstream,
      server,
      level: level === LEVEL.ejected ? 'ejected' : 'reduced',
      why: outlierCause(outliers, rules, index),
      untilMs: outliers.untilMs[index]!,
    };
  });
}

/** Whether the server drains, and may go on with those who are kept on it. */
export const keepsHolders = (
  { draining, hasRoom, healthy, outliers }: Standing,
  server: number,
): boolean =>
  draining[server] === 1 &&
  healthy[server] === 1 &&
  hasRoom[server] === 1 &&
  outliers.level[server] !== LEVEL.ejected;

/** Whether a limit of the server is reached. */
export function setRoom(standing: Standing, server: number, has: boolean): void {
  const { hasRoom, levelOf, levels, usable, willing } = standing;
  hasRoom[server] = has ? 1 : 0;
  usable[server] = hasRoom[server]! & willing[server]!;
  levels[levelOf[server]!]!.usable[server] = usable[server]!;
}

/** Servers of weight 0 take nothing while there is another, and those that drain nobody new: they are no capacity. */
function healthOf({ draining, levelOf, settings, willing }: Standing, level: number) {
  let [servers, healthy] = [0, 0];
  for (const [server, { weight }] of settings.servers.entries()) {
    if (levelOf[server] !== level || weight === 0 || draining[server] === 1) continue;
    servers++;
    healthy += willing[server]!;
  }
  return { servers, healthy };
}

/**
 * The place in `levels` of the priority that a request goes to first.
 * @param key what it is kept on its server by, 0 = nothing: the same key goes to the same priority
 */
export function firstLevel({ draw, levels, plan }: Standing, key: number): number {
  if (levels.length === 1) return 0;
  // Mixed, or those who go on to the next priority would be neighbours on its ring.
  const point = key === 0 ? draw() : (Math.imul(key, GOLDEN) >>> 0) / 2 ** 32;
  return Math.max(0, pickPriority(plan, point));
}

/** 2^32 over the golden ratio (Knuth, The Art of Computer Programming, section 6.4). */
const GOLDEN = 0x9e3779b1;

/** Tells which servers have another level than before; who comes back from outside begins slowly. */
function tellChanges(standing: Standing, nowMs: number): void {
  const { draw, outliers, settings, slowStart, toldLevel } = standing;
  standing.isTold = false;
  for (const [server, level] of outliers.level.entries()) {
    const before = toldLevel[server];
    if (before === level) continue;
    toldLevel[server] = level;
    if (level !== LEVEL.in) {
      tell(standing, server, level === LEVEL.ejected ? 'ejected' : 'reduced', nowMs);
      continue;
    }
    tell(standing, server, 'returned', nowMs);
    if (before === LEVEL.ejected) startRamp(slowStart, settings.slowStart, server, nowMs, draw());
  }
}

/** A detection of just now that changed nothing. */
function tellSuspicion(standing: Standing, server: number, nowMs: number): void {
  const { outliers, toldHeldMs } = standing;
  if (outliers.held[server] === HELD.no || outliers.detectedAtMs[server] !== nowMs) return;
  // One that is reduced is so for longer.
  standing.isTold = false;
  if (nowMs - toldHeldMs[server]! < SUSPICION_INTERVAL_MS) return;
  toldHeldMs[server] = nowMs;
  tell(standing, server, 'suspected', nowMs);
}

function tell(
  { outliers, report, settings }: Standing,
  server: number,
  kind: ServerEvent['kind'],
  nowMs: number,
): void {
  const reason =
    kind === 'returned'
      ? 'it may take requests again'
      : explainOutlier(outliers, settings.outliers, server, nowMs);
  report({ kind, upstream: settings.name, server: settings.servers[server]!.name, reason });
}
