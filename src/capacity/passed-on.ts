/** Whom a plan passes on: classes with clients that are not in the region that is nearest to them. */
import { SLOTS } from '../steering/slots.ts';
import type { CapacityPlan, PlanClass } from './plan.ts';

export type PassedClass = {
  /** The square of the world, and its order of regions (steering/area.ts). */
  readonly key: string;
  readonly pool: string;
  /** Requests a second, of all of it, and of those that are passed on. */
  readonly demand: number;
  readonly passed: number;
  /** The region that is nearest. */
  readonly nearest: string;
  /** What a request that is passed on loses by it on average, milliseconds. */
  readonly lostMs: number;
  readonly regions: readonly {
    readonly name: string;
    readonly share: number;
    readonly wayMs: number;
  }[];
};

/** @returns those first of whom most are passed on; and how many classes there are of whom some are */
export function passedOn(
  { classes, regions }: Pick<CapacityPlan, 'classes' | 'regions'>,
  most: number,
): { readonly classes: readonly PassedClass[]; readonly count: number } {
  const names = regions.map(({ name }) => name);
  const passed = classes
    .map((each) => passedOf(each, names))
    .filter((each): each is PassedClass => each !== undefined)
    .sort((a, b) => b.passed - a.passed || (a.key < b.key ? -1 : 1));
  return { classes: passed.slice(0, most), count: passed.length };
}

function passedOf(
  { demand, key, pool, slots, waysMs }: PlanClass,
  names: readonly string[],
): PassedClass | undefined {
  const least = Math.min(...waysMs.map((way) => way ?? Number.POSITIVE_INFINITY));
  const nearest = waysMs.indexOf(least);
  const regions = slots.flatMap((count, region) =>
    count === 0
      ? []
      : [{ name: names[region]!, share: count / SLOTS, wayMs: waysMs[region] ?? least }],
  );
  // Those who are as near elsewhere have lost nothing.
  const away = regions.filter(({ wayMs }) => wayMs > least);
  const share = away.reduce((sum, each) => sum + each.share, 0);
  if (share === 0) return undefined;
  const lost = away.reduce((sum, each) => sum + each.share * (each.wayMs - least), 0);
  return {
    ...{ key: key.slice(pool.length + 1), pool, demand, passed: demand * share },
    ...{ nearest: names[nearest]!, lostMs: lost / share, regions },
  };
}
