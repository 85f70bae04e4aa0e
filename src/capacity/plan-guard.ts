/** Whether a plan may take the place of another. */
import { SLOTS } from '../steering/slots.ts';
import type { CapacityPlan } from './plan.ts';

/** More classes gone at once than this part of them is a mistake of somebody's… */
const SHRINK_MAX = 0.5;
/** …where there are so many that it is no chance. */
const CLASSES_MIN = 20;
/** So much of the demand may be sent elsewhere than by the plan before: who plans moves less in a window. */
const CHANGE_MAX = 0.5;

/** Why a plan does not take the place of another; '' = it is no news; undefined = nothing is against it. */
export function planObjection(
  before: CapacityPlan | undefined,
  next: CapacityPlan,
): string | undefined {
  if (before === undefined) return undefined;
  if (next.generation <= before.generation) return '';
  const [had, has] = [before.classes.length, next.classes.length];
  if (had >= CLASSES_MIN && has < had * SHRINK_MAX) {
    return `it has ${has} classes of clients, the one in force ${had}`;
  }
  const change = changedShare(before, next);
  if (had >= CLASSES_MIN && change > CHANGE_MAX) {
    return `it sends ${Math.round(change * 100)} % of the demand elsewhere at once`;
  }
  return undefined;
}

/** Of the demand of classes that both know, the part that is sent elsewhere; 0..1. */
export function changedShare(before: CapacityPlan, next: CapacityPlan): number {
  const old = new Map(before.classes.map((each) => [each.key, each.slots]));
  const names = before.regions.map(({ name }) => name);
  let [changed, whole] = [0, 0];
  for (const { demand, key, slots } of next.classes) {
    const had = old.get(key);
    if (had === undefined) continue;
    let kept = 0;
    for (const [region, { name }] of next.regions.entries()) {
      kept += Math.min(slots[region]!, had[names.indexOf(name)] ?? 0);
    }
    whole += demand;
    changed += demand * (1 - kept / SLOTS);
  }
  return whole === 0 ? 0 : changed / whole;
}
