import { createGeoFiles, readPlaces } from '../../src/workers/geo-files.ts';
import { meridian } from './meridian-rule.ts';
import { simpleRules } from './rules.ts';
import { type Scenario, simulate } from './simulate.ts';
import { createDraw, createWorld } from './world.ts';

const loaded = createGeoFiles().load(
  { databases: [], overrides: [], resolvers: [] } as never,
  readPlaces(),
);
if (!loaded.ok) throw new Error('geo');
const world = createWorld(loaded.geo, 7, Number(process.argv[2] ?? 500));
console.log(
  world.regions.map((r) => `${r.name} ${r.capacity.toFixed(0)}`).join(),
  world.askers.length,
  'askers',
);
const HOUR = 3_600_000;
const startMs = Date.UTC(2026, 10, 23);
const scenarios: Scenario[] = [
  { name: 'constant', startMs, warmUpMs: 6 * HOUR, lengthMs: 2 * HOUR, isConstant: true },
  {
    name: 'loss',
    startMs,
    warmUpMs: 6 * HOUR,
    lengthMs: HOUR,
    isConstant: true,
    loss: { region: 3, fromMs: 600_000, toMs: 2_400_000 },
  },
];
for (const scenario of scenarios) {
  const m = await meridian(
    'meridian',
    world,
    { steps: ['latency', 'healthy', 'capacity', 'first'], explores: true },
    createDraw(3),
    startMs,
  );
  const m2 = await meridian(
    'meridian, no exploring',
    world,
    { steps: ['latency', 'healthy', 'capacity', 'first'], explores: false },
    createDraw(3),
    startMs,
  );
  const m3 = await meridian(
    'latency alone',
    world,
    { steps: ['latency', 'healthy', 'first'], explores: true },
    createDraw(3),
    startMs,
  );
  for (const rule of [m, m2, m3, ...simpleRules(world, createDraw(5)).slice(0, 2)]) {
    const t = performance.now();
    const r = await simulate(world, rule, scenario, createDraw(9));
    console.log(
      scenario.name,
      r.rule.padEnd(24),
      'mean',
      r.meanMs.toFixed(1),
      'opt',
      r.optimumMs.toFixed(1),
      'at 80 %',
      r.targetMs.toFixed(1),
      `+${((r.meanMs / r.optimumMs - 1) * 100).toFixed(1)} %`,
      'over',
      (r.overloadShare * 100).toFixed(2),
      'use',
      r.useMax.toFixed(2),
      'felled',
      r.felled,
      'changes/day',
      r.changesPerDay.toFixed(2),
      'followed',
      r.followed.join(),
      'err',
      r.loadError?.toFixed(3),
      `${((performance.now() - t) / 1000).toFixed(1)} s`,
    );
  }
  await m.close();
  await m2.close();
}
