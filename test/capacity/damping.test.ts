import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDamping } from '../../src/capacity/damping.ts';
import { type KnownClass, nextPlan } from '../../src/capacity/next-plan.ts';
import { SLOTS } from '../../src/steering/slots.ts';

const MINUTE_MS = 60_000;
const move = (from: string, to: string) => [{ key: 'k', from, to }];

test('who has just come goes nowhere but back, until some time has passed', () => {
  const damping = createDamping();
  assert.equal(damping.costMs('k', 'a', 'b', 0), 0);
  damping.note(move('a', 'b'), 0);
  assert.equal(damping.costMs('k', 'b', 'a', MINUTE_MS), 0);
  assert.ok(damping.costMs('k', 'b', 'c', MINUTE_MS) > 0);
  assert.equal(damping.costMs('other', 'b', 'c', MINUTE_MS), 0);
  assert.equal(damping.costMs('k', 'b', 'c', 30 * MINUTE_MS), 0);
  // More of it may leave the same region.
  assert.equal(damping.costMs('k', 'a', 'b', MINUTE_MS), 0);
});

test('who came back stays, four times as long each time that it leaves again at once, and a day at most', () => {
  const damping = createDamping();
  const stays = (atMs: number): boolean => damping.costMs('k', 'a', 'b', atMs) > 0;
  let atMs = 0;
  const times: number[] = [];
  for (let round = 0; round < 6; round += 1) {
    damping.note(move('a', 'b'), atMs);
    damping.note(move('b', 'a'), atMs + MINUTE_MS);
    atMs += MINUTE_MS;
    const sinceMs = atMs;
    assert.ok(stays(atMs));
    while (stays(atMs)) atMs += MINUTE_MS;
    times.push((atMs - sinceMs) / MINUTE_MS);
  }
  assert.deepEqual(times, [20, 80, 320, 1280, 1440, 1440]);
  // Once it has been at rest it begins anew.
  atMs += 60 * MINUTE_MS;
  damping.note(move('a', 'b'), atMs);
  damping.note(move('b', 'a'), atMs);
  assert.ok(stays(atMs + 19 * MINUTE_MS) && !stays(atMs + 20 * MINUTE_MS));
});

test('a resolver larger than the room there is comes to rest, and others leave in its place', () => {
  const regions = ['a', 'b', 'c'].map((name) => ({ name, capacity: 100, target: 80 }));
  const rules = { stepShare: 1, returnShare: 1, stayMs: 3, bandShare: 0.03 };
  const damping = createDamping();
  // One resolver of 60, all of whose clients are in one slot, and 40 others who can be divided.
  let known: readonly KnownClass[] = [
    { key: 'lump', pool: 'web', demand: 60, waysMs: [10, 20, 30], slots: [SLOTS, 0, 0] },
    { key: 'fine', pool: 'web', demand: 40, waysMs: [10, 40, 60], slots: [SLOTS, 0, 0] },
    { key: 'near', pool: 'web', demand: 70, waysMs: [50, 10, 60], slots: [0, SLOTS, 0] },
  ];
  const lump: number[] = [];
  for (let minute = 0; minute < 600; minute += 1) {
    const next = nextPlan(known, regions, rules, (key, home, to) =>
      damping.costMs(key, home, to, minute * MINUTE_MS),
    );
    damping.note(next.moves, minute * MINUTE_MS);
    // Its slot is the first that is passed on, and the last that comes back.
    const [of] = next.classes;
    const where = of!.slots[0] === SLOTS ? 0 : of!.slots.findIndex((n, at) => at > 0 && n > 0);
    lump.push(where);
    // What the planner sees of it: all its demand is where the slot is.
    known = next.classes.map((each, index) =>
      index > 0 ? each : { ...each, slots: each.slots.map((_, at) => (at === where ? SLOTS : 0)) },
    );
  }
  const changes = lump.filter((at, index) => index > 0 && at !== lump[index - 1]).length;
  assert.ok(changes <= 4, `${changes} changes`);
  assert.equal(new Set(lump.slice(-200)).size, 1);
});
