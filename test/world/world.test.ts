import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createGeoFiles, readPlaces } from '../../src/workers/geo-files.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { meridian } from './meridian-rule.ts';
import { optimum } from './optimum.ts';
import { simpleRules } from './rules.ts';
import { SCENARIOS } from './scenarios.ts';
import { type Result, type Scenario, simulate } from './simulate.ts';
import { createDraw, createWorld } from './world.ts';

/** A small world of what `npm run world` tells of a large one. */
const HOUR_MS = 3_600_000;
const SEED = 7;
const loaded = createGeoFiles().load({ databases: [], overrides: [], resolvers: [] }, readPlaces());
assert.ok(loaded.ok);
const world = createWorld(loaded.geo, SEED, 300);
const scenario = (name: string, hours: number): Scenario => ({
  ...SCENARIOS.find((each) => each.name === name)!,
  warmUpMs: 2 * HOUR_MS,
  lengthMs: hours * HOUR_MS,
});

async function ownResult(of: Scenario): Promise<Result> {
  const options = {
    steps: ['latency', 'healthy', 'capacity', 'first'],
    explores: false,
    probes: true,
    targetPercent: 80,
  };
  const rule = await meridian('Meridian', world, options, createDraw(1), of.startMs);
  const result = await simulate(world, rule, of, createDraw(2));
  await rule.close();
  return result;
}

async function nearestResult(of: Scenario): Promise<Result> {
  const [nearest] = simpleRules(world, createDraw(1));
  return simulate(world, nearest!, of, createDraw(2));
}

test('the same seed gives the same figures', async () => {
  const short = scenario('steady', 0.2);
  const [first, second] = [await ownResult(short), await ownResult(short)];
  assert.deepEqual(first, second);
});

test('the loss of a region overloads others where everybody goes to the nearest, and does not fell them by plan', async () => {
  const loss = scenario('loss', 1);
  const [own, nearest] = [await ownResult(loss), await nearestResult(loss)];
  assert.equal(own.felled, 0, JSON.stringify({ ...own, series: [] }));
  assert.ok(nearest.felled > 0, `${nearest.felled}`);
  assert.ok(own.overloadShare < nearest.overloadShare / 4, `${own.overloadShare}`);
  const [half, most] = own.followed;
  assert.ok(
    half !== undefined && half <= 40 && most !== undefined && most <= 60,
    `${own.followed}`,
  );
});

test('loads are what the plan says, and nobody is sent beyond what regions can carry', async () => {
  const own = await ownResult({ ...scenario('steady', 1), warmUpMs: 5 * HOUR_MS });
  assert.ok(own.loadError! < 0.05, `${own.loadError}`);
  assert.equal(own.overloadShare, 0);
  assert.ok(own.changesPerDay < 0.1, `${own.changesPerDay} changes a day`);
  assert.ok(own.changesPerDay < 0.1, `${own.changesPerDay} changes a day`);
  assert.ok(own.meanMs < own.targetMs! * 1.05, `${own.meanMs} beside ${own.targetMs}`);
});

test('the optimum is proved by prices', () => {
  const portion = fc.record({
    demand: fc.double({ min: 0.1, max: 100, noNaN: true }),
    costsMs: fc.array(fc.double({ min: 1, max: 300, noNaN: true }), { minLength: 4, maxLength: 4 }),
  });
  fc.assert(
    fc.property(
      fc.array(portion, { minLength: 1, maxLength: 60 }),
      fc.double({ min: 1.05, max: 2, noNaN: true }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 4, maxLength: 4 }),
      (portions, room, parts) => {
        const demand = portions.reduce((sum, each) => sum + each.demand, 0);
        const whole = parts.reduce((a, b) => a + b, 0);
        const capacities = parts.map((part) => (demand * room * part) / whole);
        const { boundMs, meanMs } = optimum(portions, capacities);
        assert.ok(
          meanMs >= boundMs - 1e-6 && meanMs - boundMs < 1e-3 * meanMs + 1e-3,
          `${meanMs} ${boundMs}`,
        );
      },
    ),
    { numRuns: fuzzRuns(300), seed: fuzzSeed(74) },
  );
});
