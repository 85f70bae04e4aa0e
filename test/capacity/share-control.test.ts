import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createShareControl, effectiveCaches, TRIM_MAX } from '../../src/capacity/share-control.ts';
import { SLOTS } from '../../src/steering/slots.ts';
import { createRandom } from '../bench/random.ts';

const RULES = { halfLifeSeconds: 300 };
const EVEN = new Float64Array(SLOTS).fill(1);
const of = (shares: Readonly<Record<string, number>>): ReadonlyMap<string, number> =>
  new Map(Object.entries(shares));
const window = (
  loads: Readonly<Record<string, number>>,
  { isQuiet = false, isTrimmed = true, slots = EVEN } = {},
) => ({
  seconds: 60,
  isQuiet,
  pools: [{ pool: 'web', targets: of({ a: 0.7, b: 0.3 }), loads: of(loads), slots, isTrimmed }],
});

test('what comes is told beside what is wanted, and how much of it may be chance', () => {
  const control = createShareControl(RULES);
  const slots = new Float64Array(SLOTS);
  slots.fill(5, 0, 50);
  control.learn(window({ a: 60, b: 40 }, { slots, isTrimmed: false }));
  const { caches, endpoints } = control.views().get('web')!;
  assert.ok(Math.abs(caches / 50 - 1) < 0.1, `${caches}`);
  const [a] = endpoints;
  assert.deepEqual([a?.target, a?.achieved, a?.trim], [0.7, 0.6, 1]);
  assert.ok(Math.abs(a!.deviation - Math.sqrt(0.21 / 50)) < 0.005);
  assert.equal(control.trims().size, 0, 'nobody asked for it');
});

test('weights are trimmed until what comes is what was wanted', () => {
  const control = createShareControl(RULES);
  // Of what is sent to a, a tenth less comes than of what is sent to b.
  let achieved = 0;
  const steps: number[] = [];
  for (let round = 0; round < 120; round += 1) {
    const [a, b] = [0.7 * (control.trims().get('a') ?? 1), 0.3 * (control.trims().get('b') ?? 1)];
    achieved = (0.9 * a) / (0.9 * a + b);
    const before = control.trims().get('a') ?? 1;
    control.learn(window({ a: 1000 * achieved, b: 1000 * (1 - achieved) }));
    steps.push(Math.abs((control.trims().get('a') ?? 1) / before - 1));
  }
  assert.ok(Math.abs(achieved - 0.7) < 0.005, `${achieved}`);
  assert.ok(Math.max(...steps) < 0.025, 'no window changes much');
});

test('a trim has bounds, waits while something is down, and ends when nobody asks any more', () => {
  const control = createShareControl(RULES);
  for (let round = 0; round < 200; round += 1) control.learn(window({ a: 10, b: 990 }));
  assert.equal(control.trims().get('a'), TRIM_MAX);
  const held = control.trims().get('b');
  for (let round = 0; round < 50; round += 1)
    control.learn(window({ a: 990, b: 10 }, { isQuiet: true }));
  assert.equal(control.trims().get('b'), held);
  control.learn(window({ a: 990, b: 10 }, { isTrimmed: false }));
  assert.equal(control.trims().size, 0);
});

test('an endpoint that does not tell is left out, and of one alone nothing can be said', () => {
  const control = createShareControl(RULES);
  control.learn(window({ a: 10 }));
  assert.deepEqual(control.views().get('web')!.endpoints, []);
});

test('effective caches are told from the counts of slots', () => {
  const random = createRandom(5);
  for (const [count, skew] of [
    [20, 0],
    [300, 0],
    [3000, 0],
    [300, 1],
  ] as const) {
    const caches = Array.from({ length: count }, (_, rank) => 1000 / (rank + 1) ** skew);
    const slots = new Float64Array(SLOTS);
    for (const demand of caches) slots[random() % SLOTS]! += demand;
    const sum = caches.reduce((a, b) => a + b, 0);
    const truth = sum ** 2 / caches.reduce((total, each) => total + each ** 2, 0);
    const told = effectiveCaches(slots);
    assert.ok(told > 0.7 * truth && told < 1.4 * truth, `${told} of ${truth}`);
  }
  assert.equal(effectiveCaches(new Float64Array(SLOTS)), 0);
});
