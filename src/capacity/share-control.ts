/**
 * Shares that hold where clients arrive. Few and large caches do the asking, so what comes differs from what is sent; by
 * how much it may differ by chance is known from how many caches it hangs on. Where it is asked for, weights
 * are trimmed until what comes is what was wanted: slowly, as an answer works for as long as caches keep it.
 */
export type ShareControl = {
  learn(window: ShareWindow): void;
  /** By pool. */
  views(): ReadonlyMap<string, PoolShares>;
  /** By name of an endpoint, of the pools that ask for it; 1 where it is missing. */
  trims(): ReadonlyMap<string, number>;
};

export type ShareWindow = {
  readonly seconds: number;
  readonly pools: readonly PoolWindow[];
  /** Something is down or returns: what comes says nothing of weights. */
  readonly isQuiet: boolean;
};

export type PoolWindow = {
  readonly pool: string;
  /** By name of an endpoint the share that its policy would give it, 0..1. */
  readonly targets: ReadonlyMap<string, number>;
  /** Requests a second that came; an endpoint that is missing does not tell. */
  readonly loads: ReadonlyMap<string, number>;
  /** Queries a second by slot of clients (steering/slots.ts). */
  readonly slots: ArrayLike<number>;
  /** Its weights are to be trimmed. */
  readonly isTrimmed: boolean;
};

export type PoolShares = {
  /**
   * As if so many equal caches did the asking. It counts queries, of which a large cache asks for less than its
   * clients would: there are hardly more than that.
   */
  readonly caches: number;
  readonly endpoints: readonly EndpointShares[];
};

/** Of those of the pool that tell what came. */
export type EndpointShares = {
  readonly name: string;
  readonly target: number;
  readonly achieved: number;
  /** What chance alone would make of it: one standard deviation. */
  readonly deviation: number;
  /** 1 = the weight is as it is written. */
  readonly trim: number;
};

/** A weight is trimmed by no more than a fifth. */
export const TRIM_MIN = 0.8;
export const TRIM_MAX = 1 / TRIM_MIN;
/** How much of what is missing is made up for in one window, as a power. */
const GAIN = 0.1;
/** Closer than that is close enough. */
const ENOUGH = 0.003;

type Known = {
  readonly targets: Map<string, number>;
  readonly loads: Map<string, number>;
  readonly slots: Float64Array;
  isTrimmed: boolean;
  windows: number;
};

/** @param before trims that are in force */
export function createShareControl(
  { halfLifeSeconds }: { readonly halfLifeSeconds: number },
  before: ReadonlyMap<string, number> = new Map(),
): ShareControl {
  const known = new Map<string, Known>();
  const trims = new Map(before);
  return {
    learn({ isQuiet, pools, seconds }) {
      const names = new Set(pools.map(({ pool }) => pool));
      for (const pool of known.keys()) if (!names.has(pool)) known.delete(pool);
      for (const window of pools) {
        const each = known.get(window.pool) ?? newlyKnown(window.slots.length);
        known.set(window.pool, each);
        if (!isQuiet) follow(each, window, 0.5 ** (seconds / halfLifeSeconds));
      }
      if (!isQuiet) for (const each of known.values()) trim(each, trims);
      const asked = [...known.values()].filter(({ isTrimmed }) => isTrimmed);
      const kept = new Set(asked.flatMap(({ targets }) => [...targets.keys()]));
      for (const name of trims.keys()) if (!kept.has(name)) trims.delete(name);
    },
    views: () => new Map([...known].map(([pool, each]) => [pool, viewOf(each, trims)])),
    trims: () => trims,
  };
}

const newlyKnown = (slots: number): Known => ({
  ...{ targets: new Map(), loads: new Map(), slots: new Float64Array(slots) },
  ...{ isTrimmed: false, windows: 0 },
});

function follow(known: Known, window: PoolWindow, half: number): void {
  known.windows += 1;
  known.isTrimmed = window.isTrimmed;
  // The first windows count alike.
  const keep = Math.min(1 - 1 / known.windows, half);
  blend(known.targets, window.targets, keep);
  blend(known.loads, window.loads, keep);
  for (let slot = 0; slot < known.slots.length; slot += 1) {
    known.slots[slot] = keep * known.slots[slot]! + (1 - keep) * (window.slots[slot] ?? 0);
  }
}

function blend(into: Map<string, number>, now: ReadonlyMap<string, number>, keep: number): void {
  for (const name of into.keys()) if (!now.has(name)) into.delete(name);
  for (const [name, value] of now) {
    const before = into.get(name);
    into.set(name, before === undefined ? value : keep * before + (1 - keep) * value);
  }
}

/** Shares among the endpoints that tell; [] = fewer than two do, and nothing can be said. */
function measured({ loads, targets }: Known) {
  const names = [...targets.keys()].filter((name) => loads.has(name));
  const came = names.reduce((sum, name) => sum + loads.get(name)!, 0);
  const wanted = names.reduce((sum, name) => sum + targets.get(name)!, 0);
  if (names.length < 2 || came === 0 || wanted === 0) return [];
  return names.map((name) => {
    return { name, target: targets.get(name)! / wanted, achieved: loads.get(name)! / came };
  });
}

function trim(known: Known, trims: Map<string, number>): void {
  if (!known.isTrimmed) return;
  for (const { achieved, name, target } of measured(known)) {
    if (target === 0 || Math.abs(achieved - target) < ENOUGH) continue;
    const ratio = Math.min(TRIM_MAX, Math.max(TRIM_MIN, target / Math.max(achieved, 1e-9)));
    const next = (trims.get(name) ?? 1) * ratio ** GAIN;
    trims.set(name, Math.min(TRIM_MAX, Math.max(TRIM_MIN, next)));
  }
}

function viewOf(known: Known, trims: ReadonlyMap<string, number>): PoolShares {
  const caches = effectiveCaches(known.slots);
  return {
    caches,
    endpoints: measured(known).map((each) => ({
      ...each,
      deviation: caches === 0 ? 0 : Math.sqrt((each.target * (1 - each.target)) / caches),
      trim: trims.get(each.name) ?? 1,
    })),
  };
}

/**
 * Kish's effective sample size, (Σd)² / Σd², of caches that are counted by slot: a slot has many, so what the sum of
 * squares has of pairs that only share a slot is taken off again (as in Fast-AGMS sketches; Cormode and Garofalakis, 2005).
 */
export function effectiveCaches(slots: ArrayLike<number>): number {
  let [sum, squares] = [0, 0];
  for (let slot = 0; slot < slots.length; slot += 1) {
    sum += slots[slot]!;
    squares += slots[slot]! ** 2;
  }
  if (sum === 0) return 0;
  const chance = sum ** 2 / slots.length;
  const own = ((squares - chance) * slots.length) / (slots.length - 1);
  // Beyond a multiple of the slots there is no telling.
  return own <= 0 ? CACHES_MAX : Math.min(CACHES_MAX, sum ** 2 / own);
}

/** More cannot be told apart by slots. */
export const CACHES_MAX = 100_000;
