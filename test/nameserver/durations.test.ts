import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  COUNT_ANSWERS,
  COUNT_DURATIONS_STREAM,
  COUNT_DURATIONS_UDP,
  counterSlots,
  durationSlots,
} from '../../src/nameserver/counters.ts';
import {
  createStopwatch,
  DURATION_BOUNDS_US,
  DURATION_SLOTS,
  readDurations,
} from '../../src/nameserver/durations.ts';
import { createCounterRow } from '../../src/telemetry/counters.ts';

test('a batch counts for each of its queries, in the bucket of its time', () => {
  const rig = open(1);
  rig.measure(3, 0.0009);
  rig.measure(2, 0.001);
  rig.measure(1, 0.0011);
  rig.measure(1, 3);
  rig.measure(1, 2000);
  const { count, sumSeconds, upTo } = rig.read();
  const at = (seconds: number) => upTo.find((bucket) => bucket.seconds === seconds)?.count;
  assert.deepEqual([1e-6, 2e-6, 5e-6, 0.002, 0.005, 1].map(at), [5, 6, 6, 6, 7, 7]);
  assert.equal(count, 8);
  const sum = 3 * 0.9e-6 + 2 * 1e-6 + 1.1e-6 + 0.003 + 2;
  assert.ok(Math.abs(sumSeconds - sum) < 1e-9, `${sumSeconds}`);
});

test('one of so many is measured, the first among them', () => {
  const rig = open(4);
  const clockReadings = [];
  for (let index = 0; index < 9; index += 1) {
    rig.measure(1, 1);
    clockReadings.push(rig.clock.looks);
  }
  assert.deepEqual(clockReadings, [2, 2, 2, 2, 4, 4, 4, 4, 6]);
  assert.equal(rig.read().count, 3);
});

test('what is not answered, or answered later by others, is not counted for something else', () => {
  const rig = open(2);
  rig.stopwatch.begin(1);
  rig.stopwatch.cancel();
  rig.clock.nowMs += 100;
  rig.stopwatch.end();
  // Nobody answered that one: the next begins anew.
  rig.stopwatch.begin(1);
  rig.stopwatch.begin(1);
  rig.clock.nowMs += 100;
  rig.stopwatch.begin(1);
  rig.stopwatch.end();
  assert.equal(rig.read().count, 0);
});

test('histograms have slots of their own', () => {
  const taken = new Set(counterSlots.map(({ slot }) => slot));
  for (const { slot } of durationSlots) {
    for (let index = slot; index < slot + DURATION_SLOTS; index += 1) {
      assert.ok(!taken.has(index), `${index}`);
      taken.add(index);
    }
  }
  assert.equal(Math.max(...taken), COUNT_ANSWERS - 1);
  assert.equal(taken.size, COUNT_ANSWERS);
  assert.equal(COUNT_DURATIONS_STREAM, COUNT_DURATIONS_UDP + DURATION_SLOTS);
  assert.deepEqual([DURATION_BOUNDS_US[0], DURATION_BOUNDS_US.at(-1)], [1, 1_000_000]);
  assert.deepEqual(
    DURATION_BOUNDS_US,
    DURATION_BOUNDS_US.toSorted((a, b) => a - b),
  );
});

function open(every: number) {
  const counters = createCounterRow(COUNT_ANSWERS);
  const clock = { nowMs: 0, looks: 0 };
  const look = (): number => {
    clock.looks += 1;
    return clock.nowMs;
  };
  const stopwatch = createStopwatch(() => counters, COUNT_DURATIONS_UDP, every, look);
  return {
    clock,
    stopwatch,
    measure(count: number, ms: number): void {
      clock.nowMs = 0;
      stopwatch.begin(count);
      clock.nowMs = ms;
      stopwatch.end();
    },
    read: () => readDurations((slot) => counters[slot]!, COUNT_DURATIONS_UDP),
  };
}
