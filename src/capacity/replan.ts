/**
 * Where clients go while regions are lost, from the plan alone: every node comes to the same without asking anybody, so
 * that the loss of a region never waits for the node that plans, and the next one is not overloaded by it.
 */
import { SLOTS } from '../steering/slots.ts';
import { assign } from './assign.ts';
import { type CapacityPlan, piecesOf, roomOf, wholeSlots } from './plan.ts';

/** Who is not at the lost region is moved only where that saves so much, milliseconds. */
const STAY_MS = 20;

/**
 * By class of the plan the slots of each region.
 * @param isOpen whether the pool's clients can be in the region
 */
export function replan(
  { classes, regions }: Pick<CapacityPlan, 'classes' | 'regions'>,
  isOpen: (pool: string, region: string) => boolean,
): readonly (readonly number[])[] {
  const isLost = classes.some(({ pool, slots }) =>
    slots.some((count, region) => count > 0 && !isOpen(pool, regions[region]!.name)),
  );
  if (!isLost) return classes.map(({ slots }) => slots);
  const open = (pool: string, region: number): boolean => isOpen(pool, regions[region]!.name);
  const pieces = piecesOf(classes, STAY_MS, open);
  const { flows } = assign(pieces, regions.map(roomOf));
  const exact = classes.map(() => new Float64Array(regions.length));
  for (const [index, { home, of }] of pieces.entries()) {
    const { demand, slots } = classes[of]!;
    const flow = flows[index]!;
    // Who can go nowhere stays: the ladder knows what to answer when nothing is left.
    if (flow.every((amount) => amount === 0)) exact[of]![home]! += slots[home]!;
    else for (const [to, amount] of flow.entries()) exact[of]![to]! += (amount / demand) * SLOTS;
  }
  return exact.map(wholeSlots);
}
