import { type CapacityPlan, viewPlan } from '../capacity/plan.ts';
import { goesByPlan } from '../config/capacity-config.ts';
import type { Config } from '../config/config.ts';
import type { CapacityStatus } from '../control/capacity-status.ts';
import { systemClock } from '../control/clock.ts';
import { regionLoads } from '../control/drill-world.ts';
import type { Serving } from '../control/serving.ts';
import { createCapacityPlanning, type PlanInputs } from '../planning/capacity-planning.ts';
import { createDemandTeller } from '../planning/demand-teller.ts';
import { plannedClasses } from '../planning/planned-classes.ts';
import type { DnsWorkers } from '../workers/dns-workers.ts';
import type { Parts } from './parts.ts';

/** What a node does about capacity: it tells who asked, and makes the plan when it is its turn. */
export type CapacityDesk = {
  /** Undefined = no policy goes by capacity. */
  status(): CapacityStatus | undefined;
  close(): void;
};

export function openCapacityDesk(
  { config, desk, facts, log, plans, store }: Parts,
  dns: DnsWorkers | undefined,
  serving: () => Serving,
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
    });
  const planning = createCapacityPlanning({
    ...{ store, clock, log, node, keeper: plans, config: capacityOf },
    inputs: () => planInputs(serving(), desk.reports(), facts.clock.nowMs()),
  });
  return {
    status() {
      if (!goesByPlan(serving().config)) return undefined;
      const [plan, report] = [plans.current(), planning.report()];
      const { regions } = serving().config;
      return {
        ...(plan && { plan: described(plan, regions) }),
        ...(report && { planning: report }),
      };
    },
    close() {
      teller?.close();
      planning.close();
    },
  };
}

/** Undefined = nobody goes by a plan, no region says what it can carry, or this node does not plan. */
function planInputs(
  { config, snapshot }: Serving,
  reports: Parameters<typeof regionLoads>[0],
  nowMs: number,
): PlanInputs | undefined {
  const { node, regions } = config;
  const mayPlan = node.roles.includes('nameserver') || node.roles.includes('admin');
  if (!mayPlan || !goesByPlan(config)) return undefined;
  const stated = Object.entries(regions).map(([name, { capacity }]) => ({ name, capacity }));
  if (stated.every(({ capacity }) => capacity === 0)) return undefined;
  const loads = regionLoads(reports, Object.keys(regions), nowMs);
  return { regions: stated, classes: plannedClasses(snapshot), loads };
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
