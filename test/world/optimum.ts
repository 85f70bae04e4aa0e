/**
 * The least sum of ways with which regions carry what is wanted, with a proof: prices that nobody could undercut. The
 * assignment comes from the program; that it is the best is shown by weak duality alone, whoever made it.
 */
import { assign, type Portion } from '../../src/capacity/assign.ts';

export type Optimum = {
  /** Mean way of a request, milliseconds. */
  readonly meanMs: number;
  /** No assignment has a shorter one, milliseconds. */
  readonly boundMs: number;
  /** By portion the region that has most of it. */
  readonly regions: readonly number[];
};

/** @param capacities with a sum of at least the demand */
export function optimum(portions: readonly Portion[], capacities: readonly number[]): Optimum {
  const rooms = capacities.map((capacity) => ({ capacity, target: capacity }));
  const { flows, pricesMs } = assign(portions, rooms);
  let [ways, demand, bound] = [0, 0, 0];
  for (const [index, { costsMs, demand: own }] of portions.entries()) {
    demand += own;
    let least = Number.POSITIVE_INFINITY;
    for (let region = 0; region < capacities.length; region += 1) {
      const flow = flows[index]![region]!;
      if (flow > 0) ways += flow * costsMs[region]!;
      least = Math.min(least, costsMs[region]! + pricesMs[region]!);
    }
    bound += own * least;
  }
  for (const [region, capacity] of capacities.entries()) bound -= pricesMs[region]! * capacity;
  const regions = flows.map((flow) => flow.indexOf(Math.max(...flow)));
  return { meanMs: ways / demand, boundMs: bound / demand, regions };
}
