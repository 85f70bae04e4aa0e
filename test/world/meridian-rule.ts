/**
 * Meridian's rule: its own code, from packet to packet. A DNS worker answers real queries; what it counts goes through
 * the teller, the store and the planner of capacity; what balancers would measure of their clients through sketches
 * and the planner of latency maps; health and plans come back as they do in a node. Nothing is imitated but the wires.
 */
import assert from 'node:assert/strict';
import { layerOfMap } from '../../src/clients/latency-layer.ts';
import { createLatencyPlanner } from '../../src/clients/latency-planner.ts';
import { networkKey } from '../../src/clients/network-key.ts';
import type { RttRow } from '../../src/clients/rtt-collector.ts';
import { resolveCapacity } from '../../src/config/capacity-config.ts';
import { capacity as capacitySchema } from '../../src/config/capacity-schema.ts';
import type { Config } from '../../src/config/config.ts';
import { resolveLatency } from '../../src/config/latency-config.ts';
import { latency as latencySchema } from '../../src/config/latency-schema.ts';
import { composeGeo } from '../../src/geo/database.ts';
import { DOWN, healthWord } from '../../src/health/health-word.ts';
import { formatAddress } from '../../src/ip/address.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { respond } from '../../src/nameserver/respond.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { rowLength } from '../../src/nameserver/tallies.ts';
import { createWorkerState, setHealth, setSnapshot } from '../../src/nameserver/worker-state.ts';
import { createCapacityPlanning } from '../../src/planning/capacity-planning.ts';
import { createDemandTeller } from '../../src/planning/demand-teller.ts';
import { createPlanKeeper } from '../../src/planning/plan-keeper.ts';
import { createPlanSlots, regionState } from '../../src/planning/plan-slots.ts';
import { plannedClasses } from '../../src/planning/planned-classes.ts';
import { memory } from '../../src/store/memory.ts';
import { createCounterRow } from '../../src/telemetry/counters.ts';
import { createCounterLedger } from '../../src/workers/counter-ledger.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';
import { clientAt, createConfig, queryBytes, WEB_POOL } from '../nameserver/fixture.ts';
import type { Rule, Served, Sight } from './rules.ts';
import type { Draw, World } from './world.ts';

export type MeridianOptions = {
  readonly steps: readonly string[];
  /** Nobody tries regions, which would be moves of their own. */
  readonly explores: boolean;
  /** Regions measure the ways to who asks. */
  readonly probes: boolean;
  /** What regions are filled to while there is room elsewhere, of their capacity. */
  readonly targetPercent: number;
};

const NAME = 'www.gslb.example';
const TTL_SECONDS = 30;
/** A latency map is taken over this often at most, to save the time of whoever waits for the simulation. */
const MAP_EVERY_MS = 600_000;
const RETURN_MS = 300_000;
const RETURN_FROM = 0.1;
/** Of the connections in a window, so many are measured. */
const SAMPLED = 0.02;
const PROBE_EVERY_MS = 600_000;
const CLIENTS_MIN = 3;

export async function meridian(
  name: string,
  world: World,
  { explores, probes, steps, targetPercent }: MeridianOptions,
  draw: Draw,
  startMs: number,
): Promise<
  Rule & {
    close(): Promise<void>;
    plan(): ReturnType<ReturnType<typeof createPlanKeeper>['current']>;
  }
> {
  const config = configOf(world, steps);
  const geo = geoOf(world);
  const latency = resolveLatency({ latency: latencySchema.parse({}) });
  const rules = { ...latency.rules, ...(explores ? {} : { exploreShare: 0 }) };
  const clock = createMovedClock(startMs);
  const store = await memory.open({}, clock);
  const silent = { info() {}, warn() {} };
  const events = {
    record: (kind: string, _: string, text: string) => assert.fail(`${kind}: ${text}`),
  };
  const keeper = createPlanKeeper({ store, events, directory: undefined });
  const ledger = createCounterLedger();
  const worker = createWorkerState(createCounterRow(1), 1);
  let snapshot: Snapshot;
  const serve = (generation: number, layer?: ReturnType<typeof layerOfMap>): void => {
    const nothing = [undefined, undefined, undefined] as const;
    const compiled = compileSnapshot(config, geo, generation, 1, ...nothing, layer);
    assert.ok(compiled.ok, JSON.stringify(compiled));
    snapshot = compiled.snapshot;
    const row = createCounterRow(rowLength(snapshot));
    ledger.attach('dns-udp-1', row, snapshot);
    setSnapshot(worker, snapshot, healthNow(), row);
  };
  const slots = createPlanSlots();
  let words = new Uint32Array(world.regions.length);
  const healthNow = () => {
    const health = { words, exceptions: new Uint32Array(0) };
    const plan = keeper.current();
    if (plan === undefined) return health;
    const state = regionState(snapshot, health);
    return { ...health, slots: slots.known(plan, state) ?? slots.make(plan, state) };
  };
  words = wordsOf(world.regions.map(() => 1));
  let shares = world.regions.map(() => 1);
  const isQuiet = (): boolean => shares.some((share) => share < 1);
  serve(1);
  const loads = new Map<string, number>();
  const shared = {
    ...{ store, clock, log: silent, node: 'sim' },
    config: () => resolveCapacity({ capacity: capacitySchema.parse({ targetPercent }) }),
  };
  const teller = createDemandTeller({ ...shared, tallies: ledger.tallies, shares: () => [] });
  const planning = createCapacityPlanning({
    ...shared,
    keeper,
    inputs: () => ({
      regions: world.regions.map(({ capacity, name: region }) => ({ name: region, capacity })),
      classes: plannedClasses(snapshot),
      loads,
      pools: new Map(),
      state: regionState(snapshot, { words, exceptions: new Uint32Array(0) }),
    }),
  });
  const planner = createLatencyPlanner({
    ...{
      regions: world.regions,
      geo: { locations: geo.locations, ranges: geo.ranges, sites: geo.sites },
    },
    ...{ rules, hasProbes: probes, tellsAll: true, networksMax: 100_000 },
    ...{ memoryMs: latency.memoryMs, ageMaxMs: latency.ageMaxMs },
  });
  const queries = world.askers.map(({ address, subnet }) => ({
    client: clientAt(formatAddress(address)),
    bytes: queryBytes(
      NAME,
      'A',
      subnet === undefined ? {} : { subnet: `${formatAddress(subnet)}/24` },
    ),
  }));
  const reply = new Uint8Array(1232);
  const windows = createWindows(world, draw);
  const returning = world.regions.map(() => Number.NEGATIVE_INFINITY);
  let wasUp = world.regions.map(() => true);
  let lastMapMs = startMs;
  let generation = 1;
  let nextWindowMs = startMs + latency.windowMs;
  let told = '';
  let nextProbeMs = startMs;
  return {
    name,
    targetShare: targetPercent / 100,
    plan: keeper.current,
    async begin({ atMs, isUp }: Sight) {
      await clock.advance(atMs - clock.nowMs());
      for (const [region, up] of isUp.entries()) if (up && !wasUp[region]) returning[region] = atMs;
      wasUp = [...isUp];
      shares = isUp.map((up, region) => {
        if (!up) return 0;
        const since = (atMs - returning[region]!) / RETURN_MS;
        return since >= 1 ? 1 : RETURN_FROM + (1 - RETURN_FROM) * since;
      });
      words = wordsOf(shares);
      if (atMs >= nextWindowMs) {
        nextWindowMs += latency.windowMs;
        for (const sketch of windows.drain()) planner.learn(sketch, atMs);
        if (probes && atMs >= nextProbeMs) {
          nextProbeMs = atMs + PROBE_EVERY_MS;
          for (const sketch of windows.probe()) planner.learn(sketch, atMs);
        }
        planner.endWindow(atMs, isQuiet());
        if (atMs - lastMapMs >= MAP_EVERY_MS) {
          lastMapMs = atMs;
          const map = planner.map(generation + 1, atMs);
          const text = map.rows
            .map(({ network, order }) => `${network} ${map.orders[order]}`)
            .join();
          if (text !== told) {
            generation += 1;
            told = text;
            serve(generation, layerOfMap(map));
          }
        }
      }
      setHealth(worker, healthNow(), snapshot.generation);
    },
    answer(asker, { atMs }) {
      const { bytes, client } = queries[asker]!;
      const length = respond(worker, client, bytes, bytes.length, atMs, reply);
      assert.ok(length > 0 && worker.place.endpoint >= 0);
      return worker.place.endpoint;
    },
    hear(served) {
      loads.clear();
      // The balancers of a region that is down tell nothing.
      for (const [region, { name: own }] of world.regions.entries()) {
        if (wasUp[region]) loads.set(own, served.loads[region]!);
      }
      windows.hear(served);
    },
    async close() {
      teller.close();
      planning.close();
      keeper.close();
      await store.close();
    },
  };
}

/** What balancers measure of the connections that come, and probes of who asks, until it is told. */
function createWindows({ askers, networks, regions }: World, draw: Draw) {
  let last: Served | undefined;
  const counts = regions.map(() => new Map<number, { count: number; least: number }>());
  return {
    hear(served: Served): void {
      last = served;
      const { demand, measured, region, seconds } = served;
      for (const network of networks.keys()) {
        const exact = demand[network]! * seconds * SAMPLED;
        const count = Math.floor(exact) + (draw() < exact % 1 ? 1 : 0);
        if (count === 0) continue;
        const own = counts[region[network]!]!;
        const now = measured(network, region[network]!);
        const before = own.get(network);
        own.set(network, {
          count: count + (before?.count ?? 0),
          least: Math.min(now, before?.least ?? now),
        });
      }
    },
    /** Each region measures each resolver that stands in a network of clients. */
    probe() {
      const own = askers.flatMap(({ networks: [network], subnet }) =>
        subnet === undefined && network !== undefined ? [network] : [],
      );
      return regions.map(({ name }, region) => ({
        region: name,
        source: 'probes' as const,
        rows: own.map((network): RttRow => {
          const rttMs = last?.measured(network, region) ?? 1;
          return {
            network: networkKey(networks[network]!.address),
            ...{ rttMs, deviationMs: 2, count: 2 },
          };
        }),
      }));
    },
    drain() {
      return counts.map((own, region) => {
        const rows = [...own].flatMap(([network, { count, least }]): readonly RttRow[] =>
          count < CLIENTS_MIN
            ? []
            : [
                {
                  network: networkKey(networks[network]!.address),
                  ...{ rttMs: least, deviationMs: 2, count },
                },
              ],
        );
        own.clear();
        return { region: regions[region]!.name, source: 'clients' as const, rows };
      });
    },
  };
}

const wordsOf = (shares: readonly number[]): Uint32Array<ArrayBuffer> =>
  Uint32Array.from(shares, (share) =>
    share === 0 ? healthWord(DOWN, TTL_SECONDS) : healthWord(0, TTL_SECONDS, share),
  );

function configOf({ regions }: World, steps: readonly string[]): Config {
  const base = createConfig();
  const zone = base.zones['gslb.example']!;
  const steered = {
    owner: `${NAME}.`,
    pool: 'web',
    policy: 'kept',
    ttlMin: 5,
    ttlMax: TTL_SECONDS,
  };
  return {
    ...base,
    regions: Object.fromEntries(
      regions.map(({ capacity, location, name }, index) => [
        name,
        { location, vips: [`198.51.100.${index + 1}`], capacity },
      ]),
    ),
    pools: {
      web: {
        ...WEB_POOL,
        endpoints: regions.map(({ name }) => ({ region: name, weight: 1, addresses: [] })),
      },
    },
    policies: { kept: { chain: steps.map((kind) => ({ kind, options: {} })) } },
    zones: { 'gslb.example': { ...zone, steered: [steered] } },
  };
}

/** What is known of places: those of networks and of who asks. */
function geoOf({ askers, networks }: World) {
  const placed = [
    ...networks.map(({ address, location }) => ({
      networks: [`${formatAddress(address)}/24`],
      location,
    })),
    ...askers.flatMap(({ address, location, subnet }) =>
      subnet === undefined && address.bytes[0] !== 198
        ? []
        : [{ networks: [formatAddress(address)], location }],
    ),
  ];
  return composeGeo([], dedupe(placed));
}

function dedupe<Each extends { readonly networks: readonly string[] }>(
  all: readonly Each[],
): readonly Each[] {
  return [...new Map(all.map((each) => [each.networks[0]!, each])).values()];
}
