/**
 * What classes of clients ask of the regions, learned from two counts that each know half of it: nameservers know which
 * class asked and where it was sent, but a query stands for one client or for a million behind a cache; balancers know
 * how many requests came, but not of which class. A request is put down to the classes that were sent to its
 * region, in proportion to what they are believed to make of their queries, and the belief is corrected by
 * that (expectation maximisation for Poisson counts; Vardi, Network Tomography, 1996).
 */
export type DemandModel = {
  learn(window: DemandWindow): void;
  /** Requests a second by class, of those that asked lately; above 0. */
  demands(): ReadonlyMap<string, number>;
  /**
   * By region what came for each request that was expected by the plan; 1 = as planned. Large caches make that what
   * is sent is not what comes.
   */
  pressures(): ReadonlyMap<string, number>;
};

export type DemandWindow = {
  readonly seconds: number;
  /** By class, queries a second that were answered with each region. */
  readonly queries: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** Requests a second by region; a region that is missing does not tell. */
  readonly loads: ReadonlyMap<string, number>;
  /** By region what the plan in force expects, requests a second. */
  readonly planned: ReadonlyMap<string, number>;
  /** Regions have just been lost, or return: who asked and what came are not of the same clients. */
  readonly isQuiet: boolean;
};

export type DemandRules = {
  /** How long it takes until half of what is known is of what has come since. */
  readonly halfLifeSeconds: number;
};

/** A window says no more than that there is so many times more, or less. */
const RATIO_MAX = 4;
/** A class drifts back to what is usual: where nothing tells classes apart, none is special. */
const DRIFT = 0.005;
/** What is sent and what comes may differ by so much before somebody else must be to blame. */
const PRESSURE_MAX = 1.25;
/** Who has learnt for fewer windows knows so little that even what is counted in the middle of a loss is better. */
const LEARNT_WINDOWS = 10;
/** Who asks less is forgotten. */
const DEMAND_MIN = 1e-6;
/** Classes that are known at once; those that ask least are forgotten. */
export const CLASSES_KNOWN_MAX = 20_000;

type Known = {
  /** Queries a second, by region. */
  readonly queries: Map<string, number>;
  /** The same in the windows in which the region told what came: what loads are to be compared with. */
  readonly matched: Map<string, number>;
  /** Requests that one of its queries stands for; undefined = nothing tells yet. */
  weight: number | undefined;
  /** Requests a second. */
  demand: number;
};

/** @param before requests a second by class, as somebody else believed it */
export function createDemandModel(
  { halfLifeSeconds }: DemandRules,
  before: ReadonlyMap<string, number> = new Map(),
): DemandModel {
  const known = new Map<string, Known>();
  for (const [key, demand] of before)
    known.set(key, { queries: new Map(), matched: new Map(), weight: undefined, demand });
  // What was sent and what came must be of the same time, or moving clients would look like more of them, or less.
  const loads = new Map<string, number>();
  const planned = new Map<string, number>();
  let usual: number | undefined;
  let windows = 0;
  return {
    learn(window) {
      // The first windows count alike, or the very first would be believed for long.
      windows += 1;
      const keep = Math.min(1 - 1 / windows, 0.5 ** (window.seconds / halfLifeSeconds));
      const isHeld = window.isQuiet && windows > LEARNT_WINDOWS;
      const told: DemandWindow['loads'] = isHeld ? new Map() : window.loads;
      hear(known, { queries: window.queries, loads: told }, keep, usual);
      follow(loads, told, keep);
      if (!isHeld) follow(planned, window.planned, keep);
      usual = usualWeight(known, loads) ?? usual;
      // What a query stands for nobody knows before some region has told what came.
      if (usual === undefined) return;
      if (told.size > 0) weigh(known, loads, usual);
      for (const each of known.values()) {
        if (each.queries.size === 0) each.demand *= keep;
        else each.demand = sum(each.queries.values()) * (each.weight ?? usual);
      }
      forget(known);
    },
    demands() {
      const demands = new Map<string, number>();
      for (const [key, { demand }] of known) if (demand > 0) demands.set(key, demand);
      return demands;
    },
    pressures() {
      const pressures = new Map<string, number>();
      for (const [region, load] of loads) {
        const expected = planned.get(region) ?? 0;
        if (expected <= 0) continue;
        const ratio = load / expected;
        pressures.set(region, Math.min(PRESSURE_MAX, Math.max(1 / PRESSURE_MAX, ratio)));
      }
      return pressures;
    },
  };
}

/** Rates as they are lately; of what does not tell now what was known holds. */
function follow(rates: Map<string, number>, now: ReadonlyMap<string, number>, keep: number): void {
  for (const [name, rate] of now) {
    const before = rates.get(name);
    rates.set(name, before === undefined ? rate : keep * before + (1 - keep) * rate);
  }
}

/** Queries as they are lately; a class that is new begins with its first window. */
function hear(
  known: Map<string, Known>,
  { loads, queries }: Pick<DemandWindow, 'loads' | 'queries'>,
  keep: number,
  weight: number | undefined,
): void {
  const tells = (region: string): boolean => loads.has(region);
  for (const { matched, queries: own } of known.values()) {
    for (const [region, rate] of own) own.set(region, keep * rate);
    for (const [region, rate] of matched) if (tells(region)) matched.set(region, keep * rate);
  }
  for (const [key, byRegion] of queries) {
    const old = known.get(key);
    if (old === undefined || old.queries.size === 0) {
      // What somebody else believed is where learning goes on from.
      const believed = old && old.demand / sum(byRegion.values());
      const matched = new Map([...byRegion].filter(([region]) => tells(region)));
      known.set(key, {
        ...{ queries: new Map(byRegion), matched },
        ...{ weight: believed ?? weight, demand: 0 },
      });
      continue;
    }
    for (const [region, rate] of byRegion) {
      add(old.queries, region, (1 - keep) * rate);
      if (tells(region)) add(old.matched, region, (1 - keep) * rate);
    }
  }
}

function add(rates: Map<string, number>, region: string, more: number): void {
  rates.set(region, (rates.get(region) ?? 0) + more);
}

/** Requests for each query, of the regions that tell. */
function usualWeight(
  known: ReadonlyMap<string, Known>,
  loads: DemandWindow['loads'],
): number | undefined {
  let [asked, came] = [0, 0];
  for (const [region, load] of loads) {
    const queries = sum([...known.values()].map((each) => each.matched.get(region) ?? 0));
    if (queries === 0) continue;
    asked += queries;
    came += load;
  }
  return asked > 0 && came > 0 ? came / asked : undefined;
}

function weigh(known: ReadonlyMap<string, Known>, loads: DemandWindow['loads'], usual: number) {
  const ratios = new Map<string, number>();
  for (const [region, load] of loads) {
    const expected = sum(
      [...known.values()].map(({ matched, weight = usual }) => (matched.get(region) ?? 0) * weight),
    );
    if (expected === 0) continue;
    ratios.set(region, Math.min(RATIO_MAX, Math.max(1 / RATIO_MAX, load / expected)));
  }
  for (const each of known.values()) {
    let [before, after] = [0, 0];
    for (const [region, rate] of each.matched) {
      before += rate;
      after += rate * (ratios.get(region) ?? 1);
    }
    if (before === 0) continue;
    const learned = (each.weight ?? usual) * (after / before);
    each.weight = learned ** (1 - DRIFT) * usual ** DRIFT;
  }
}

function forget(known: Map<string, Known>): void {
  for (const [key, { demand }] of known) if (demand < DEMAND_MIN) known.delete(key);
  if (known.size <= CLASSES_KNOWN_MAX) return;
  const least = [...known].sort(([, a], [, b]) => a.demand - b.demand);
  for (const [key] of least.slice(0, known.size - CLASSES_KNOWN_MAX)) known.delete(key);
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const each of numbers) total += each;
  return total;
}
