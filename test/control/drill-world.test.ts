import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDrillWorld } from '../../src/control/drill-world.ts';
import type { PlaneParts } from '../../src/control/plane.ts';

test('loads() sums what the balancers of a region carry that still speak', () => {
  const said = (region: string, requestsPerSecond: number, heardAtMs: number) => ({
    ...{ region, requestsPerSecond, heardAtMs },
    leaseMs: 3000,
  });
  const reports = [
    said('frankfurt', 100, 9_000),
    said('frankfurt', 20, 7_000),
    said('frankfurt', 900, 6_999),
    said('virginia', 5, 10_000),
  ];
  const regions = { frankfurt: {}, virginia: {}, singapore: {} };
  const parts = {
    clock: { nowMs: () => 10_000 },
    facts: () => ({ reports, serving: { config: { regions } } }),
  };
  assert.deepEqual(createDrillWorld(parts as unknown as PlaneParts).loads(), [
    { region: 'frankfurt', requestsPerSecond: 120 },
    { region: 'virginia', requestsPerSecond: 5 },
    { region: 'singapore', requestsPerSecond: 0 },
  ]);
});
