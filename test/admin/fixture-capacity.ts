import { passedOn } from '../../src/capacity/passed-on.ts';
import { type CapacityPlan, viewPlan } from '../../src/capacity/plan.ts';
import type { CapacityView } from '../../src/control/control-plane.ts';
import { SLOTS } from '../../src/steering/slots.ts';

const HALF = SLOTS / 2;

const PLAN: CapacityPlan = {
  generation: 7,
  madeAtMs: Date.UTC(2026, 10, 20, 12, 59, 30),
  regions: [
    { name: 'virginia', capacity: 100, target: 80 },
    { name: 'frankfurt', capacity: 500, target: 400 },
    { name: 'singapore', capacity: null, target: null },
  ],
  classes: [
    {
      ...{ key: 'web N30W080 virginia>frankfurt', pool: 'web', demand: 120 },
      ...{ waysMs: [10, 90, 200], slots: [HALF, HALF, 0] },
    },
    {
      ...{ key: 'web N50E000 frankfurt>virginia', pool: 'web', demand: 60 },
      ...{ waysMs: [90, 10, 160], slots: [0, SLOTS, 0] },
    },
    {
      ...{ key: 'web S30W060 virginia>frankfurt', pool: 'web', demand: 40 },
      ...{ waysMs: [110, 180, 320], slots: [0, SLOTS, 0] },
    },
  ],
  trims: [],
};

/** A plan of three classes, two of whom are passed on. */
export function fixtureCapacity(classes: number): CapacityView {
  const { addedMs, demand, loads, pricesMs } = viewPlan(PLAN);
  const passed = passedOn(PLAN, classes);
  return {
    ...{ generation: PLAN.generation, madeAtMs: PLAN.madeAtMs, classes: PLAN.classes.length },
    ...{ demand, addedMs, passedCount: passed.count, passed: passed.classes },
    regions: PLAN.regions.map(({ capacity, name, target }, region) => ({
      ...{ name, capacity: capacity ?? 0, room: capacity ?? 0, target: target ?? 0 },
      ...{ load: loads[region]!, priceMs: pricesMs[region]! },
    })),
  };
}
