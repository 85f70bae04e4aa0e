import { isDown } from '../health/health-word.ts';
import { wordOf } from '../health/health-words.ts';
import type { Counts } from './control-plane.ts';
import type { DrillWorld } from './drills.ts';
import type { PlaneParts } from './plane.ts';
import type { Facts } from './status.ts';

/** What a drill sees of the node: who is usable, what would be answered, what was answered. */
export function createDrillWorld(parts: PlaneParts): DrillWorld {
  const { clock, drillPhases, events, facts, overrides } = parts;
  return {
    clock,
    overrides,
    events,
    phases: drillPhases,
    steeredNames: () => facts().serving.names,
    word: (endpoint, near) => wordOf(facts().words)(endpoint, near),
    answers: () => answersByRegion(facts()),
    situation: () => situationOf(facts()),
    loads: () => loadsOf(facts(), clock.nowMs()),
  };
}

function situationOf({ serving, words }: Facts): ReturnType<DrillWorld['situation']> {
  const { config, snapshot } = serving;
  const endpoints = snapshot.endpoints.map(({ pool, region }, index) => ({
    pool,
    region,
    usable: !isDown(words.words[index] ?? 0),
  }));
  return {
    regions: Object.entries(config.regions).map(([name, { capacity }]) => ({ name, capacity })),
    pools: Object.keys(config.pools).map((name) => ({
      name,
      endpoints: endpoints.filter(({ pool }) => pool === name),
    })),
  };
}

/** Of balancers that still speak: what one carried that is gone, others carry now. */
function loadsOf({ reports, serving }: Facts, nowMs: number): ReturnType<DrillWorld['loads']> {
  return Object.keys(serving.config.regions).map((name) => {
    const own = reports.filter(
      ({ heardAtMs, leaseMs, region }) => region === name && nowMs - heardAtMs <= leaseMs,
    );
    const sum = own.reduce((total, { requestsPerSecond }) => total + requestsPerSecond, 0);
    return { region: name, requestsPerSecond: sum };
  });
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
