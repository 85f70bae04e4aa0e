import type { ToldShares } from '../capacity/demand-report.ts';
import { type CapacityPlan, viewPlan } from '../capacity/plan.ts';
import { goesByPlan } from '../config/capacity-config.ts';
import type { Config } from '../config/config.ts';
import type { CapacityStatus } from '../control/capacity-status.ts';
import { systemClock, wallClockMs } from '../control/clock.ts';
import { regionLoads } from '../control/drill-world.ts';
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
  close(): void;
};

export function openCapacityDesk(
  { config, desk, facts, log, plans, store }: Parts,
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
      const told = { words, reports: desk.reports(), nowMs: facts.clock.nowMs() };
      return planInputs(serving(), told);
    },
  });
  return {
    status() {
      const [plan, report] = [plans.current(), planning.report()];
      if (!goesByPlan(serving().config) && report === undefined) return undefined;
      const { regions } = serving().config;
      return {
        ...(plan && { plan: described(plan, regions) }),
        ...(report && { planning: planningOf(report) }),
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
  readonly nowMs: number;
};

/** Undefined = there is nothing to plan, or this node does not. */
function planInputs(
  { config, snapshot }: Serving,
  { nowMs, reports, words }: Told,
): PlanInputs | undefined {
  const { node, regions } = config;
  if (!node.roles.includes('nameserver') && !node.roles.includes('admin')) return undefined;
  const stated = Object.entries(regions).map(([name, { capacity }]) => ({ name, capacity }));
  const isPlanned = goesByPlan(config) && stated.some(({ capacity }) => capacity > 0);
  const pools = poolLoads(config, snapshot, reports, nowMs);
  if (!isPlanned && pools.size === 0) return undefined;
  return {
    regions: stated,
    classes: isPlanned ? plannedClasses(snapshot) : new Map(),
    loads: regionLoads(reports, Object.keys(regions), nowMs),
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
  return (plan: CapacityPlan, stated: Config['regions']): DescribedPlan => {
    if (known?.plan !== plan) known = { plan, text: describePlan(plan, stated) };
    return known.text;
  };
}

type DescribedPlan = NonNullable<CapacityStatus['plan']>;

function describePlan(plan: CapacityPlan, stated: Config['regions']): DescribedPlan {
  const { addedMs, demand, loads, pricesMs } = viewPlan(plan);
  const { classes, generation, madeAtMs, regions } = plan;
  return {
    ...{ generation, madeAtMs, demand, addedMs, classes: classes.length },
    regions: regions.map(({ capacity, name, target }, region) => ({
      ...{ name, capacity: stated[name]?.capacity ?? 0 },
      ...{ room: capacity ?? 0, target: target ?? 0 },
      ...{ load: loads[region]!, priceMs: pricesMs[region]! },
    })),
  };
}
