import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FIRST_SPREAD_MAX_MS,
  firstDueMs,
  nextDueMs,
  phaseMs,
} from '../../src/monitoring/schedule.ts';

test('phaseMs() spreads targets evenly over the interval, the same after a restart', () => {
  const buckets = new Array<number>(10).fill(0);
  for (let index = 0; index < 10_000; index += 1) {
    const phase = phaseMs(`eu endpoint web 192.0.2.${index % 256}:${index}`, 1000);
    assert.ok(phase >= 0 && phase < 1000);
    buckets[Math.floor(phase / 100)]! += 1;
  }
  for (const count of buckets) assert.ok(count > 850 && count < 1150, `${buckets}`);
  assert.equal(phaseMs('a', 1000), phaseMs('a', 1000));
});

test('firstDueMs() comes soon even when the interval is long', () => {
  for (const key of ['a', 'b', 'c', 'd', 'e']) {
    assert.ok(firstDueMs(key, 3_600_000) < FIRST_SPREAD_MAX_MS);
    assert.equal(firstDueMs(key, 1000), phaseMs(key, 1000));
  }
});

test('nextDueMs() stays within the jitter, and counts from the due time', () => {
  const period = { intervalMs: 1000, jitter: 0.2 };
  assert.equal(nextDueMs(5000, period, 0.5, 5300), 6000, 'a slow answer does not thin probes out');
  assert.equal(nextDueMs(5000, period, 0, 5000), 5900);
  assert.equal(nextDueMs(5000, period, 0.999999, 5000), 6100);
  assert.equal(nextDueMs(5000, { ...period, jitter: 0 }, 0.1, 5000), 6000);
});

test('nextDueMs() catches up after a late probe and spreads after a long pause', () => {
  const period = { intervalMs: 1000, jitter: 0 };
  assert.equal(nextDueMs(5000, period, 0.5, 6400), 6400);
  assert.equal(nextDueMs(5000, period, 0.25, 60_000), 60_250);
});
