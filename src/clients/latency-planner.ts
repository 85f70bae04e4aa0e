/**
 * Makes latency maps of what regions measure: one node does it for all. It begins with the map that is in force, so
 * that another node can go on where one has stopped.
 */
import type { GeoDatabase } from '../geo/database.ts';
import type { Location } from '../geo/location.ts';
import { valueAt } from '../ip/range-search.ts';
import type { LatencyMap, LatencyMapRow } from './latency-map.ts';
import { ORDERS_MAX, WAYS_TOLD } from './latency-map.ts';
import { estimate, type Prior } from './latency-model.ts';
import {
  createLatencyOrders,
  endWindow,
  forgetNetworks,
  geographicOrder,
  type LatencyOrders,
  learnSketch,
  type OrderRules,
  orderOf,
  setOrder,
  type WindowReport,
} from './latency-orders.ts';
import { rowOf, sizeOf } from './latency-table.ts';
import { isSite, prefixOfKey, siteKey, siteOfKey } from './network-key.ts';
import { type NetworkSites, networkSites } from './network-sites.ts';
import { floorMs, priorMs } from './prior.ts';
import { RTT_SOURCES, type RttSketch, type RttSource } from './rtt-sketch.ts';

export type PlannerRegion = { readonly name: string; readonly location: Location | undefined };

export type LatencyPlannerOptions = {
  /** At most REGIONS_MAX. */
  readonly regions: readonly PlannerRegion[];
  readonly geo: Pick<GeoDatabase, 'locations' | 'ranges' | 'sites' | 'edition'>;
  readonly rules: OrderRules;
  /** Whether anybody is to be probed. */
  readonly hasProbes: boolean;
  readonly networksMax: number;
  /** Networks that geography orders alike are told too: somebody needs to know how far they are (capacity/plan.ts). */
  readonly tellsAll: boolean;
  readonly memoryMs: number;
  readonly ageMaxMs: number;
};

export type LatencyPlanner = {
  /** Takes in what somebody has measured. Returns networks there was no room for; -1 = of a region that is none. */
  learn(sketch: RttSketch, nowMs: number): number;
  /** Goes on from a map: its orders, and a little of its ways. */
  adopt(map: LatencyMap, nowMs: number): void;
  /** Ends a window. @param isQuiet nobody explores */
  endWindow(nowMs: number, isQuiet: boolean): PlannerReport;
  /** What is to be published. */
  map(generation: number, nowMs: number): LatencyMap;
};

export type PlannerReport = WindowReport & {
  /** Networks that something is known of. */
  readonly networks: number;
  /** Octets of what is known. */
  readonly octets: number;
};

/** What a map's way is worth to who begins with it, in connections. */
const ADOPTED_CONNECTIONS = 2;
const ADOPTED_DEVIATION = 0.2;
const FORGET_EVERY_MS = 3_600_000;

export function createLatencyPlanner(options: LatencyPlannerOptions): LatencyPlanner {
  const { geo, regions, rules, tellsAll } = options;
  const sites = networkSites(geo.sites);
  const numberOf = new Map(regions.map(({ name }, region) => [name, region]));
  const orders = createLatencyOrders({
    ...options,
    regions: regions.length,
    priorOf: priorsOf(geo, regions, sites),
    rules,
  });
  let forgottenAtMs = 0;
  return {
    learn(sketch, nowMs) {
      const region = numberOf.get(sketch.region);
      if (region === undefined) return -1;
      const rows = sketch.rows.map((row) => ({ ...row, network: keyOf(sites, row.network) }));
      return learnSketch(orders, region, { ...sketch, rows }, nowMs);
    },
    adopt: (map, nowMs) => adopt(orders, withoutTwins(map, sites), numberOf, nowMs),
    endWindow(nowMs, isQuiet) {
      if (nowMs - forgottenAtMs >= FORGET_EVERY_MS) {
        forgetNetworks(orders, nowMs);
        forgottenAtMs = nowMs;
      }
      const report = endWindow(orders, nowMs, isQuiet);
      const { blocks, table } = orders.model;
      return { ...report, networks: orders.rows, octets: sizeOf(table) + sizeOf(blocks) };
    },
    map: (generation, nowMs) => mapOf(orders, { regions, sites, tellsAll }, generation, nowMs),
  };
}

/** What is kept of a network is kept of its site, if it is of one. */
function keyOf({ siteOf }: NetworkSites, network: number): number {
  const site = siteOf(network);
  return site === 0 ? network : siteKey(site);
}

/** Of each site the first network stands for all of them. */
function withoutTwins(map: LatencyMap, sites: NetworkSites): LatencyMap {
  const seen = new Set<number>();
  const rows = map.rows.flatMap((row) => {
    const network = keyOf(sites, row.network);
    if (seen.has(network)) return [];
    seen.add(network);
    return { ...row, network };
  });
  return { ...map, rows };
}

/** By place: networks of one place have one prior. A site is where its first network is. */
function priorsOf(
  { locations, ranges }: LatencyPlannerOptions['geo'],
  regions: readonly PlannerRegion[],
  { networksOf }: NetworkSites,
): (network: number) => Prior {
  const known = new Map<number, Prior>();
  return (key) => {
    const network = isSite(key) ? networksOf(siteOfKey(key))[0]! : key;
    const place = valueAt(ranges, prefixOfKey(network).address);
    const prior = known.get(place) ?? priorOf(place === 0 ? undefined : locations[place], regions);
    known.set(place, prior);
    return prior;
  };
}

function priorOf(client: Location | undefined, regions: readonly PlannerRegion[]): Prior {
  return {
    expected: Float64Array.from(regions, ({ location }) => priorMs(client, location)),
    floor: Float64Array.from(regions, ({ location }) => floorMs(client, location)),
  };
}

function adopt(
  orders: LatencyOrders,
  { orders: ofMap, regions, rows }: LatencyMap,
  numberOf: ReadonlyMap<string, number>,
  nowMs: number,
): void {
  const own = regions.map((name) => numberOf.get(name) ?? -1);
  for (const { network, order, sources, waysMs } of rows) {
    const source = adoptedAs(sources);
    const known = ofMap[order]!.map((region) => own[region]!);
    for (const [place, rttMs] of waysMs.entries()) {
      const region = known[place]!;
      if (region < 0) continue;
      const deviationMs = rttMs * ADOPTED_DEVIATION;
      const row = { network, rttMs, deviationMs, count: ADOPTED_CONNECTIONS };
      learnSketch(orders, region, { rows: [row], source }, nowMs);
    }
    const row = rowOf(orders.model.table, network);
    if (row >= 0)
      setOrder(
        orders,
        row,
        known.filter((region) => region >= 0),
      );
  }
}

/** What is known from probes alone stays so. */
function adoptedAs(sources: number): RttSource {
  return RTT_SOURCES.find((_, bit) => sources === 1 << bit) ?? 'clients';
}

/**
 * Networks that geography would answer alike are left out. Orders are told as far as ways are: behind those come the
 * regions that are nearest to the first. A million networks and twenty regions have nearly as many orders
 * otherwise, for what matters when three regions are lost.
 */
function mapOf(
  orders: LatencyOrders,
  {
    regions,
    sites,
    tellsAll,
  }: Pick<LatencyPlannerOptions, 'regions' | 'tellsAll'> & {
    readonly sites: NetworkSites;
  },
  generation: number,
  nowMs: number,
): LatencyMap {
  const { model, scratch } = orders;
  const near = regions.map(({ location }) => nearestTo(location, regions));
  const all: (readonly number[])[] = [];
  const numbers = new Map<string, number>();
  const rows: LatencyMapRow[] = [];
  for (let row = 0; row < orders.rows; row += 1) {
    const key = model.table.networks[row]!;
    const own = orderOf(orders, row);
    const networks = (isSite(key) ? sites.networksOf(siteOfKey(key)) : [key]).filter(
      (network) => tellsAll || !isGeographic(own, model.priorOf(network)),
    );
    if (networks.length === 0) continue;
    const head = own.slice(0, WAYS_TOLD);
    const text = head.join(' ');
    // No map has more of them: whom it does not know goes by geography.
    if (!numbers.has(text) && all.length === ORDERS_MAX) continue;
    const order =
      numbers.get(text) ??
      all.push([...head, ...near[head[0]!]!.filter((region) => !head.includes(region))]) - 1;
    numbers.set(text, order);
    estimate(model, key, row, nowMs, scratch);
    const waysMs = head.map((region) => scratch.ms[region]!);
    const sources = model.table.sources[row]!;
    for (const network of networks) rows.push({ network, order, waysMs, sources });
  }
  return {
    generation,
    madeAtMs: nowMs,
    regions: regions.map(({ name }) => name),
    orders: all,
    rows,
  };
}

function nearestTo(
  from: Location | undefined,
  regions: readonly PlannerRegion[],
): readonly number[] {
  const far = regions.map(({ location }) => priorMs(from, location));
  return [...regions.keys()].sort((a, b) => far[a]! - far[b]! || a - b);
}

function isGeographic(order: readonly number[], { expected }: Prior): boolean {
  const geographic = geographicOrder(expected);
  return order.slice(0, WAYS_TOLD).every((region, place) => region === geographic[place]);
}
