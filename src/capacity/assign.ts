/**
 * Which region takes how much of which demand, so that no region has more than it can carry and the sum of ways is the
 * least: a transportation problem. Load has bands that cost more and more, so that it has a solution when there
 * is too little capacity too, and all regions are then equally overloaded.
 *
 * Every portion begins at its cheapest region; then load is moved, over as many regions as it takes, for as long as a
 * move saves something, always along a shortest way (successive shortest paths; Ahuja, Magnanti and Orlin,
 * Network Flows, 1993, chapter 9). Regions are few and portions many, so the graph has a node for each region
 * only; an edge is the portion that is moved most cheaply.
 */
export type Portion = {
  readonly demand: number;
  /** By region, milliseconds; Infinity = it cannot go there. */
  readonly costsMs: ArrayLike<number>;
};

export type Assignment = {
  /** By portion and region: what of its demand goes there. */
  readonly flows: readonly Float64Array[];
  /** By region. */
  readonly loads: Float64Array;
  /**
   * By region: by how much the sum of ways would shrink with room for one more request there, milliseconds; 0 = there
   * is room. From OVERLOAD_MS on there is no room anywhere that its demand could go to.
   */
  readonly pricesMs: Float64Array;
};

/** What a request may go further for rather than have a region loaded beyond its target. */
export const TIGHT_MS = 100;
/** Likewise beyond its capacity. */
export const OVERLOAD_MS = 2_000;
/** Overload is shared out in steps of so much of the capacity. */
const BAND = 0.05;
const BANDS_MAX = 200;
/** Below this part of all demand nothing is moved: rounding. */
const GRAIN = 1e-9;
/** Savings below this are rounding, milliseconds. */
const SAVING_MIN_MS = 1e-6;

export type Room = {
  /** Up to here load costs nothing. */
  readonly target: number;
  readonly capacity: number;
};

/** @param rooms by region; Infinity = as much as comes */
export function assign(portions: readonly Portion[], rooms: readonly Room[]): Assignment {
  const flow = begin(portions, rooms);
  const demand = portions.reduce((sum, portion) => sum + portion.demand, 0);
  const grain = demand * GRAIN;
  const edges = createEdges(portions, flow.flows, rooms.length, grain);
  for (;;) {
    const path = bestPath(edges, flow.loads, rooms, grain);
    if (path === undefined) break;
    move(flow, edges, path, rooms, grain);
  }
  const pricesMs = Float64Array.from(rooms, (_, region) =>
    priceOf(region, edges, flow.loads, rooms),
  );
  return { ...flow, pricesMs };
}

type Flow = { readonly flows: readonly Float64Array[]; readonly loads: Float64Array };

function begin(portions: readonly Portion[], rooms: readonly Room[]): Flow {
  const loads = new Float64Array(rooms.length);
  const flows = portions.map(({ costsMs, demand }) => {
    const flow = new Float64Array(rooms.length);
    let best = 0;
    for (let region = 1; region < rooms.length; region += 1) {
      if (costsMs[region]! < costsMs[best]!) best = region;
    }
    if (rooms.length === 0 || costsMs[best] === Number.POSITIVE_INFINITY) return flow;
    flow[best] = demand;
    loads[best]! += demand;
    return flow;
  });
  return { flows, loads };
}

/** For each pair of regions the portion that is moved most cheaply from the one to the other. */
type Edges = {
  readonly regions: number;
  /** from * regions + to. */
  readonly costsMs: Float64Array;
  readonly portions: Int32Array;
  /** What is at the region has changed. */
  renew(region: number): void;
};

function createEdges(
  portions: readonly Portion[],
  flows: readonly Float64Array[],
  regions: number,
  grain: number,
): Edges {
  const costsMs = new Float64Array(regions * regions);
  const chosen = new Int32Array(regions * regions);
  const renew = (from: number): void => {
    costsMs.fill(Number.POSITIVE_INFINITY, from * regions, (from + 1) * regions);
    for (let portion = 0; portion < portions.length; portion += 1) {
      if (flows[portion]![from]! <= grain) continue;
      const ways = portions[portion]!.costsMs;
      for (let to = 0; to < regions; to += 1) {
        const more = ways[to]! - ways[from]!;
        if (to === from || more >= costsMs[from * regions + to]!) continue;
        costsMs[from * regions + to] = more;
        chosen[from * regions + to] = portion;
      }
    }
  };
  for (let region = 0; region < regions; region += 1) renew(region);
  return { regions, costsMs, portions: chosen, renew };
}

/** The least that ways from a region to each cost, and where they come from (Bellman and Ford). */
function shortest({ costsMs, regions }: Edges, from: number) {
  const distances = new Float64Array(regions).fill(Number.POSITIVE_INFINITY);
  const before = new Int32Array(regions).fill(-1);
  distances[from] = 0;
  for (let round = 1; round < regions; round += 1) {
    let hasChanged = false;
    for (let at = 0; at < regions; at += 1) {
      for (let to = 0; to < regions; to += 1) {
        const distance = distances[at]! + costsMs[at * regions + to]!;
        // Rounding must not close a circle.
        if (!(distance < distances[to]! - SAVING_MIN_MS) || to === from) continue;
        distances[to] = distance;
        before[to] = at;
        hasChanged = true;
      }
    }
    if (!hasChanged) break;
  }
  return { distances, before };
}

type Path = { readonly regions: readonly number[] };

/** The way that saves most, from a region with too much to one with less; undefined = nothing is saved any more. */
function bestPath(
  edges: Edges,
  loads: Float64Array,
  rooms: readonly Room[],
  grain: number,
): Path | undefined {
  let best: Path | undefined;
  let saved = SAVING_MIN_MS;
  for (let from = 0; from < edges.regions; from += 1) {
    const relief = bandOf(loads[from]! - grain, rooms[from]!).costMs;
    if (relief === 0) continue;
    const { before, distances } = shortest(edges, from);
    for (let to = 0; to < edges.regions; to += 1) {
      if (to === from || distances[to] === Number.POSITIVE_INFINITY) continue;
      const saving = relief - bandOf(loads[to]! + grain, rooms[to]!).costMs - distances[to]!;
      if (saving <= saved) continue;
      saved = saving;
      best = { regions: pathTo(to, before) };
    }
  }
  return best;
}

function pathTo(to: number, before: Int32Array): readonly number[] {
  const path = [to];
  for (let at = before[to]!; at >= 0; at = before[at]!) path.unshift(at);
  return path;
}

/** Moves as much as every portion of the way has, and as the bands of its ends have. */
function move(
  { flows, loads }: Flow,
  edges: Edges,
  { regions: path }: Path,
  rooms: readonly Room[],
  grain: number,
): void {
  const [first, last] = [path[0]!, path.at(-1)!];
  const give = loads[first]! - bandOf(loads[first]! - grain, rooms[first]!).from;
  const take = bandOf(loads[last]! + grain, rooms[last]!).to - loads[last]!;
  const steps = path.slice(1).map((to, index) => {
    const from = path[index]!;
    return { from, to, portion: edges.portions[from * edges.regions + to]! };
  });
  const amount = steps.reduce(
    (least, { from, portion }) => Math.min(least, flows[portion]![from]!),
    Math.min(give, take),
  );
  for (const { from, portion, to } of steps) {
    flows[portion]![from]! -= amount;
    flows[portion]![to]! += amount;
  }
  loads[first]! -= amount;
  loads[last]! += amount;
  for (const region of path) edges.renew(region);
}

type Band = { readonly from: number; readonly to: number; readonly costMs: number };

/** What one more costs at this load, and how far that holds. */
function bandOf(load: number, { capacity, target }: Room): Band {
  if (load < target) return { from: 0, to: target, costMs: 0 };
  if (load < capacity) return { from: target, to: capacity, costMs: TIGHT_MS };
  if (capacity <= 0) {
    // Nothing can be there; what must go there in spite of it is overload beyond all measure.
    return { from: 0, to: Number.POSITIVE_INFINITY, costMs: OVERLOAD_MS * (BANDS_MAX + 2) };
  }
  const band = Math.floor((load / capacity - 1) / BAND + GRAIN);
  if (band >= BANDS_MAX) {
    const from = capacity * (1 + BANDS_MAX * BAND);
    return { from, to: Number.POSITIVE_INFINITY, costMs: OVERLOAD_MS * (BANDS_MAX + 1) };
  }
  return {
    from: capacity * (1 + band * BAND),
    to: capacity * (1 + (band + 1) * BAND),
    costMs: OVERLOAD_MS * (band + 1),
  };
}

function priceOf(
  region: number,
  edges: Edges,
  loads: Float64Array,
  rooms: readonly Room[],
): number {
  // A little less than the load, or a region that is filled to the brim would seem to be beyond it.
  const own = bandOf(loads[region]! * (1 - GRAIN), rooms[region]!);
  if (loads[region]! < own.to * (1 - GRAIN)) return own.costMs;
  const { distances } = shortest(edges, region);
  let least = bandOf(loads[region]! * (1 + GRAIN), rooms[region]!).costMs;
  for (let to = 0; to < edges.regions; to += 1) {
    if (to === region) continue;
    const { costMs } = bandOf(loads[to]! * (1 + GRAIN), rooms[to]!);
    least = Math.min(least, distances[to]! + costMs);
  }
  return Math.max(own.costMs, least);
}
