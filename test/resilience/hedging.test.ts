import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  beginHedge,
  DEFAULT_HEDGE_RULES,
  HEDGE_QUANTILE,
  type HedgeRequest,
  hedgeAfterMs,
} from '../../src/resilience/hedging.ts';
import {
  createLatencyQuantile,
  type LatencyQuantile,
  observeLatency,
} from '../../src/resilience/latency-quantile.ts';
import {
  bucketBudget,
  DEFAULT_BUCKET_BUDGET,
  type RetryBudget,
} from '../../src/resilience/retry-budget.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { createDraws } from './draws.ts';

const RULES = { ...DEFAULT_HEDGE_RULES, enabled: true };
const request = (changes: Partial<HedgeRequest> = {}): HedgeRequest => ({
  idempotent: true,
  bodyReplayable: true,
  attempts: 1,
  fromBalancer: false,
  hasOtherServer: true,
  remainingMs: 10_000,
  ...changes,
});
const known = (valueMs: number): LatencyQuantile => ({
  ...createLatencyQuantile(HEDGE_QUANTILE),
  valueMs,
});

test('a request is hedged after the 95th percentile of its route', () => {
  assert.equal(hedgeAfterMs(request(), RULES, known(80)), 80);
  assert.equal(hedgeAfterMs(request(), RULES, known(0.5)), RULES.leastMs);
});

const refused: readonly (readonly [string, Partial<HedgeRequest>])[] = [
  ['what is not idempotent', { idempotent: false }],
  ['what has sent a body that is gone', { bodyReplayable: false }],
  ['a retry', { attempts: 2 }],
  ['what another balancer retries', { fromBalancer: true }],
  ['what has one server', { hasOtherServer: false }],
  ['what ends before', { remainingMs: 80 }],
];
for (const [name, changes] of refused) {
  test(`${name} is never hedged`, () => {
    assert.equal(hedgeAfterMs(request(changes), RULES, known(80)), undefined);
  });
}

test('nothing is hedged while the route is unknown, or when it is switched off', () => {
  const latency = createLatencyQuantile(HEDGE_QUANTILE);
  for (let count = 0; count < 99; count += 1) observeLatency(latency, 10);
  assert.equal(hedgeAfterMs(request(), RULES, latency), undefined);
  observeLatency(latency, 10);
  assert.ok(hedgeAfterMs(request(), RULES, latency)! >= 10);
  assert.equal(hedgeAfterMs(request(), DEFAULT_HEDGE_RULES, latency), undefined);
});

test('no second attempt once a response has begun, or without budget', () => {
  const none = bucketBudget({ ...DEFAULT_BUCKET_BUDGET, reservePerSecond: 0 });
  const some = bucketBudget(DEFAULT_BUCKET_BUDGET);
  assert.equal(beginHedge(request(), true, some, 1, 0), false);
  assert.equal(beginHedge(request(), false, none, 1, 0), false);
  assert.equal(beginHedge(request(), false, some, 1, 0), true);
  assert.equal(some.retries, 1);
});

/**
 * A hundred requests a second, answered as `timeOf` says. @returns attempts per request and the 99th
 * percentile of what clients wait
 */
function simulate(timeOf: (draw: number) => number, isHedged: boolean): readonly [number, number] {
  const draw = createDraws(99);
  const budget: RetryBudget = bucketBudget(DEFAULT_BUCKET_BUDGET);
  const latency = createLatencyQuantile(HEDGE_QUANTILE);
  const waits: number[] = [];
  let hedges = 0;
  const REQUESTS = 20_000;
  for (let at = 0; at < REQUESTS; at += 1) {
    const nowMs = at * 10;
    budget.deposit(nowMs);
    const afterMs = isHedged ? hedgeAfterMs(request(), RULES, latency) : undefined;
    let waitMs = timeOf(draw());
    const isLate = afterMs !== undefined && waitMs > afterMs;
    if (isLate && beginHedge(request(), false, budget, 10, nowMs)) {
      hedges += 1;
      waitMs = Math.min(waitMs, afterMs + timeOf(draw()));
      budget.release();
    }
    observeLatency(latency, waitMs);
    waits.push(waitMs);
  }
  waits.sort((a, b) => a - b);
  return [1 + hedges / REQUESTS, waits[Math.floor(REQUESTS * 0.99)]!];
}

test('it takes the tail off for about a twentieth more requests', () => {
  const tailed = (draw: number): number => (draw < 0.97 ? 10 + draw * 10 : 1000);
  const [, before] = simulate(tailed, false);
  const [amplification, after] = simulate(tailed, true);
  assert.equal(before, 1000);
  assert.ok(after < 50, `${after} ms`);
  assert.ok(amplification < 1.06, `${amplification}`);
});

test('when everything becomes slow at once, the budget bounds what is added', () => {
  let count = 0;
  const worsening = (draw: number): number => {
    count += 1;
    return count < 5000 ? 10 + draw : 10 + count / 50 + draw * 100;
  };
  const [amplification] = simulate(worsening, true);
  assert.ok(amplification < 1.3, `${amplification}`);
});

test('the estimate is within a bucket of the true quantile', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.double({ min: 1, max: 1000, noNaN: true }),
      fc.constantFrom(0.5, 0.9, 0.95, 0.99),
      (seed, scaleMs, quantile) => {
        const draw = createDraws(seed);
        const latency = createLatencyQuantile(quantile);
        const times = Array.from({ length: 1950 }, () => scaleMs * (1 - Math.log(1 - draw())));
        for (const ms of times) observeLatency(latency, ms);
        const sorted = times.toSorted((a, b) => a - b);
        const low = sorted[Math.floor(1950 * (quantile - 0.005))]!;
        const high = sorted[Math.min(1949, Math.ceil(1950 * (quantile + 0.005)))]!;
        assert.ok(latency.valueMs >= low && latency.valueMs <= high * 1.1, `${latency.valueMs}`);
      },
    ),
    { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(100) },
  );
});

test('the estimate follows a route that has become slower', () => {
  const latency = createLatencyQuantile(0.95);
  for (let count = 0; count < 20_000; count += 1) observeLatency(latency, 10);
  for (let count = 0; count < 1000; count += 1) observeLatency(latency, 300);
  assert.ok(latency.valueMs >= 300 && latency.valueMs < 330, `${latency.valueMs}`);
  observeLatency(latency, 0);
  observeLatency(latency, 1e12);
  assert.ok(Number.isFinite(latency.valueMs));
});
