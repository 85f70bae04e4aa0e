import type { ToldShares } from '../capacity/demand-report.ts';
import { passedOn } from '../capacity/passed-on.ts';
import { type CapacityPlan, viewPlan } from '../capacity/plan.ts';
import { goesByPlan } from '../config/capacity-config.ts';
import type { CapacityStatus } from '../control/capacity-status.ts';
import { systemClock, wallClockMs } from '../control/clock.ts';
import type { CapacityView } from '../control/control-plane.ts';
import { regionLoads } from '../control/drill-world.ts';
import { type ReportedLoad, regionCapacities } from '../control/reported-loads.ts';
import type { Serving } from '../control/serving.ts';
import type { HealthWords } from '../health/health-words.ts';
import type { ServedHealth } from '../nameserver/served-health.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import {
  type CapacityReport,
  createCapacityPlanning,
  type PlanInputs,
} from '../planning/capacity-planning.ts';
import { createDemandTeller } from '../planning/demand-teller.ts';
import { regionState } from '../planning/plan-slots.ts';
import { plannedClasses } from '../planning/planned-classes.ts';
import { poolLoads } from '../planning/pool-loads.ts';
import { shareReport } from '../planning/share-report.ts';
import type { DnsWorkers } from '../workers/dns-workers.ts';
import type { Parts } from './parts.ts';
import type { Served } from './served.ts';

/** What a node does about capacity: it tells who asked, and makes the plan when it is its turn. */
export type CapacityDesk = {
  /** Undefined = no policy goes by capacity. */
  status(): CapacityStatus | undefined;
  /** The plan with so many of the classes that it passes on; undefined = there is none. */
  view(classes: number): CapacityView | undefined;
  close(): void;
};

export function openCapacityDesk(
  { config, desk, facts, log, plans, reportedLoads, store }: Parts,
  dns: DnsWorkers | undefined,
  { current: serving, health }: Pick<Served, 'current' | 'health'>,
): CapacityDesk {
  const clock = systemClock;
  const node = config.node.name;
  const capacityOf = () => serving().config.capacity;
  const described = createDescription();
  const teller =
    dns &&
    createDemandTeller({
      ...{ store, clock, log, node, config: capacityOf },
      tallies: dns.counters.tallies,
      shares: createShareTeller(dns, () => ({
        ...{ snapshot: serving().snapshot, health: health.of(desk.words()) },
        nowMs: wallClockMs(),
      })),
    });
  const planning = createCapacityPlanning({
    ...{ store, clock, log, node, keeper: plans, config: capacityOf },
    inputs() {
      const words = desk.words();
      const reported = reportedLoads.current();
      const told = { words, reported, reports: desk.reports(), nowMs: facts.clock.nowMs() };
      return planInputs(serving(), told);
    },
  });
  return {
    status() {
      const [plan, report] = [plans.current(), planning.report()];
      if (!goesByPlan(serving().config) && report === undefined) return undefined;
      const regions = regionCapacities(serving().config.regions, reportedLoads.current());
      return {
        ...(plan && { plan: described(plan, regions) }),
        ...(report && { planning: planningOf(report) }),
      };
    },
    view(classes) {
      const plan = plans.current();
      if (plan === undefined) return undefined;
      const passed = passedOn(plan, classes);
      const regions = regionCapacities(serving().config.regions, reportedLoads.current());
      return {
        ...describePlan(plan, regions),
        ...{ passedCount: passed.count, passed: passed.classes },
      };
    },
    close() {
      teller?.close();
      planning.close();
    },
  };
}

/** What nameservers of this node counted of shares since they were asked last. */
function createShareTeller(
  { counters }: Pick<DnsWorkers, 'counters'>,
  now: () => { readonly snapshot: Snapshot; readonly health: ServedHealth; readonly nowMs: number },
) {
  let before = counters.shares();
  return (seconds: number): readonly ToldShares[] => {
    const [counted, { health, nowMs, snapshot }] = [counters.shares(), now()];
    const told = shareReport(before, counted, snapshot, health, { nowMs, seconds });
    before = counted;
    return told;
  };
}

type Told = {
  readonly words: HealthWords;
  readonly reports: Parameters<typeof regionLoads>[0];
  readonly reported: ReadonlyMap<string, ReportedLoad>;
  readonly nowMs: number;
};

/** Undefined = there is nothing to plan, or this node does not. */
function planInputs(
  { config, snapshot }: Serving,
  { nowMs, reported, reports, words }: Told,
): PlanInputs | undefined {
  const { node, regions } = config;
  if (!node.roles.includes('nameserver') && !node.roles.includes('admin')) return undefined;
  const stated = regionCapacities(regions, reported);
  const isPlanned = goesByPlan(config) && stated.some(({ capacity }) => capacity > 0);
  const pools = poolLoads(config, snapshot, reports, nowMs);
  if (!isPlanned && pools.size === 0) return undefined;
  return {
    regions: stated,
    classes: isPlanned ? plannedClasses(snapshot) : new Map(),
    loads: regionLoads(reports, Object.keys(regions), nowMs, reported),
    pools,
    state: regionState(snapshot, words),
  };
}

function planningOf({ shares, ...rest }: CapacityReport): NonNullable<CapacityStatus['planning']> {
  return { ...rest, shares: [...shares].map(([pool, each]) => ({ pool, ...each })) };
}

/** It takes milliseconds, and is asked for with every scrape. */
function createDescription() {
  let known: { readonly plan: CapacityPlan; readonly text: DescribedPlan } | undefined;
  return (plan: CapacityPlan, stated: Stated): DescribedPlan => {
    if (known?.plan !== plan) known = { plan, text: describePlan(plan, stated) };
    return known.text;
  };
}

type DescribedPlan = NonNullable<CapacityStatus['plan']>;

type Stated = ReturnType<typeof regionCapacities>;

function describePlan(plan: CapacityPlan, stated: Stated): DescribedPlan {
  const capacities = new Map(stated.map(({ capacity, name }) => [name, capacity]));
  const { addedMs, demand, loads, pricesMs } = viewPlan(plan);
  const { classes, generation, madeAtMs, regions } = plan;
  return {
    ...{ generation, madeAtMs, demand, addedMs, classes: classes.length },
    regions: regions.map(({ capacity, name, target }, region) => ({
      ...{ name, capacity: capacities.get(name) ?? 0 },
      ...{ room: capacity ?? 0, target: target ?? 0 },
      ...{ load: loads[region]!, priceMs: pricesMs[region]! },
    })),
  };
}
