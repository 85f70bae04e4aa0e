import type { LatencyPlannerOptions, PlannerReport } from '../clients/latency-planner.ts';
import { goesByLatency } from '../config/latency-config.ts';
import { systemClock } from '../control/clock.ts';
import type { LatencyPlanning, LatencyStatus } from '../control/latency-status.ts';
import type { Serving } from '../control/serving.ts';
import { isDown } from '../health/health-word.ts';
import type { MapKeeper } from '../latency/map-keeper.ts';
import { createPlanner } from '../latency/planner.ts';
import { createPlanning, type Planning } from '../latency/planning.ts';
import { createTeller } from '../latency/teller.ts';
import type { Compiler } from '../workers/compiler.ts';
import type { Parts } from './parts.ts';

/** Compiles what is to be served with the latency map of the moment; the past has none. */
export function withLatency(compiler: Compiler, keeper: Pick<MapKeeper, 'current'>): Compiler {
  return {
    ...compiler,
    compile: (request) =>
      compiler.compile(request.isPast ? request : { ...request, latency: keeper.current() }),
  };
}

/** What a node does about ways to clients: it tells what it measures, and makes the map when it is its turn. */
export type LatencyDesk = {
  /** Undefined = no policy goes by latency. */
  status(): LatencyStatus | undefined;
  close(): Promise<void>;
};

/** Nobody explores while endpoints are down, which is also what a drill makes of them. */
export function openLatencyDesk(
  { config, desk, events, latencyMaps, log, store, told }: Parts,
  file: URL,
  serving: () => Serving,
): LatencyDesk {
  const clock = systemClock;
  const latencyOf = () => serving().config.latency;
  const isQuiet = (): boolean => desk.words().words.some(isDown);
  const teller = createTeller({ store, clock, log, config: latencyOf });
  told.roundTrips = teller.hear;
  const planning = createPlanning({
    ...{ store, clock, log, isQuiet },
    planner: createPlanner(file, { log, record: events.record }),
    keeper: latencyMaps,
    node: config.node.name,
    config: latencyOf,
    options: () => plannerOptions(serving()),
  });
  return {
    status: () => describeLatency(serving(), latencyMaps, planning),
    async close() {
      told.roundTrips = () => {};
      teller.close();
      await planning.close();
    },
  };
}

function describeLatency(
  { config }: Serving,
  keeper: Pick<MapKeeper, 'current'>,
  planning: Pick<Planning, 'report'>,
): LatencyStatus | undefined {
  if (!goesByLatency(config)) return undefined;
  const [layer, report] = [keeper.current(), planning.report()];
  return {
    ...(layer && {
      map: {
        generation: layer.generation,
        madeAtMs: layer.madeAtMs,
        networks: layer.networks.length,
      },
    }),
    ...(report && { planning: planningOf(report) }),
  };
}

function planningOf(report: PlannerReport): LatencyPlanning {
  const { exploring, moved, movedShare, networks, octets, waiting } = report;
  return { networks, octets, moved, movedShare, waiting, exploring };
}

/** Undefined = nobody goes by latency, or this node does not plan. */
function plannerOptions({ config, geo }: Serving): LatencyPlannerOptions | undefined {
  const { latency, node, regions } = config;
  const mayPlan = node.roles.includes('nameserver') || node.roles.includes('admin');
  if (!mayPlan || !goesByLatency(config)) return undefined;
  const { ageMaxMs, memoryMs, networksMax, rules } = latency;
  const { locations, ranges } = geo;
  const places = Object.entries(regions).map(([name, { location }]) => ({ name, location }));
  return { regions: places, geo: { locations, ranges }, ageMaxMs, memoryMs, networksMax, rules };
}
