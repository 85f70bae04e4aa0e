import assert from 'node:assert/strict';
import { test } from 'node:test';
import { initialVerdict, observe, type VerdictState } from '../../src/health/verdict.ts';
import {
  FIRST_PER_SECOND_MAX,
  FIRST_SPREAD_MAX_MS,
  firstCountedMs,
  firstDueMs,
  firstSpreadMs,
  nextDueMs,
  type Paces,
  paceAfter,
  phaseMs,
  RECHECK_JITTER_MIN,
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
    assert.ok(firstDueMs(key, 3_600_000, firstSpreadMs(1)) < FIRST_SPREAD_MAX_MS);
    assert.equal(firstDueMs(key, 1000, firstSpreadMs(1)), phaseMs(key, 1000));
  }
});

test('firstSpreadMs() gives many targets a longer first round', () => {
  assert.equal(firstSpreadMs(2), FIRST_SPREAD_MAX_MS);
  const spreadMs = firstSpreadMs(10_000);
  const perSecond = new Map<number, number>();
  for (let index = 0; index < 10_000; index += 1) {
    const second = Math.floor(firstDueMs(`endpoint ${index}`, 60_000, spreadMs) / 1000);
    perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
  }
  assert.ok(Math.max(...perSecond.values()) < 1.2 * FIRST_PER_SECOND_MAX);
});

test('firstCountedMs() brings the second probe to its place, and no two at once', () => {
  const spreadMs = firstSpreadMs(1);
  for (const intervalMs of [1000, 60_000]) {
    for (const key of ['a', 'b', 'c', 'd', 'e']) {
      const firstMs = firstDueMs(key, intervalMs, spreadMs);
      const secondMs = firstCountedMs(key, intervalMs, spreadMs) + intervalMs;
      assert.equal(secondMs % intervalMs, phaseMs(key, intervalMs));
      assert.ok(secondMs > firstMs && secondMs <= firstMs + intervalMs);
    }
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

const PACES: Paces = {
  intervalMs: 1000,
  jitter: 0.1,
  recheckMs: 250,
  idle: { afterMs: 60_000, intervalMs: 4000 },
};

/** The state after these marks, `+` a success and `-` a failure, a second apart. */
function after(marks: string, from = initialVerdict(), fromMs = 0): VerdictState {
  const rules = { ...PACES, rise: 2, fall: 3 };
  return [...marks].reduce((state, mark, index) => {
    const atMs = fromMs + index * 1000;
    return observe(state, { atMs, ok: mark === '+', rttMs: 3, reason: '' }, rules);
  }, from);
}

test('paceAfter() quickens from the first failure until the target is down or forgiven', () => {
  const cases: readonly (readonly [string, number, string])[] = [
    ['', 1000, 'nothing seen'],
    ['+', 1000, 'up'],
    ['-', 250, 'unknown, and failing'],
    ['+-', 250, 'the first failure'],
    ['+--', 250, 'the second'],
    ['+---', 1000, 'down'],
    ['+--+', 250, 'one success does not forgive'],
    ['+--++', 1000, 'two do'],
    ['+---+', 1000, 'coming back is not hurried'],
  ];
  for (const [marks, intervalMs, why] of cases) {
    assert.equal(paceAfter(after(marks), PACES).intervalMs, intervalMs, `${marks}: ${why}`);
  }
  assert.equal(paceAfter(after('+-'), PACES).jitter, RECHECK_JITTER_MIN);
  assert.equal(paceAfter(after('+-'), { intervalMs: 1000, jitter: 0 }).intervalMs, 1000);
});

test('paceAfter() slackens for what has been down for long, until its first success', () => {
  const down = after('---');
  const lately = after('-', down, 61_000);
  assert.equal(paceAfter(lately, PACES).intervalMs, 1000);
  const long = after('-', down, 62_000);
  assert.equal(paceAfter(long, PACES).intervalMs, 4000);
  assert.equal(paceAfter(after('+', long, 66_000), PACES).intervalMs, 1000);
  assert.equal(paceAfter(after('+-', long, 66_000), PACES).intervalMs, 4000, 'still as down');
  const { idle: _, ...without } = PACES;
  assert.equal(paceAfter(long, without).intervalMs, 1000);
});
