import { carriedDemands } from '../capacity/carried-demand.ts';
import { createDamping, type Damping } from '../capacity/damping.ts';
import { createDemandModel, type DemandModel } from '../capacity/demand.ts';
import { type DemandReport, decodeReport } from '../capacity/demand-report.ts';
import { type KnownClass, nextPlan } from '../capacity/next-plan.ts';
import { type CapacityPlan, type PlanRegion, viewPlan, wholeSlots } from '../capacity/plan.ts';
import { encodePlan, PLAN_CLASSES_MAX } from '../capacity/plan-file.ts';
import { replan } from '../capacity/replan.ts';
import {
  createShareControl,
  type PoolShares,
  type PoolWindow,
  type ShareControl,
} from '../capacity/share-control.ts';
import { squareKey } from '../capacity/slots-table.ts';
import type { CapacityConfig } from '../config/capacity-config.ts';
import type { Clock } from '../control/clock.ts';
import { SLOTS } from '../steering/slots.ts';
import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { leads } from './leader.ts';
import type { PlanKeeper } from './plan-keeper.ts';
import { placeKey, type RegionState } from './plan-slots.ts';
import type { PlannedClass } from './planned-classes.ts';
import { publish } from './published.ts';
import { DEMAND_LOG, PLAN_KEY, PLAN_LEADER_KEY } from './store-keys.ts';

/**
 * One node of those that could makes the capacity plan for all (leader.ts). When it is gone another takes over with the
 * plan that is in force. Without the store nobody plans, and the plan in force stays: what each node makes of
 * it when regions are lost needs nobody (plan-slots.ts).
 */
export type CapacityPlanning = {
  /** Of the last window that this node planned; undefined = it does not. */
  report(): CapacityReport | undefined;
  close(): void;
};

export type CapacityReport = {
  /** Of all demand, what was moved in the last window and what is still to be; 0..1. */
  readonly movedShare: number;
  readonly waitingShare: number;
  /** Regions whose balancers tell what they carry. */
  readonly measured: number;
  /** By pool. */
  readonly shares: ReadonlyMap<string, PoolShares>;
};

export type CapacityPlanningParts = {
  readonly store: Pick<Store, 'get' | 'compareAndSet' | 'read' | 'nowMs'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly keeper: PlanKeeper;
  /** This node's name. */
  readonly node: string;
  config(): CapacityConfig;
  /** Undefined = nothing is to be planned now. */
  inputs(): PlanInputs | undefined;
};

export type PlanInputs = {
  /** Requests a second that each can carry; 0 = not stated. */
  readonly regions: readonly { readonly name: string; readonly capacity: number }[];
  readonly classes: ReadonlyMap<string, PlannedClass>;
  /** Requests a second that are counted there; of a region that is missing nothing is known. */
  readonly loads: ReadonlyMap<string, number>;
  /** Pools whose clients are shared out by weight: what came to their endpoints, by name. */
  readonly pools: ReadonlyMap<string, Pick<PoolWindow, 'isTrimmed' | 'loads'>>;
  /** What is down, and what returns. */
  readonly state: RegionState;
};

const SECOND_MS = 1000;
/** A quarter of an hour: an answer works for minutes, and what comes in one of them is chance. */
const SHARE_RULES = { halfLifeSeconds: 900 };
/** Caches have mostly followed by then. */
const SETTLED_MS = 300_000;
const READ_AT_ONCE = 200;
/** A report that is older is of a node that is gone. */
const OLD_WINDOWS = 2.5;

type Heard = { readonly report: DemandReport; readonly atMs: number };

export function createCapacityPlanning(parts: CapacityPlanningParts): CapacityPlanning {
  const { clock, config, keeper, log } = parts;
  const heard = new Map<string, Heard>();
  let [cancel, isClosed, afterId, isMute] = [() => {}, false, '', false];
  let model: DemandModel | undefined;
  let control: ShareControl | undefined;
  const quiet = createQuiet();
  let damping: Damping = createDamping();
  let report: CapacityReport | undefined;

  const plan = async (): Promise<void> => {
    const inputs = parts.inputs();
    const { windowMs } = config();
    const nowMs = clock.nowMs();
    if (
      inputs === undefined ||
      !(await leads({ ...parts, key: PLAN_LEADER_KEY, windowMs, nowMs }))
    ) {
      [model, control, report] = [undefined, undefined, undefined];
      return;
    }
    const before = keeper.current();
    const isQuiet = quiet(inputs.state, nowMs);
    if (model === undefined || control === undefined) {
      const known = new Map(before?.classes.map(({ demand, key }) => [key, demand]));
      model = createDemandModel(config(), known);
      control = createShareControl(SHARE_RULES, new Map(before?.trims));
      damping = createDamping();
      log.info('capacity.plans', 'This node makes the capacity plan.');
    }
    afterId = await hearAll(parts, afterId, heard);
    const reports = [...heard.values()].map((each) => each.report);
    model.learn({
      seconds: windowMs / SECOND_MS,
      queries: sumQueries(reports),
      loads: inputs.loads,
      planned: plannedLoads(before, inputs.state),
      isQuiet,
    });
    control.learn({
      seconds: windowMs / SECOND_MS,
      isQuiet,
      pools: poolWindows(reports, inputs.pools),
    });
    const regions = planRegions(inputs, model.pressures(), config().targetShare);
    const known = knownClasses(inputs, model, before, regions);
    const next = nextPlan(known, regions, config().rules, (key, home, to) =>
      damping.costMs(key, home, to, nowMs),
    );
    damping.note(next.moves, nowMs);
    const { movedShare, waitingShare } = next;
    report = { movedShare, waitingShare, measured: inputs.loads.size, shares: control.views() };
    const trims = [...control.trims()].sort(([a], [b]) => (a < b ? -1 : 1));
    if (next.classes.length + trims.length + (before?.trims.length ?? 0) === 0) return;
    const classes = next.classes.toSorted((a, b) => (a.key < b.key ? -1 : 1));
    const generation = (before?.generation ?? 0) + 1;
    const bytes = encodePlan({ generation, madeAtMs: Math.floor(nowMs), regions, classes, trims });
    if (!(await publish(parts.store, PLAN_KEY, bytes))) [model, control] = [undefined, undefined];
  };
  const later = (): void => {
    cancel = clock.setTimer(config().windowMs, () => {
      plan()
        .then(() => {
          isMute = false;
        })
        .catch((error: Error) => {
          if (!isMute) log.warn('capacity.unplanned', `No plan is made: ${error.message}`);
          isMute = true;
        })
        .finally(() => {
          if (!isClosed) later();
        });
    });
  };
  later();
  return {
    report: () => report,
    close() {
      isClosed = true;
      cancel();
    },
  };
}

/** Returns the id of the last report. */
async function hearAll(
  { clock, config, store }: CapacityPlanningParts,
  afterId: string,
  heard: Map<string, Heard>,
): Promise<string> {
  let last = afterId;
  for (;;) {
    const entries = await store.read(DEMAND_LOG, last, READ_AT_ONCE);
    for (const { atMs, value } of entries) {
      const report = decodeReport(new Uint8Array(Buffer.from(value, 'base64')));
      if (report !== undefined) heard.set(report.node, { report, atMs });
    }
    last = entries.at(-1)?.id ?? last;
    if (entries.length >= READ_AT_ONCE) continue;
    const oldMs = (store.nowMs() ?? clock.nowMs()) - OLD_WINDOWS * config().windowMs;
    for (const [node, { atMs }] of heard) if (atMs < oldMs) heard.delete(node);
    return last;
  }
}

function sumQueries(reports: readonly DemandReport[]): DemandReport['queries'] {
  const sums = new Map<string, Map<string, number>>();
  for (const { queries } of reports) {
    for (const [key, byRegion] of queries) {
      const sum = sums.get(key) ?? new Map<string, number>();
      for (const [region, rate] of byRegion) sum.set(region, (sum.get(region) ?? 0) + rate);
      sums.set(key, sum);
    }
  }
  return sums;
}

/** What nameservers say would be sent, by how often each was asked, beside what came. */
function poolWindows(
  reports: readonly DemandReport[],
  pools: PlanInputs['pools'],
): readonly PoolWindow[] {
  return [...pools].flatMap(([pool, { isTrimmed, loads }]): readonly PoolWindow[] => {
    const told = reports.flatMap(({ shares }) => shares.filter((each) => each.pool === pool));
    if (told.length === 0) return [];
    const slots = new Float64Array(SLOTS);
    const targets = new Map<string, number>();
    let asked = 0;
    for (const each of told) {
      const own = each.slots.reduce((sum, rate) => sum + rate, 0);
      asked += own;
      for (const [slot, rate] of each.slots.entries()) slots[slot]! += rate;
      for (const [name, share] of each.targets) {
        targets.set(name, (targets.get(name) ?? 0) + share * own);
      }
    }
    if (asked === 0) return [];
    const shares = [...targets].map(([name, sum]) => [name, sum / asked] as const);
    return [{ pool, targets: new Map(shares), loads, slots, isTrimmed }];
  });
}

/** Whether what is lost has just changed, or something returns: what is counted is then of before and after. */
function createQuiet(): (state: RegionState, nowMs: number) => boolean {
  let [known, sinceMs] = ['', Number.NEGATIVE_INFINITY];
  return ({ lost, returning }, nowMs) => {
    const text = [...lost].sort().join();
    if (text !== known) [known, sinceMs] = [text, nowMs];
    return returning.size > 0 || nowMs - sinceMs < SETTLED_MS;
  };
}

function plannedLoads(
  plan: CapacityPlan | undefined,
  { lost }: RegionState,
): ReadonlyMap<string, number> {
  if (plan === undefined) return new Map();
  const slots = replan(plan, (pool, region) => !lost.has(placeKey(pool, region)));
  const classes = plan.classes.map((each, index) => ({ ...each, slots: slots[index]! }));
  const { loads } = viewPlan({ ...plan, classes });
  return new Map(plan.regions.map(({ name }, region) => [name, loads[region]!]));
}

/** Where more comes than is sent, less is to be sent. */
function planRegions(
  { regions }: PlanInputs,
  pressures: ReadonlyMap<string, number>,
  targetShare: number,
): readonly PlanRegion[] {
  return regions.map(({ capacity, name }) => {
    if (capacity === 0) return { name, capacity: null, target: null };
    const room = capacity / (pressures.get(name) ?? 1);
    return { name, capacity: room, target: room * targetShare };
  });
}

/** Those that ask most; of the others the order of regions holds. */
function knownClasses(
  { classes }: PlanInputs,
  model: DemandModel,
  before: CapacityPlan | undefined,
  regions: readonly PlanRegion[],
): readonly KnownClass[] {
  const former = formerSlots(before, regions);
  const known = [...carriedDemands(model.demands(), (key) => classes.has(key))]
    .sort(([a, more], [b, less]) => less - more || (a < b ? -1 : 1))
    .slice(0, PLAN_CLASSES_MAX)
    .flatMap(([key, demand]): readonly KnownClass[] => {
      const planned = classes.get(key);
      if (planned === undefined) return [];
      const waysMs = regions.map(({ name }) => planned.waysMs.get(name) ?? null);
      return [{ key, pool: planned.pool, demand, waysMs, slots: former.own(key) }];
    });
  return withBeginnings(known, regions, former.around);
}

/**
 * A class that is new begins in its best region while there is room, as it did before the plan knew it; else as its
 * neighbours are: a map that is new must not send everybody back to regions that are full.
 */
function withBeginnings(
  classes: readonly KnownClass[],
  regions: readonly PlanRegion[],
  around: (key: string) => readonly number[] | undefined,
): readonly KnownClass[] {
  const settled = classes.flatMap((each) =>
    each.slots === undefined ? [] : [{ ...each, slots: each.slots }],
  );
  const { loads } = viewPlan({ classes: settled, regions });
  const room = regions.map(
    ({ target }, region) => (target ?? Number.POSITIVE_INFINITY) - loads[region]!,
  );
  return classes.map((each) => {
    if (each.slots !== undefined) return each;
    const best = bestRegion(each.waysMs);
    if (best === undefined || room[best]! < each.demand)
      return { ...each, slots: around(each.key) };
    room[best]! -= each.demand;
    return each;
  });
}

function bestRegion(waysMs: KnownClass['waysMs']): number | undefined {
  let best: number | undefined;
  for (const [region, way] of waysMs.entries()) {
    if (way !== null && (best === undefined || way < waysMs[best]!)) best = region;
  }
  return best;
}

/** The slots that a class had in the plan before, and those that clients around it had, whatever their order of regions. */
function formerSlots(before: CapacityPlan | undefined, regions: readonly PlanRegion[]) {
  const places = regions.map(({ name }) =>
    (before?.regions ?? []).findIndex((region) => region.name === name),
  );
  const own = new Map<string, readonly number[]>();
  const around = new Map<string, Float64Array>();
  for (const { demand, key, slots } of before?.classes ?? []) {
    const mapped = places.map((place) => slots[place] ?? 0);
    const sum = around.get(squareKey(key)) ?? new Float64Array(regions.length);
    around.set(squareKey(key), sum);
    for (const [region, count] of mapped.entries()) sum[region]! += count * demand;
    if (mapped.some((count) => count > 0)) own.set(key, mapped);
  }
  const slotsIn =
    (from: ReadonlyMap<string, ArrayLike<number>>, keyOf: (key: string) => string) =>
    (key: string): readonly number[] | undefined => {
      const slots = from.get(keyOf(key));
      return slots && wholeSlots(slots);
    };
  return { own: slotsIn(own, (key) => key), around: slotsIn(around, squareKey) };
}
