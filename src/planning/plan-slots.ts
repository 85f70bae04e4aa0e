import { type CapacityPlan, wholeSlots } from '../capacity/plan.ts';
import { replan } from '../capacity/replan.ts';
import {
  buildSlotsTable,
  type SlotsRow,
  type SlotsTable,
  squareKey,
} from '../capacity/slots-table.ts';
import { isDown, wordShare } from '../health/health-word.ts';
import type { HealthWords } from '../health/health-words.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';

/**
 * What those who answer need of the plan in this state of health: its slots, without the regions that are lost, and
 * without those too that return slowly. It is made anew only when the plan or what is lost is another.
 */
export type PlanSlots = {
  /** The one that is known for the state; undefined = `make` has to make it. */
  known(plan: CapacityPlan, state: RegionState): SlotsTable | undefined;
  make(plan: CapacityPlan, state: RegionState): SlotsTable;
  /** The one that was made last. */
  last(): SlotsTable | undefined;
};

/** Which pools are not in which regions now: `pool region`. */
export type RegionState = {
  readonly lost: ReadonlySet<string>;
  readonly returning: ReadonlySet<string>;
};

/** A region is lost to a pool when all its endpoints there are down, and returns as the first of them does. */
export function regionState(
  { endpoints }: Pick<Snapshot, 'endpoints'>,
  { words }: HealthWords,
): RegionState {
  const shares = new Map<string, number>();
  for (const [endpoint, { pool, region, weight }] of endpoints.entries()) {
    if (weight === 0) continue;
    const word = words[endpoint] ?? 0;
    const place = placeKey(pool, region);
    const share = isDown(word) ? 0 : wordShare(word);
    shares.set(place, Math.max(share, shares.get(place) ?? 0));
  }
  const lost = new Set<string>();
  const returning = new Set<string>();
  for (const [place, share] of shares) {
    if (share === 0) lost.add(place);
    else if (share < 1) returning.add(place);
  }
  return { lost, returning };
}

/** As RegionState has it. */
export const placeKey = (pool: string, region: string): string => `${pool} ${region}`;

export function createPlanSlots(): PlanSlots {
  let made: { plan: CapacityPlan; text: string; table: SlotsTable } | undefined;
  let said = '';
  let generation = 0;
  return {
    known(plan, state) {
      return made?.plan === plan && made.text === textOf(state) ? made.table : undefined;
    },
    make(plan, state) {
      const { lost, returning } = state;
      const isOpen = (pool: string, region: string): boolean => !lost.has(placeKey(pool, region));
      const isBack = (pool: string, region: string): boolean =>
        isOpen(pool, region) && !returning.has(placeKey(pool, region));
      const now = replan(plan, isOpen);
      const without = returning.size === 0 ? now : replan(plan, isBack);
      const regions = plan.regions.map(({ name }) => name);
      const back = [...regions.keys()].filter((region) =>
        [...returning].some((place) => place.endsWith(` ${regions[region]}`)),
      );
      const rows = plan.classes.map(({ key }, index) => {
        return { key, slots: now[index]!, slotsWithout: without[index]! };
      });
      // A class that the plan does not know yet goes by its order, but not when that may be to a region that is full.
      if (lost.size + returning.size > 0) rows.push(...squareRows(plan, now, without));
      // What says the same as before is the same to those who answer.
      const text = JSON.stringify([regions, back, rows]);
      if (text !== said) generation += 1;
      const table =
        text === said && made !== undefined
          ? made.table
          : buildSlotsTable(generation, regions, back, rows);
      said = text;
      made = { plan, text: textOf(state), table };
      return table;
    },
    last: () => made?.table,
  };
}

/** Of each square what its clients have on average. */
function squareRows(
  { classes }: CapacityPlan,
  now: readonly (readonly number[])[],
  without: readonly (readonly number[])[],
): readonly SlotsRow[] {
  const squares = Map.groupBy(classes.keys(), (index) => squareKey(classes[index]!.key));
  return [...squares].map(([key, members]) => {
    const mean = (slots: readonly (readonly number[])[]): readonly number[] => {
      const sums = slots[members[0]!]!.map((_, region) =>
        members.reduce((sum, index) => sum + slots[index]![region]! * classes[index]!.demand, 0),
      );
      return wholeSlots(sums);
    };
    return { key, slots: mean(now), slotsWithout: mean(without) };
  });
}

const textOf = ({ lost, returning }: RegionState): string =>
  `${[...lost].sort().join()};${[...returning].sort().join()}`;
