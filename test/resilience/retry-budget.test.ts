import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bucketBudget,
  DEFAULT_BUCKET_BUDGET,
  type RetryBudget,
} from '../../src/resilience/retry-budget.ts';
import { createDraws } from './draws.ts';

/** Four servers of which two fail; times of an answer and of a failure in milliseconds. */
type World = { readonly answerMs: number; readonly failureMs: number; readonly seed: number };
const SERVERS = 4;
const ATTEMPTS_MAX = 5;
const MEASURED_MS = 60_000;

/**
 * Two requests per millisecond against a pool of which half fails, each tried up to five times as far
 * as the budget lets it. @returns attempts per request once the first second is over
 */
function amplification(budget: RetryBudget, { answerMs, failureMs, seed }: World): number {
  const draw = createDraws(seed);
  const ending = new Map<number, { server: number; attempt: number }[]>();
  const counts = { requests: 0, attempts: 0 };
  const begin = (nowMs: number, attempt: number, except: number): void => {
    if (nowMs > 1000) counts.attempts += 1;
    const drawn = Math.floor(draw() * (except < 0 ? SERVERS : SERVERS - 1));
    const server = except >= 0 && drawn >= except ? drawn + 1 : drawn;
    const endMs = nowMs + (server < SERVERS / 2 ? failureMs : answerMs);
    ending.set(endMs, [...(ending.get(endMs) ?? []), { server, attempt }]);
  };
  for (let nowMs = 0; nowMs < MEASURED_MS; nowMs += 1) {
    for (const { server, attempt } of ending.get(nowMs) ?? []) {
      const failed = server < SERVERS / 2 && attempt < ATTEMPTS_MAX;
      if (failed && budget.take(nowMs)) begin(nowMs, attempt + 1, server);
    }
    ending.delete(nowMs);
    for (let request = 0; request < 2; request += 1) {
      if (nowMs > 1000) counts.requests += 1;
      budget.deposit(nowMs);
      begin(nowMs, 1, -1);
    }
  }
  return counts.attempts / counts.requests;
}

/** 10 free retries a second of 2,000 requests, and what a window's edge lets through. */
const SLACK = 0.015;

for (const failureMs of [1, 50, 400]) {
  test(`bucket: with half of the pool failing after ${failureMs} ms, amplification is at most 1.2`, () => {
    const world = { answerMs: 50, failureMs, seed: 7 };
    const factor = amplification(bucketBudget(DEFAULT_BUCKET_BUDGET), world);
    assert.ok(factor <= 1.2 + SLACK, `${factor}`);
    assert.ok(factor > 1.15, `the budget is used: ${factor}`);
  });
}

test('without a budget the same pool is asked more often: the simulation can tell', () => {
  const none: RetryBudget = { deposit() {}, take: () => true };
  assert.ok(amplification(none, { answerMs: 50, failureMs: 50, seed: 7 }) > 1.5);
});

test('bucket: five requests pay for a retry, for ten seconds', () => {
  const budget = bucketBudget({ ...DEFAULT_BUCKET_BUDGET, reservePerSecond: 0 });
  const pay = (nowMs: number): void => {
    for (let request = 0; request < 5; request += 1) budget.deposit(nowMs);
  };
  assert.equal(budget.take(0), false);
  pay(0);
  assert.deepEqual([budget.take(1), budget.take(1)], [true, false]);
  pay(2000);
  assert.equal(budget.take(12_500), false, 'the deposit is forgotten');
  pay(20_000);
  assert.equal(budget.take(28_999), true);
});

test('bucket: the reserve comes back as its use is forgotten', () => {
  const budget = bucketBudget({ share: 0, windowMs: 1000, reservePerSecond: 2 });
  const taken = (nowMs: number): boolean[] => [1, 2, 3].map(() => budget.take(nowMs));
  assert.deepEqual(taken(0), [true, true, false]);
  assert.deepEqual(taken(900), [false, false, false]);
  assert.deepEqual(taken(1000), [true, true, false]);
});
