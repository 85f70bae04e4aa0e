/**
 * The plan of who goes where: for each class of clients the part of them that each region has, and all that it was made
 * of. One node makes it (next-plan.ts), all take it; each of them can tell from it alone what to do when a region is
 * lost (replan.ts). It is of a world in which nothing is lost, whatever is down when it is made.
 */
import { SLOTS } from '../steering/slots.ts';
import { assign, type Portion, type Room } from './assign.ts';

export type CapacityPlan = {
  /** Counts up; a plan with a smaller one never takes the place of this. */
  readonly generation: number;
  readonly madeAtMs: number;
  readonly regions: readonly PlanRegion[];
  /** In the order of their keys. */
  readonly classes: readonly PlanClass[];
  /** By name of an endpoint what its weight is multiplied by (share-control.ts). */
  readonly trims: readonly (readonly [endpoint: string, factor: number])[];
};

export type PlanRegion = {
  readonly name: string;
  /** Requests a second that it can carry; null = as many as come. */
  readonly capacity: number | null;
  /** Up to here it is filled while there is room elsewhere; null likewise. */
  readonly target: number | null;
};

/** Clients of one pool in one area with one order of regions. */
export type PlanClass = {
  readonly key: string;
  readonly pool: string;
  /** Requests a second that they make, wherever they go; above 0. */
  readonly demand: number;
  /** By region of the plan, milliseconds; null = the pool is not there. */
  readonly waysMs: readonly (number | null)[];
  /** By region of the plan, of SLOTS; they sum to SLOTS. */
  readonly slots: readonly number[];
};

export const roomOf = ({ capacity, target }: Pick<PlanRegion, 'capacity' | 'target'>): Room => ({
  capacity: capacity ?? Number.POSITIVE_INFINITY,
  target: target ?? Number.POSITIVE_INFINITY,
});

/** A part of a class that is in one region now, to be left there unless something is gained. */
export type Piece = Portion & { readonly of: number; readonly home: number };

/**
 * @param stayMs what must be gained for a client to be moved
 * @param isOpen whether clients of the pool can be in the region now
 */
export function piecesOf(
  classes: readonly Pick<PlanClass, 'demand' | 'pool' | 'slots' | 'waysMs'>[],
  stayMs: number,
  isOpen: (pool: string, region: number) => boolean,
): readonly Piece[] {
  return classes.flatMap(({ demand, pool, slots, waysMs }, of) =>
    slots.flatMap((count, home) => {
      if (count === 0) return [];
      const costsMs = waysMs.map((way, region) => {
        if (way === null || !isOpen(pool, region)) return Number.POSITIVE_INFINITY;
        return way + (region === home ? 0 : stayMs);
      });
      return [{ of, home, costsMs, demand: (demand * count) / SLOTS }];
    }),
  );
}

/**
 * Whole slots, SLOTS of them, in these proportions: those lose least who have the largest remainders.
 * @param parts some of them above 0
 */
export const wholeSlots = (parts: ArrayLike<number>): readonly number[] => wholeParts(parts, SLOTS);

/** Likewise as many as are wanted; none of them where no part is above 0. */
export function wholeParts(parts: ArrayLike<number>, wanted: number): readonly number[] {
  const sum = Array.from(parts).reduce((all, each) => all + each, 0);
  const exact = Array.from(parts, (each) => (sum === 0 ? 0 : (each * wanted) / sum));
  const whole = exact.map(wholePart);
  const rests = exact.map((each, index) => Math.round((each - whole[index]!) / ROUNDING));
  const order = [...whole.keys()].sort((a, b) => rests[b]! - rests[a]! || a - b);
  let left = sum === 0 ? 0 : wanted - whole.reduce((all, each) => all + each, 0);
  for (let at = 0; left > 0; at = (at + 1) % order.length) {
    whole[order[at]!]! += 1;
    left -= 1;
  }
  return whole;
}

export const wholePart = (exact: number): number => Math.floor(exact + ROUNDING);

/** What sums of parts may be wrong by. */
export const ROUNDING = 1e-6;

/** What a plan does to the regions. */
export type PlanView = {
  /** By region. */
  readonly loads: readonly number[];
  /** By region: what one more request of room there would save, milliseconds (assign.ts). */
  readonly pricesMs: readonly number[];
  readonly demand: number;
  /** What a request loses on the way, on average, because not everybody is in the region that is nearest; milliseconds. */
  readonly addedMs: number;
};

export function viewPlan({
  classes,
  regions,
}: Pick<CapacityPlan, 'classes' | 'regions'>): PlanView {
  const loads = regions.map(() => 0);
  let [added, demand] = [0, 0];
  for (const each of classes) {
    const nearest = Math.min(...each.waysMs.map((way) => way ?? Number.POSITIVE_INFINITY));
    demand += each.demand;
    for (const [region, count] of each.slots.entries()) {
      if (count === 0) continue;
      const load = (each.demand * count) / SLOTS;
      loads[region]! += load;
      added += load * Math.max(0, (each.waysMs[region] ?? nearest) - nearest);
    }
  }
  const pieces = piecesOf(classes, 0, () => true);
  const pricesMs = [...assign(pieces, regions.map(roomOf)).pricesMs];
  return { loads, pricesMs, demand, addedMs: demand === 0 ? 0 : added / demand };
}
