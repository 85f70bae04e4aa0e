import type { LatencyPlannerOptions, PlannerReport } from '../clients/latency-planner.ts';
import { EXCHANGES, type ProbeReading } from '../clients/probe-round.ts';
import type { RttRow } from '../clients/rtt-collector.ts';
import { goesByPlan } from '../config/capacity-config.ts';
import type { Config, VantageConfig } from '../config/config.ts';
import { goesByLatency, probesAnybody } from '../config/latency-config.ts';
import { repeat, systemClock } from '../control/clock.ts';
import type { LatencyPlanning, LatencyStatus } from '../control/latency-status.ts';
import type { Serving } from '../control/serving.ts';
import { isDown } from '../health/health-word.ts';
import type { MapKeeper } from '../latency/map-keeper.ts';
import { createPageGate, type PageGate } from '../latency/page-gate.ts';
import { createPlanner } from '../latency/planner.ts';
import { createPlanning, type Planning } from '../latency/planning.ts';
import { createProber, type Prober } from '../latency/prober.ts';
import { createResolverTeller } from '../latency/resolver-teller.ts';
import { roundTripMs } from '../latency/round-trip.ts';
import { createTeller, type Teller } from '../latency/teller.ts';
import type { Compiler } from '../workers/compiler.ts';
import type { DnsWorkers } from '../workers/dns-workers.ts';
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
  parts: Parts,
  file: URL,
  serving: () => Serving,
  dns: Pick<DnsWorkers, 'setSampling'> | undefined,
): LatencyDesk {
  const { config, desk, events, latencyMaps, log, store, told } = parts;
  const clock = systemClock;
  const latencyOf = () => serving().config.latency;
  const isQuiet = (): boolean => desk.words().words.some(isDown);
  const teller = createTeller({ store, clock, log, config: latencyOf });
  told.roundTrips = teller.hear;
  const probing = openProbing(parts, serving, teller, dns);
  const gate = createPageGate({ clock, take: teller.hearPage });
  told.pageReports = gate.hear;
  const planning = createPlanning({
    ...{ store, clock, log, isQuiet },
    planner: createPlanner(file, { log, record: events.record }),
    keeper: latencyMaps,
    node: config.node.name,
    config: latencyOf,
    options: () => plannerOptions(serving()),
  });
  return {
    status: () => describeLatency(serving(), latencyMaps, planning, { probing, gate }),
    async close() {
      told.roundTrips = () => {};
      told.pageReports = () => {};
      probing.close();
      teller.close();
      await planning.close();
    },
  };
}

/** What this node measures by itself, and whom its nameserver would have measured. */
function openProbing(
  { config: { node }, log, store, told }: Parts,
  serving: () => Serving,
  teller: Teller,
  dns: Pick<DnsWorkers, 'setSampling'> | undefined,
): Pick<Prober, 'status' | 'close'> {
  const clock = systemClock;
  const config = () => serving().config.latency;
  const resolvers = createResolverTeller({ store, clock, log, node: node.name, config });
  told.sources = resolvers.hear;
  const sample = (): void => {
    dns?.setSampling(goesByLatency(serving().config) && config().probes.resolversMax > 0);
  };
  sample();
  const stopSampling = repeat(clock, () => config().windowMs, sample);
  const prober = createProber({
    ...{ store, clock, log, config },
    draw: Math.random,
    roundTrip: roundTripMs,
    vantages: () => probingVantages(serving().config),
    tell: (region, reading) => teller.hearProbes(region, rowsOf(reading)),
  });
  return {
    status: prober.status,
    close() {
      told.sources = () => {};
      stopSampling();
      resolvers.close();
      prober.close();
    },
  };
}

/** Where a vantage point is in no region, nobody would know what its measurements are of. */
function probingVantages(config: Config): readonly VantageConfig[] {
  const { latency, node, regions } = config;
  const mayProbe = node.roles.includes('prober') && goesByLatency(config);
  if (!mayProbe || !probesAnybody(latency)) return [];
  return node.vantages.filter(
    ({ region }) => region !== undefined && Object.hasOwn(regions, region),
  );
}

/** A reading speaks for all networks of its target. */
function rowsOf({ deviationMs, rttMs, target }: ProbeReading): readonly RttRow[] {
  return target.networks.flatMap(({ count, first }) =>
    Array.from({ length: count }, (_, index) => {
      return { network: first + index, rttMs, deviationMs, count: EXCHANGES };
    }),
  );
}

function describeLatency(
  { config }: Serving,
  keeper: Pick<MapKeeper, 'current'>,
  planning: Pick<Planning, 'report'>,
  sources: { readonly probing: Pick<Prober, 'status'>; readonly gate: PageGate },
): LatencyStatus | undefined {
  if (!goesByLatency(config)) return undefined;
  const [layer, report] = [keeper.current(), planning.report()];
  const { gate, probing } = sources;
  const probes = probing.status();
  return {
    ...(layer && {
      map: {
        generation: layer.generation,
        madeAtMs: layer.madeAtMs,
        networks: layer.networks.length,
      },
    }),
    ...(report && { planning: planningOf(report) }),
    ...(probes && { probes }),
    ...(config.latency.pages && { pages: gate.counts() }),
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
  const { edition, locations, ranges, sites } = geo;
  const places = Object.entries(regions).map(([name, { location }]) => ({ name, location }));
  const hasProbes = probesAnybody(latency);
  const tellsAll = goesByPlan(config);
  const numbers = { hasProbes, networksMax, memoryMs, ageMaxMs, tellsAll };
  const known = { locations, ranges, sites, ...(edition !== undefined && { edition }) };
  return { regions: places, geo: known, rules, ...numbers };
}
