/** Runs one rule through one scenario of a world, and measures what comes of it. */

import type { Portion } from '../../src/capacity/assign.ts';
import { SLOTS } from '../../src/steering/slots.ts';
import { optimum } from './optimum.ts';
import type { Rule, Served, Sight } from './rules.ts';
import { type Draw, demandAt, type World } from './world.ts';

export type Scenario = {
  readonly name: string;
  readonly startMs: number;
  /** Before it is measured. */
  readonly warmUpMs: number;
  readonly lengthMs: number;
  readonly isConstant: boolean;
  /** A multiple of the demand at a time. */
  surge?(atMs: number): number;
  /** A region that is lost from `fromMs` to `toMs`, from the start of the measurement. */
  readonly loss?: { readonly region: number; readonly fromMs: number; readonly toMs: number };
  /** From `fromMs` on ways of a provider to a region take so much longer, milliseconds. */
  readonly worse?: {
    readonly provider: number;
    readonly region: number;
    readonly fromMs: number;
    readonly byMs: number;
  };
};

export type Result = {
  readonly rule: string;
  readonly scenario: string;
  /** Mean way of a request, and the least that was possible within capacities, milliseconds. */
  readonly meanMs: number;
  readonly optimumMs: number;
  /** The least within what the rule fills regions to; undefined = it knows nothing of capacities. */
  readonly targetMs: number | undefined;
  /** Likewise where all networks behind one asker go to the same region, as answers are for askers. */
  readonly askersMs: number | undefined;
  /** Of requests, the part that came to a region beyond its capacity. */
  readonly overloadShare: number;
  /** Largest use of a region, of its capacity. */
  readonly useMax: number;
  /** Regions that overload has felled. */
  readonly felled: number;
  /** Changes of the answer of a network in a day, by demand. */
  readonly changesPerDay: number;
  /** Seconds until so much of a lost region's traffic was elsewhere; undefined = nothing was lost, or it never was. */
  readonly followed: readonly (number | undefined)[];
  /** Loads beside the plan's, of those regions that it has; undefined = there is no plan. */
  readonly loadError: number | undefined;
  readonly series: readonly Sample[];
};

export type Sample = {
  readonly atMs: number;
  /** By region, of its capacity. */
  readonly uses: readonly number[];
  readonly meanMs: number;
};

export const STEP_MS = 10_000;
const TTL_STEPS = 3;
/** So much of the demand keeps what it was answered for so long. */
const TAIL_SHARE = 0.05;
const TAIL_STEPS = 60;
const DETECTION_MS = 10_000;
const FELL_USE = 1.3;
const FELL_STEPS = 6;
const FELLED_MS = 600_000;
const OPTIMUM_EVERY = 60;
const SERIES_EVERY = 6;
const NOISE = 0.05;
export const FOLLOWED = [0.5, 0.9, 0.99];

export async function simulate(
  world: World,
  rule: Rule & {
    plan?():
      | {
          readonly regions: readonly { readonly name: string }[];
          readonly classes: readonly {
            readonly demand: number;
            readonly slots: readonly number[];
          }[];
        }
      | undefined;
  },
  scenario: Scenario,
  draw: Draw,
): Promise<Result> {
  const { networks, regions, askers } = world;
  const { startMs, warmUpMs, lengthMs, loss } = scenario;
  const beginMs = startMs + warmUpMs;
  const answers = Array.from({ length: TAIL_STEPS + 1 }, () =>
    new Int32Array(askers.length).fill(-1),
  );
  const before = new Int32Array(askers.length).fill(-1);
  const region = new Int32Array(networks.length);
  const demand = new Float64Array(networks.length);
  const loads = new Float64Array(regions.length);
  const overloaded = regions.map(() => 0);
  const felledUntil = regions.map(() => Number.NEGATIVE_INFINITY);
  const downSince = regions.map(() => Number.POSITIVE_INFINITY);
  const tally = {
    ways: 0,
    requests: 0,
    over: 0,
    useMax: 0,
    felled: 0,
    changes: 0,
    optimum: 0,
    target: 0,
    askers: 0,
    optimumRequests: 0,
    actual: 0,
  };
  const errors: number[] = [];
  const series: Sample[] = [];
  let lostDemand = 0;
  const followed: (number | undefined)[] = FOLLOWED.map(() => undefined);
  for (let step = 0; step * STEP_MS < warmUpMs + lengthMs; step += 1) {
    const atMs = startMs + step * STEP_MS;
    const sinceMs = atMs - beginMs;
    const isMeasured = sinceMs >= 0;
    const isLost = (each: number): boolean =>
      (loss !== undefined &&
        each === loss.region &&
        sinceMs >= loss.fromMs &&
        sinceMs < loss.toMs) ||
      atMs < felledUntil[each]!;
    for (const each of regions.keys()) {
      if (!isLost(each)) downSince[each] = Number.POSITIVE_INFINITY;
      else downSince[each] = Math.min(downSince[each]!, atMs);
    }
    const sight: Sight = {
      atMs,
      isUp: regions.map((_, each) => atMs - downSince[each]! < DETECTION_MS),
    };
    const rttOf = (network: number, to: number): number => {
      const { worse } = scenario;
      const { provider, rttMs } = networks[network]!;
      const isWorse =
        worse !== undefined &&
        sinceMs >= worse.fromMs &&
        provider === worse.provider &&
        to === worse.region;
      return rttMs[to]! + (isWorse ? worse.byMs : 0);
    };
    await rule.begin(sight);
    const now = answers[step % answers.length]!;
    const previous = answers[(step + TAIL_STEPS) % answers.length]!;
    const old = answers[(step + 1) % answers.length]!;
    for (let asker = 0; asker < askers.length; asker += 1) {
      const asks = previous[asker] === -1 || (step + asker) % TTL_STEPS === 0;
      now[asker] = asks ? rule.answer(asker, sight) : previous[asker]!;
    }
    loads.fill(0);
    let [ways, sum] = [0, 0];
    const surge = scenario.surge?.(sinceMs) ?? 1;
    for (const [network, each] of networks.entries()) {
      const own = demandAt(each, atMs, scenario.isConstant) * surge;
      const to = now[each.asker]!;
      const tail = old[each.asker]! < 0 ? to : old[each.asker]!;
      demand[network] = own;
      region[network] = to;
      loads[to]! += own * (1 - TAIL_SHARE);
      loads[tail]! += own * TAIL_SHARE;
      ways += own * ((1 - TAIL_SHARE) * rttOf(network, to) + TAIL_SHARE * rttOf(network, tail));
      sum += own;
      if (isMeasured && before[each.asker]! >= 0 && before[each.asker] !== to) tally.changes += own;
    }
    before.set(now);
    const served: Served = {
      ...{ atMs, seconds: STEP_MS / 1000, region, demand, loads },
      measured: (network, to) => rttOf(network, to) * (1 + NOISE * draw()),
    };
    rule.hear(served);
    for (const [each, { capacity }] of regions.entries()) {
      const use = loads[each]! / capacity;
      const isDown = isLost(each);
      overloaded[each] = isMeasured && use > FELL_USE && !isDown ? overloaded[each]! + 1 : 0;
      if (overloaded[each]! >= FELL_STEPS) {
        felledUntil[each] = atMs + FELLED_MS;
        tally.felled += 1;
      }
      if (!isMeasured || isDown) continue;
      tally.useMax = Math.max(tally.useMax, use);
      tally.over += Math.max(0, loads[each]! - capacity) * (STEP_MS / 1000);
    }
    if (!isMeasured) continue;
    tally.ways += ways;
    tally.requests += sum;
    if (loss !== undefined) {
      if (sinceMs < loss.fromMs) lostDemand = loads[loss.region]!;
      else if (sinceMs < loss.toMs) {
        for (const [index, part] of FOLLOWED.entries()) {
          if (followed[index] === undefined && loads[loss.region]! <= (1 - part) * lostDemand) {
            followed[index] = (sinceMs - loss.fromMs) / 1000;
          }
        }
      }
    }
    if (step % SERIES_EVERY === 0) {
      const uses = regions.map(({ capacity }, each) => loads[each]! / capacity);
      series.push({ atMs: sinceMs, uses, meanMs: ways / sum });
    }
    if (step % OPTIMUM_EVERY !== 0) continue;
    const portions = networks.map(
      (_, network): Portion => ({
        demand: demand[network]!,
        costsMs: regions.map((__, to) =>
          isLost(to) ? Number.POSITIVE_INFINITY : rttOf(network, to),
        ),
      }),
    );
    const best = optimum(
      portions,
      regions.map(({ capacity }) => capacity),
    );
    if (rule.targetShare !== undefined) {
      const rooms = regions.map(({ capacity }) => capacity * rule.targetShare!);
      tally.target += optimum(portions, rooms).meanMs * sum;
      tally.askers += optimum(byAsker(askers, portions), rooms).meanMs * sum;
    }
    tally.optimum += best.meanMs * sum;
    tally.actual += ways;
    tally.optimumRequests += sum;
    const plan = rule.plan?.();
    if (plan !== undefined && regions.every((_, each) => !isLost(each)))
      errors.push(errorOf(plan, loads));
  }
  return {
    ...{ rule: rule.name, scenario: scenario.name, series },
    meanMs: tally.actual / tally.optimumRequests,
    optimumMs: tally.optimum / tally.optimumRequests,
    ...(rule.targetShare === undefined
      ? { targetMs: undefined, askersMs: undefined }
      : {
          targetMs: tally.target / tally.optimumRequests,
          askersMs: tally.askers / tally.optimumRequests,
        }),
    overloadShare: (tally.over * 1000) / (tally.requests * STEP_MS),
    useMax: tally.useMax,
    felled: tally.felled,
    changesPerDay: (tally.changes / tally.requests) * (86_400_000 / STEP_MS),
    followed,
    loadError: errors.length === 0 ? undefined : errors.reduce((a, b) => a + b, 0) / errors.length,
  };
}

/** One portion for each asker: with the mean ways of the networks behind it. */
function byAsker(askers: World['askers'], portions: readonly Portion[]): readonly Portion[] {
  return askers.map(({ networks }) => {
    const own = networks.map((network) => portions[network]!);
    const demand = own.reduce((sum, each) => sum + each.demand, 0);
    const costsMs = Array.from(own[0]!.costsMs, (_, region) =>
      own.reduce((sum, each) => sum + (each.demand / demand) * each.costsMs[region]!, 0),
    );
    return { demand, costsMs };
  });
}

/** Half of the sum of what regions have otherwise than by plan, as a part of all. */
function errorOf(
  {
    classes,
    regions,
  }: {
    readonly regions: readonly unknown[];
    readonly classes: readonly { readonly demand: number; readonly slots: readonly number[] }[];
  },
  loads: Float64Array,
): number {
  const planned = regions.map((_, region) =>
    classes.reduce((sum, { demand, slots }) => sum + (demand * slots[region]!) / SLOTS, 0),
  );
  const [wanted, got] = [planned.reduce((a, b) => a + b, 0), loads.reduce((a, b) => a + b, 0)];
  return (
    planned.reduce((sum, each, region) => sum + Math.abs(each / wanted - loads[region]! / got), 0) /
    2
  );
}
