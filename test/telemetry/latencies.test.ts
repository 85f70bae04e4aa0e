import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  LATENCY_BOUNDS_MS,
  LATENCY_SLOTS,
  latenciesSince,
  latenciesUpTo,
  observeLatency,
  quantileMs,
  readLatencies,
} from '../../src/telemetry/latencies.ts';
import { createRandom } from '../interop/ecs-world.ts';

/** A row with other numbers on both sides, which nothing may touch. */
const BASE = 3;
function histogramOf(durations: readonly number[]) {
  const row = new Float64Array(BASE + LATENCY_SLOTS + 1);
  for (const ms of durations) observeLatency(row, BASE, ms);
  for (const outside of [0, 1, 2, BASE + LATENCY_SLOTS]) assert.equal(row[outside], 0);
  return readLatencies(row, BASE);
}

test('the bounds grow by about a quarter, and have 1, 2.5 and 5 of each decade', () => {
  const bounds = [...LATENCY_BOUNDS_MS];
  for (const [index, bound] of bounds.entries()) {
    if (index === 0) continue;
    const growth = bound / bounds[index - 1]!;
    assert.ok(growth > 1.22 && growth < 1.31, `${bound}`);
  }
  for (const ms of [0.1, 0.25, 0.5, 1, 2.5, 5, 100, 250, 500, 10_000, 100_000]) {
    assert.ok(bounds.includes(ms), `${ms}`);
  }
});

test('a duration is counted where its bound is the first that is not below it', () => {
  for (const [index, bound] of LATENCY_BOUNDS_MS.entries()) {
    const { buckets } = histogramOf([bound]);
    assert.deepEqual([buckets.length, buckets.at(-1)], [index + 1, 1], `${bound}`);
    assert.equal(histogramOf([bound * 1.0001]).buckets.length, index + 2, `above ${bound}`);
  }
  assert.deepEqual(histogramOf([0]), { count: 1, sumMs: 0, buckets: [1] });
  assert.equal(histogramOf([1e9]).buckets.length, LATENCY_BOUNDS_MS.length + 1);
});

test('quantiles of random durations are true to a bucket; what is shown adds up', () => {
  const random = createRandom(7);
  for (let round = 0; round < 50; round++) {
    const durations = Array.from({ length: 200 }, () => 0.1 * 10 ** (random() * 5.9));
    const told = histogramOf(durations);
    const sorted = durations.toSorted((a, b) => a - b);
    for (const share of [0.5, 0.9, 0.99]) {
      const real = sorted[Math.ceil(share * sorted.length) - 1]!;
      const guess = quantileMs(told, share)!;
      assert.ok(guess / real > 0.76 && guess / real < 1.32, `${share}: ${guess} of ${real}`);
    }
    for (const { count, seconds } of latenciesUpTo(told)) {
      assert.equal(count, durations.filter((ms) => ms <= 1000 * seconds).length, `${seconds}`);
    }
    assert.ok(Math.abs(told.sumMs - durations.reduce((sum, ms) => sum + ms, 0)) < 1e-6);
  }
});

test('of no duration there is no quantile, of too long ones the last bound', () => {
  assert.equal(quantileMs(histogramOf([]), 0.5), undefined);
  assert.equal(quantileMs(histogramOf([1e9]), 0.5), 100_000);
});

test('latenciesSince() tells what came between, and all of a row that began anew', () => {
  const before = histogramOf([1, 2]);
  const now = histogramOf([1, 2, 2, 300]);
  const since = latenciesSince(before, now);
  assert.deepEqual([since.count, since.sumMs], [2, 302]);
  assert.ok(quantileMs(since, 1)! <= 315 && quantileMs(since, 1)! >= 250);
  assert.deepEqual(latenciesSince(now, before), before);
  assert.deepEqual(latenciesSince(undefined, now), now);
});
