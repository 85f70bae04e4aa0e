import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Counts, DrillStatus, Problem } from '../../src/control/control-plane.ts';
import { createDrills, type DrillWorld } from '../../src/control/drills.ts';
import { createEvents } from '../../src/control/events.ts';
import { settle } from '../monitoring/moved-clock.ts';
import { createFlawedStore } from './flawed-store.ts';
import { openOverrides } from './open-overrides.ts';
import { silentLog } from './silent-log.ts';

const REQUEST = { region: 'frankfurt', durationSeconds: 60, by: 'ann', reason: 'rehearsal' };
const BASELINE_MS = 5_000;
const SETTLE_MS = 10_000;

test('a drill counts before, drains until its deadline, counts after, and finishes', async () => {
  const { drills, clock, world, drained, kinds, timers } = await createWorld();
  const started = status(await drills.start(REQUEST));
  assert.equal(started.state, 'running');
  assert.equal(started.endsAtMs - started.startedAtMs, BASELINE_MS + 60_000 + SETTLE_MS);
  world.answer({ frankfurt: 10, virginia: 5 });
  await clock.advance(BASELINE_MS);
  assert.deepEqual(drained(), ['frankfurt']);
  world.answer({ virginia: 7 });
  await clock.advance(60_000 - 1);
  assert.deepEqual(drained(), ['frankfurt']);
  await clock.advance(1);
  assert.deepEqual(drained(), []);
  await clock.advance(500);
  world.answer({ frankfurt: 3 });
  await clock.advance(SETTLE_MS);
  const [ended] = drills.list();
  assert.equal(ended?.state, 'finished');
  assert.deepEqual(ended?.observed, {
    before: counts(10, 5),
    during: counts(0, 7),
    after: counts(3, 0),
  });
  assert.deepEqual(kinds(), ['drill.start', 'drill.drain', 'drill.finished']);
  assert.equal(timers(), 0);
});

test('a drill that is stopped reverts at once, also while the store is slow', async () => {
  const { drills, clock, flawed, drained, kinds } = await createWorld();
  const { id } = status(await drills.start(REQUEST));
  flawed.hold();
  await clock.advance(BASELINE_MS);
  assert.deepEqual(drained(), ['frankfurt']);
  const stopping = drills.stop(id, 'ann');
  assert.deepEqual(drained(), []);
  flawed.release();
  const stopped = status(await stopping);
  await settle();
  assert.equal(stopped.state, 'stopped');
  assert.equal(stopped.note, 'Stopped by ann.');
  assert.equal(stopped.endsAtMs, clock.nowMs());
  assert.deepEqual(drained(), []);
  const told = (await flawed.other.list('')).map(({ value }) => JSON.parse(value).value);
  assert.deepEqual(told, [undefined], 'cleared for all');
  assert.deepEqual(kinds(), ['drill.start', 'drill.drain', 'drill.stopped']);
  assert.equal(problem(await drills.stop(id, 'ann')).code, 'drill-over');
  assert.equal(problem(await drills.stop('drill-none', 'ann')).code, 'unknown-drill');
});

test('a drill aborts when the last other endpoint goes down, and reverts', async () => {
  const { drills, clock, world, drained, kinds } = await createWorld();
  await drills.start(REQUEST);
  await clock.advance(BASELINE_MS + 1000);
  world.usable.delete('virginia');
  await clock.advance(500);
  assert.deepEqual(drained(), []);
  const [ended] = drills.list();
  assert.equal(ended?.state, 'aborted');
  assert.match(ended?.note ?? '', /no usable endpoint outside frankfurt/);
  assert.deepEqual(kinds(), ['drill.start', 'drill.drain', 'drill.aborted']);
});

test('a drill aborts when another region carries more than it can', async () => {
  const { drills, clock, world, drained } = await createWorld();
  await drills.start(REQUEST);
  world.loads.set('frankfurt', 500).set('virginia', 90);
  await clock.advance(BASELINE_MS + 1000);
  assert.deepEqual(drained(), ['frankfurt'], 'what the drained one carries is its own');
  world.loads.set('virginia', 101);
  await clock.advance(500);
  assert.equal(drills.list()[0]?.state, 'aborted');
  assert.match(drills.list()[0]?.note ?? '', /virginia carries 101 requests per second/);
  assert.deepEqual(drained(), []);
});

test('a drill aborts when a reload takes its region away', async () => {
  const { drills, clock, world, drained } = await createWorld();
  await drills.start(REQUEST);
  await clock.advance(BASELINE_MS + 1000);
  world.regions.delete('frankfurt');
  await clock.advance(500);
  assert.equal(drills.list()[0]?.state, 'aborted');
  assert.equal(drills.list()[0]?.note, 'There is no region "frankfurt".');
  assert.deepEqual(drained(), []);
});

test('a drill whose node stood still until after the deadline says that it drained nothing', async () => {
  for (const stoodStillMs of [BASELINE_MS + 60_000 + 1, 3_600_000]) {
    const { drills, clock, world, drained, kinds } = await createWorld();
    await drills.start(REQUEST);
    world.answer({ frankfurt: 1 });
    clock.leap(stoodStillMs);
    await clock.advance(500);
    assert.deepEqual(drained(), []);
    assert.equal(drills.list()[0]?.state, 'aborted');
    assert.match(drills.list()[0]?.note ?? '', /Nothing was drained/);
    assert.deepEqual(drills.list()[0]?.observed.during, counts(0, 0));
    assert.deepEqual(kinds(), ['drill.start', 'drill.aborted']);
  }
});

test('a drill that is late drains for the rest of its time', async () => {
  const { drills, clock, drained } = await createWorld();
  await drills.start(REQUEST);
  clock.leap(BASELINE_MS + 40_000);
  await clock.advance(0);
  assert.deepEqual(drained(), ['frankfurt']);
  await clock.advance(20_000);
  assert.deepEqual(drained(), []);
  await clock.advance(SETTLE_MS);
  assert.equal(drills.list()[0]?.state, 'finished');
});

test('only one drill runs at a time, and the next one has an id of its own', async () => {
  const { drills, timers } = await createWorld();
  const [first, second] = await Promise.all([drills.start(REQUEST), drills.start(REQUEST)]);
  assert.equal(problem(second).code, 'drill-running');
  assert.equal(drills.running(), status(first).id);
  await drills.stop(status(first).id, 'ann');
  assert.equal(drills.running(), undefined);
  const third = status(await drills.start(REQUEST));
  assert.notEqual(third.id, status(first).id);
  // One drill, one timer: the first one's is not left behind.
  assert.equal(timers(), 1);
  drills.close();
  assert.equal(timers(), 0);
});

test('start() refuses what the guards refuse, and drills nothing', async () => {
  const { drills, world, kinds } = await createWorld();
  assert.equal(problem(await drills.start({ ...REQUEST, region: 'mars' })).problem, 'not-found');
  assert.equal(problem(await drills.start({ ...REQUEST, durationSeconds: 0 })).problem, 'invalid');
  world.usable.delete('virginia');
  assert.equal(problem(await drills.start(REQUEST)).code, 'no-usable-endpoint');
  const forced = status(await drills.start({ ...REQUEST, force: true }));
  assert.equal(forced.state, 'running');
  assert.deepEqual(kinds(), ['drill.start']);
});

test('predict() says what a start would be refused for, as warnings', async () => {
  const { drills, world, kinds } = await createWorld();
  world.usable.delete('virginia');
  const predicted = drills.predict(REQUEST);
  assert.ok(!('problem' in predicted));
  assert.match(predicted.warnings.join(), /no usable endpoint outside frankfurt/);
  assert.deepEqual(kinds(), []);
  assert.equal(problem(drills.predict({ ...REQUEST, region: 'mars' })).code, 'unknown-region');
});

const counts = (frankfurt: number, virginia: number): Counts => [
  { region: 'frankfurt', answers: frankfurt },
  { region: 'virginia', answers: virginia },
];

function status(result: DrillStatus | Problem): DrillStatus {
  assert.ok(!('problem' in result), JSON.stringify(result));
  return result;
}

function problem(result: object): Problem {
  assert.ok('problem' in result, JSON.stringify(result));
  return result as Problem;
}

/** Two regions with one pool over both, and counts that the test adds to. */
async function createWorld() {
  const flawed = await createFlawedStore();
  const { clock } = flawed;
  const kinds: string[] = [];
  const events = createEvents({
    node: 'test',
    nowMs: clock.nowMs,
    store: flawed.store,
    log: silentLog(),
  });
  events.subscribe(({ kind }) => kinds.push(kind));
  const overrides = await openOverrides(clock, flawed.store, silentLog(), () => {});
  const idle = clock.pending();
  const totals = new Map([
    ['frankfurt', 0],
    ['virginia', 0],
  ]);
  const regions = new Set(totals.keys());
  const usable = new Set(totals.keys());
  const loads = new Map<string, number>();
  const world: DrillWorld = {
    clock,
    overrides,
    events,
    steeredNames: () => [],
    word: () => 0,
    loads: () => [...loads].map(([region, requestsPerSecond]) => ({ region, requestsPerSecond })),
    answers: () => [...totals].map(([region, answers]) => ({ region, answers })),
    situation: () => ({
      regions: [...regions].map((name) => ({ name, capacity: 100 })),
      pools: [
        {
          name: 'web',
          endpoints: [...regions].map((region) => ({ region, usable: usable.has(region) })),
        },
      ],
    }),
  };
  const answer = (given: Readonly<Record<string, number>>): void => {
    for (const [region, count] of Object.entries(given)) {
      totals.set(region, (totals.get(region) ?? 0) + count);
    }
  };
  return {
    drills: createDrills(world),
    clock,
    flawed,
    world: { answer, loads, regions, usable },
    kinds: () => kinds,
    /** Timers of drills. */
    timers: () => clock.pending() - idle,
    drained: () => overrides.current().map(({ target }) => target.name),
  };
}
