import { isDown } from '../health/health-word.ts';
import { wordOf } from '../health/health-words.ts';
import type { Counts } from './control-plane.ts';
import type { DrillWorld } from './drills.ts';
import type { PlaneParts } from './plane.ts';
import { type ReportedLoad, regionCapacities } from './reported-loads.ts';
import type { Facts } from './status.ts';

const NONE: ReadonlyMap<string, ReportedLoad> = new Map();

/** What a drill sees of the node: who is usable, what would be answered, what was answered. */
export function createDrillWorld(parts: PlaneParts): DrillWorld {
  const { clock, drillPhases, events, facts, overrides } = parts;
  return {
    clock,
    overrides,
    events,
    phases: drillPhases,
    steeredNames: () => facts().serving.names,
    planned(region) {
      const { plan, slotsWithout } = facts();
      return { now: plan?.slots, without: slotsWithout?.(region) };
    },
    word: (endpoint, near) => wordOf(facts().words)(endpoint, near),
    answers: () => answersByRegion(facts()),
    situation: () => situationOf(facts()),
    loads: () => loadsOf(facts(), clock.nowMs()),
  };
}

function situationOf({
  reportedLoads = NONE,
  serving,
  words,
}: Facts): ReturnType<DrillWorld['situation']> {
  const { config, snapshot } = serving;
  const endpoints = snapshot.endpoints.map(({ pool, region }, index) => ({
    pool,
    region,
    usable: !isDown(words.words[index] ?? 0),
  }));
  return {
    regions: regionCapacities(config.regions, reportedLoads),
    pools: Object.keys(config.pools).map((name) => ({
      name,
      endpoints: endpoints.filter(({ pool }) => pool === name),
    })),
  };
}

function loadsOf(
  { reportedLoads, reports, serving }: Facts,
  nowMs: number,
): ReturnType<DrillWorld['loads']> {
  const names = Object.keys(serving.config.regions);
  const loads = regionLoads(reports, names, nowMs, reportedLoads);
  return names.map((region) => ({ region, requestsPerSecond: loads.get(region) ?? 0 }));
}

/**
 * Requests a second of balancers that still speak: what one carried that is gone, others carry now. A region where
 * none speaks is missing. What somebody else reports of a region stands above that.
 */
export function regionLoads(
  reports: Facts['reports'],
  regions: readonly string[],
  nowMs: number,
  reported: ReadonlyMap<string, ReportedLoad> = NONE,
): ReadonlyMap<string, number> {
  const loads = new Map<string, number>();
  for (const { heardAtMs, leaseMs, region, requestsPerSecond } of reports) {
    if (region === undefined || !regions.includes(region)) continue;
    if (nowMs - heardAtMs > leaseMs) continue;
    loads.set(region, (loads.get(region) ?? 0) + requestsPerSecond);
  }
  for (const { region, requestsPerSecond } of reported.values()) {
    if (requestsPerSecond !== undefined && regions.includes(region)) {
      loads.set(region, requestsPerSecond);
    }
  }
  return loads;
}

/**
 * Counted over every endpoint that ever answered (`pool/region`), so that no region's count falls
 * when a reload takes an endpoint away.
 */
function answersByRegion({ answers, serving }: Facts): Counts {
  const byRegion = new Map(Object.keys(serving.config.regions).map((region) => [region, 0]));
  for (const [endpoint, count] of answers) {
    const region = endpoint.slice(endpoint.indexOf('/') + 1);
    byRegion.set(region, (byRegion.get(region) ?? 0) + count);
  }
  return [...byRegion].map(([region, count]) => ({ region, answers: count }));
}
