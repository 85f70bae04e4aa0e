import fc from 'fast-check';
import type { PlanClass, PlanRegion } from '../../src/capacity/plan.ts';

/** Regions on a line and clients between them, some of whom cannot go everywhere. */
export type CapacityWorld = {
  readonly regions: readonly PlanRegion[];
  readonly classes: readonly Omit<PlanClass, 'slots'>[];
};

const TARGET = 0.8;

/** @param enough what all regions can carry, as a multiple of all that is asked for */
export function capacityWorlds(enough: readonly [number, number]): fc.Arbitrary<CapacityWorld> {
  return fc
    .record({
      places: fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 2, maxLength: 6 }),
      clients: fc.array(
        fc.record({
          place: fc.integer({ min: 0, max: 200 }),
          demand: fc.integer({ min: 1, max: 1000 }),
          closed: fc.integer({ min: -1, max: 12 }),
        }),
        { minLength: 3, maxLength: 40 },
      ),
      parts: fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 6, maxLength: 6 }),
      enough: fc.double({ min: enough[0], max: enough[1], noNaN: true }),
    })
    .map(({ clients, enough: times, parts, places }) => {
      const demand = clients.reduce((sum, each) => sum + each.demand, 0);
      const whole = places.reduce<number>((sum, _, index) => sum + parts[index]!, 0);
      const regions = places.map((_, index) => {
        const capacity = (parts[index]! / whole) * demand * times;
        return { name: `r${index}`, capacity, target: capacity * TARGET };
      });
      const classes = clients.map(({ closed, demand: own, place }, index) => ({
        key: `web k${String(index).padStart(3, '0')}`,
        pool: 'web',
        demand: own,
        waysMs: places.map((at, region) => (region === closed ? null : 5 + Math.abs(at - place))),
      }));
      return { regions, classes };
    });
}
