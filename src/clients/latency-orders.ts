/**
 * In which order regions are good for each client network, slow to change: the map must not follow noise, for every
 * change costs caches and connections, and what is measured moves when clients do.
 *
 * A region passes those before it that it beats by more than a band, beyond doubt, in several windows one after the
 * other. A network moves seldom (dwell), few networks move at once (churn), those that gain most first. So the
 * order holds for every subset of the regions as well: a pool that has some of them goes by the same order.
 *
 * Regions that nobody has been sent to are explored: a small part of the clients, where it could pay.
 */
import {
  createEstimate,
  createLatencyModel,
  type Estimate,
  estimate,
  type LatencyModel,
  type LatencyModelOptions,
  learn,
} from './latency-model.ts';
import { forget, isStale } from './latency-table.ts';
import type { RttSketch } from './rtt-sketch.ts';

export type OrderRules = {
  /** A region must be better by more than this, milliseconds… */
  readonly bandMs: number;
  /** …and by more than this part of the way to the one before it, 0..1. */
  readonly bandShare: number;
  /** Windows one after the other in which it must be. */
  readonly windows: number;
  /** Measured connections that a region must have to pass another. */
  readonly connectionsMin: number;
  /** A network that has moved stays for so long at least. */
  readonly dwellMs: number;
  /** No more than this part of the demand moves in a window, 0..1. */
  readonly churnShare: number;
  /** No more than this part of the demand explores, 0..1; 0 = nobody does. */
  readonly exploreShare: number;
  /** An exploration that finds nothing ends then. */
  readonly exploreMs: number;
};

export type LatencyOrders = {
  readonly model: LatencyModel;
  readonly rules: OrderRules;
  /** By row: regions, best first. */
  order: Uint8Array;
  /** By row: who would lead, and in how many windows so far. */
  challenger: Uint8Array;
  streak: Uint8Array;
  /** By row: when another region came to be its first; milliseconds since the epoch. */
  movedAtMs: Float64Array;
  /** By row: the region that its clients try, NOBODY = none, and since when or when last. */
  exploring: Uint8Array;
  exploredAtMs: Float64Array;
  /** Rows with orders: those behind are new. */
  rows: number;
  /** Rows of which something was measured since the last window, and rows that wait for their turn. */
  readonly fresh: Set<number>;
  readonly waiting: Set<number>;
  /** Of all rows, as weights of demand are counted (demandWeight). */
  demand: number;
  demandFromMs: number;
  readonly scratch: Estimate;
};

/** No region. */
export const NOBODY = 255;
/** A region that changes places behind the first. */
const NOT_FIRST = 254;
/** Regions in a map: their numbers are octets, two of them mean something else. */
export const REGIONS_MAX = 254;
/** Places of an order whose change matters: those behind are hardly ever answered. */
const PLACES = 3;
/** Who has explored rests, whatever it found. */
const EXPLORE_REST_MS = 6 * 3_600_000;

export type OrdersOptions = LatencyModelOptions & { readonly rules: OrderRules };

export function createLatencyOrders({ rules, ...options }: OrdersOptions): LatencyOrders {
  return {
    model: createLatencyModel(options),
    rules,
    order: new Uint8Array(0),
    challenger: new Uint8Array(0),
    streak: new Uint8Array(0),
    movedAtMs: new Float64Array(0),
    exploring: new Uint8Array(0),
    exploredAtMs: new Float64Array(0),
    rows: 0,
    fresh: new Set(),
    waiting: new Set(),
    demand: 0,
    demandFromMs: 0,
    scratch: createEstimate(options.regions),
  };
}

/** Takes in what a region has measured. Returns how many networks there was no room for. */
export function learnSketch(
  orders: LatencyOrders,
  region: number,
  { rows, source }: Pick<RttSketch, 'rows' | 'source'>,
  nowMs: number,
): number {
  let lost = 0;
  if (orders.demandFromMs === 0) orders.demandFromMs = nowMs;
  const weight = demandWeight(orders, nowMs);
  for (const measured of rows) {
    const row = learn(orders.model, region, source, measured, nowMs);
    if (row < 0) {
      lost += 1;
      continue;
    }
    if (row >= orders.rows) begin(orders, row);
    orders.model.table.demand[row]! += measured.count * weight;
    orders.demand += measured.count * weight;
    orders.fresh.add(row);
  }
  return lost;
}

export type WindowReport = {
  /** Networks that were looked at. */
  readonly looked: number;
  /** Networks that have another order now. */
  readonly moved: number;
  /** Part of the demand that they are, 0..1. */
  readonly movedShare: number;
  /** Networks that would move and must wait: for the dwell time, or for others to move first. */
  readonly waiting: number;
  readonly exploring: number;
};

/**
 * Ends a window: decides who moves. All that is returned counts from here on.
 * @param isQuiet nobody explores: something is wrong, or being tried
 */
export function endWindow(orders: LatencyOrders, nowMs: number, isQuiet: boolean): WindowReport {
  const { fresh, waiting } = orders;
  const rows = [...new Set([...fresh, ...waiting])];
  const moves: Move[] = [];
  const finds: Find[] = [];
  waiting.clear();
  for (const row of rows) {
    const network = orders.model.table.networks[row]!;
    estimate(orders.model, network, row, nowMs, orders.scratch);
    const move = judge(orders, row, fresh.has(row), nowMs);
    endExploration(orders, row, nowMs);
    if (move !== undefined) moves.push(move);
    const find = isQuiet ? undefined : worthExploring(orders, row, nowMs);
    if (find !== undefined) finds.push(find);
  }
  fresh.clear();
  const moved = applyMoves(orders, moves, nowMs);
  const exploring = explore(orders, finds, nowMs, isQuiet);
  return { looked: rows.length, ...moved, waiting: waiting.size, exploring };
}

/** The order that clients of a row get now: that of the row, or the explored region first. */
export function orderOf(orders: LatencyOrders, row: number): readonly number[] {
  const { exploring, model, order } = orders;
  const { regions } = model;
  const own = Array.from(order.subarray(row * regions, (row + 1) * regions));
  const tried = exploring[row]!;
  return tried === NOBODY ? own : [tried, ...own.filter((region) => region !== tried)];
}

/** Gives a row an order from elsewhere; regions that it does not name stay as they are, behind. */
export function setOrder(orders: LatencyOrders, row: number, named: readonly number[]): void {
  const rest = ownOrder(orders, row).filter((region) => !named.includes(region));
  orders.order.set([...named, ...rest], row * orders.model.regions);
}

/** Drops networks that nobody has measured for long. */
export function forgetNetworks(orders: LatencyOrders, nowMs: number): void {
  const { model } = orders;
  forget(model.blocks, nowMs);
  const cameFrom = forget(model.table, nowMs);
  const { regions } = model;
  const rowsBefore = orders.rows;
  for (const [to, from] of cameFrom.entries()) {
    orders.order.copyWithin(to * regions, from * regions, (from + 1) * regions);
    for (const column of [orders.challenger, orders.streak, orders.exploring]) {
      column[to] = column[from]!;
    }
    orders.movedAtMs[to] = orders.movedAtMs[from]!;
    orders.exploredAtMs[to] = orders.exploredAtMs[from]!;
  }
  orders.rows = cameFrom.length;
  if (cameFrom.length === rowsBefore) return;
  const wentTo = new Map([...cameFrom].map((from, to) => [from, to]));
  for (const set of [orders.fresh, orders.waiting]) {
    const kept = [...set].flatMap((row) => wentTo.get(row) ?? []);
    set.clear();
    for (const row of kept) set.add(row);
  }
  orders.demand = model.table.demand.subarray(0, orders.rows).reduce((sum, each) => sum + each, 0);
}

type Move = {
  readonly row: number;
  readonly next: readonly number[];
  /** Milliseconds that its clients would save. */
  readonly gainMs: number;
};

/** Whether a row would have another order, and may. */
function judge(
  orders: LatencyOrders,
  row: number,
  isFresh: boolean,
  nowMs: number,
): Move | undefined {
  const { challenger, movedAtMs, rules, scratch, streak, waiting } = orders;
  const now = ownOrder(orders, row);
  const next = passed(now, scratch, rules);
  if (now.slice(0, PLACES).every((region, place) => region === next[place])) {
    streak[row] = 0;
    return undefined;
  }
  const leader = next[0] === now[0] ? NOT_FIRST : next[0]!;
  if (isFresh) {
    streak[row] = challenger[row] === leader ? Math.min(NOBODY, streak[row]! + 1) : 1;
    challenger[row] = leader;
  }
  if (streak[row]! < rules.windows) return undefined;
  if (nowMs - movedAtMs[row]! < rules.dwellMs) {
    waiting.add(row);
    return undefined;
  }
  return { row, next, gainMs: scratch.ms[now[0]!]! - scratch.ms[next[0]!]! };
}

/** Each region goes before those that it beats beyond the band and doubt; all else stays as it was. */
function passed(now: readonly number[], estimated: Estimate, rules: OrderRules): readonly number[] {
  const { connections, doubtMs, ms } = estimated;
  const next: number[] = [];
  for (const region of now) {
    let place = next.length;
    if (connections[region]! >= rules.connectionsMin) {
      const reach = ms[region]! + doubtMs[region]!;
      while (place > 0) {
        const before = next[place - 1]!;
        const band = Math.max(rules.bandMs, ms[before]! * rules.bandShare);
        const doubt = connections[before]! < 1 ? 0 : doubtMs[before]!;
        if (!(ms[before]! - ms[region]! > band && ms[before]! - doubt > reach)) break;
        place -= 1;
      }
    }
    next.splice(place, 0, region);
  }
  return next;
}

/** Those that gain most first, as far as the churn allows; one moves always. */
function applyMoves(
  orders: LatencyOrders,
  moves: readonly Move[],
  nowMs: number,
): Pick<WindowReport, 'moved' | 'movedShare'> {
  const { model, rules, waiting } = orders;
  const { demand } = model.table;
  const left = moves.toSorted((a, b) => b.gainMs - a.gainMs);
  let sum = 0;
  let moved = 0;
  for (const { next, row } of left) {
    const own = demand[row]!;
    if (moved > 0 && sum + own > rules.churnShare * orders.demand) {
      waiting.add(row);
      continue;
    }
    if (next[0] !== ownOrder(orders, row)[0]) {
      orders.movedAtMs[row] = nowMs;
      orders.exploring[row] = NOBODY;
    }
    orders.order.set(next, row * model.regions);
    orders.streak[row] = 0;
    sum += own;
    moved += 1;
  }
  return { moved, movedShare: orders.demand > 0 ? sum / orders.demand : 0 };
}

type Find = { readonly row: number; readonly region: number; readonly gainMs: number };

/** The region that a row has hardly or not lately tried and that could be better than the one it has; undefined = none. */
function worthExploring(orders: LatencyOrders, row: number, nowMs: number): Find | undefined {
  const { exploredAtMs, exploring, model, movedAtMs, rules, scratch } = orders;
  if (rules.exploreShare === 0 || exploring[row] !== NOBODY) return undefined;
  if (nowMs - exploredAtMs[row]! < EXPLORE_REST_MS) return undefined;
  if (nowMs - movedAtMs[row]! < rules.dwellMs) return undefined;
  const first = ownOrder(orders, row)[0]!;
  // A network that has only been probed sends nobody who could find out.
  if (scratch.clients[first]! < rules.connectionsMin) return undefined;
  const own = scratch.ms[first]!;
  const band = Math.max(rules.bandMs, own * rules.bandShare);
  const { expected } = model.priorOf(model.table.networks[row]!);
  let best: Find | undefined;
  for (let region = 0; region < scratch.ms.length; region += 1) {
    if (region === first || isKnown(orders, row, region, nowMs)) continue;
    // A way that was slow when it was left may be as it should be again.
    const likely = isStale(model.table, row, region, nowMs)
      ? Math.min(scratch.ms[region]!, expected[region]!)
      : scratch.ms[region]!;
    const hoped = (likely + scratch.floorMs[region]!) / 2;
    const gainMs = own - hoped;
    if (gainMs > band && gainMs > (best?.gainMs ?? 0)) best = { row, region, gainMs };
  }
  return best;
}

/** Returns how many networks explore. */
function explore(
  orders: LatencyOrders,
  finds: readonly Find[],
  nowMs: number,
  isQuiet: boolean,
): number {
  const { exploredAtMs, exploring, model, rules } = orders;
  const { demand } = model.table;
  let [sum, count] = [0, 0];
  for (let row = 0; row < orders.rows; row += 1) {
    if (exploring[row] === NOBODY) continue;
    if (isQuiet || nowMs - exploredAtMs[row]! >= rules.exploreMs) exploring[row] = NOBODY;
    else {
      sum += demand[row]!;
      count += 1;
    }
  }
  for (const { region, row } of finds.toSorted((a, b) => b.gainMs - a.gainMs)) {
    if (sum + demand[row]! > rules.exploreShare * orders.demand) continue;
    exploring[row] = region;
    exploredAtMs[row] = nowMs;
    sum += demand[row]!;
    count += 1;
  }
  return count;
}

/** An exploration ends when it has found a region that is no better; who has found a better one waits there to move. */
function endExploration(orders: LatencyOrders, row: number, nowMs: number): void {
  const { challenger, exploring, streak } = orders;
  const region = exploring[row]!;
  if (region === NOBODY || !isKnown(orders, row, region, nowMs)) return;
  const isBetter = streak[row]! > 0 && challenger[row] === region;
  if (!isBetter) exploring[row] = NOBODY;
}

/** Whether enough of a row came to a region, and lately: with fewer it can neither pass nor be ruled out. */
function isKnown(orders: LatencyOrders, row: number, region: number, nowMs: number): boolean {
  const { model, rules, scratch } = orders;
  return (
    scratch.connections[region]! >= rules.connectionsMin &&
    !isStale(model.table, row, region, nowMs)
  );
}

const ownOrder = ({ model, order }: LatencyOrders, row: number): readonly number[] => {
  const { regions } = model;
  return Array.from(order.subarray(row * regions, (row + 1) * regions));
};

/** A new row has the order of geography. */
function begin(orders: LatencyOrders, row: number): void {
  const { model } = orders;
  const { regions } = model;
  if ((row + 1) * regions > orders.order.length) makeRoom(orders, model.table.networks.length);
  const { expected } = model.priorOf(model.table.networks[row]!);
  orders.order.set(geographicOrder(expected), row * regions);
  orders.challenger[row] = NOBODY;
  orders.streak[row] = 0;
  orders.movedAtMs[row] = 0;
  orders.exploring[row] = NOBODY;
  orders.exploredAtMs[row] = 0;
  orders.rows = row + 1;
}

/** Regions by what is expected of them; the first of equals first. */
export function geographicOrder(expected: ArrayLike<number>): readonly number[] {
  return Array.from(expected, (_, region) => region).sort((a, b) => expected[a]! - expected[b]!);
}

function makeRoom(orders: LatencyOrders, rows: number): void {
  const { regions } = orders.model;
  const octets = (from: Uint8Array, length: number): Uint8Array => {
    const to = new Uint8Array(length);
    to.set(from);
    return to;
  };
  const times = (from: Float64Array): Float64Array => {
    const to = new Float64Array(rows);
    to.set(from);
    return to;
  };
  orders.order = octets(orders.order, rows * regions);
  orders.challenger = octets(orders.challenger, rows);
  orders.streak = octets(orders.streak, rows);
  orders.exploring = octets(orders.exploring, rows);
  orders.movedAtMs = times(orders.movedAtMs);
  orders.exploredAtMs = times(orders.exploredAtMs);
}

/**
 * Connections count the more the later they are (forward decay, Cormode et al. 2009), so that what is old need not be
 * touched to be worth less.
 */
function demandWeight(orders: LatencyOrders, nowMs: number): number {
  const { memoryMs } = orders.model.table;
  const weight = 2 ** ((nowMs - orders.demandFromMs) / memoryMs);
  if (weight < DEMAND_WEIGHT_MAX) return weight;
  const { demand } = orders.model.table;
  for (let row = 0; row < orders.rows; row += 1) demand[row]! /= weight;
  orders.demand /= weight;
  orders.demandFromMs = nowMs;
  return 1;
}

const DEMAND_WEIGHT_MAX = 2 ** 40;
