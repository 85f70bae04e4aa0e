import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type HedgedAttempt,
  hedgeDelayMs,
  judgeHedge,
  DEFAULT_HEDGE_RULES as RULES,
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

const ATTEMPTS_MAX = 3;
const attempt = (changes: Partial<HedgedAttempt> = {}): HedgedAttempt => ({
  responseSeen: false,
  attempts: 1,
  fromBalancer: false,
  bodyReplayable: true,
  isHeld: false,
  ...changes,
});
const known = (valueMs: number): LatencyQuantile => ({
  ...createLatencyQuantile(RULES.quantile),
  valueMs,
});

test('a request is hedged after the quantile of its route, and not sooner than the least', () => {
  assert.equal(hedgeDelayMs(RULES, known(80)), 80);
  assert.equal(hedgeDelayMs(RULES, known(0.5)), RULES.leastMs);
});

test('nothing is hedged while the route is unknown', () => {
  const latency = createLatencyQuantile(RULES.quantile);
  for (let count = 0; count < 99; count += 1) observeLatency(latency, 10);
  assert.equal(hedgeDelayMs(RULES, latency), undefined);
  observeLatency(latency, 10);
  assert.ok(hedgeDelayMs(RULES, latency)! >= 10);
});

test('what may be hedged, and why the rest may not', () => {
  assert.equal(judgeHedge(attempt(), ATTEMPTS_MAX), 'hedge');
  assert.equal(judgeHedge(attempt({ responseSeen: true }), ATTEMPTS_MAX), 'response-started');
  assert.equal(judgeHedge(attempt({ attempts: 2 }), ATTEMPTS_MAX), 'a-retry');
  assert.equal(judgeHedge(attempt({ fromBalancer: true }), ATTEMPTS_MAX), 'another-balancer');
  assert.equal(judgeHedge(attempt({ bodyReplayable: false }), ATTEMPTS_MAX), 'body-gone');
  assert.equal(judgeHedge(attempt({ isHeld: true }), ATTEMPTS_MAX), 'held');
  assert.equal(judgeHedge(attempt(), 1), 'attempts-used');
});

/**
 * A hundred requests a second, answered as `timeOf` says. @returns attempts per request and the 99th
 * percentile of what clients wait
 */
function simulate(timeOf: (draw: number) => number, isHedged: boolean): readonly [number, number] {
  const draw = createDraws(99);
  const budget: RetryBudget = bucketBudget(DEFAULT_BUCKET_BUDGET);
  const latency = createLatencyQuantile(RULES.quantile);
  const waits: number[] = [];
  let hedges = 0;
  const REQUESTS = 20_000;
  for (let at = 0; at < REQUESTS; at += 1) {
    const nowMs = at * 10;
    budget.deposit(nowMs);
    const afterMs = isHedged ? hedgeDelayMs(RULES, latency) : undefined;
    let waitMs = timeOf(draw());
    const isLate = afterMs !== undefined && waitMs > afterMs;
    if (isLate && budget.take(nowMs)) {
      hedges += 1;
      waitMs = Math.min(waitMs, afterMs + timeOf(draw()));
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
