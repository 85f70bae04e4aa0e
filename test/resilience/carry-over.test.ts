import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  adaptiveLimit,
  createAdaptiveLimitState,
  DEFAULT_ADAPTIVE_LIMIT,
} from '../../src/resilience/adaptive-limit.ts';
import { carryOver } from '../../src/resilience/carry-over.ts';
import {
  createKeepAliveState,
  DEFAULT_KEEP_ALIVE,
  idleLimitMs,
  observeClose,
} from '../../src/resilience/keepalive-learning.ts';
import {
  createOutlierState,
  DEFAULT_OUTLIER_RULES,
  LEVEL,
  OUTCOME,
  observeOutcome,
} from '../../src/resilience/outlier.ts';

/** Servers a, b, c become c, new, a. */
const FORMER_INDEXES = [2, -1, 0];

test('an ejection and a row of failures go with their server', () => {
  const rules = { ...DEFAULT_OUTLIER_RULES, reducedWeight: undefined };
  const healthy = new Uint8Array(3).fill(1);
  const [former, next] = [createOutlierState(3), createOutlierState(3)];
  const fail = (state: typeof next, server: number, times: number): void => {
    for (let time = 0; time < times; time += 1) {
      observeOutcome(state, rules, healthy, server, OUTCOME.local, 1, 1000, 0);
    }
  };
  fail(former, 2, 5);
  fail(former, 0, 4);
  carryOver(former, next, FORMER_INDEXES);
  assert.deepEqual([...next.level], [LEVEL.ejected, LEVEL.in, LEVEL.in]);
  assert.equal(next.untilMs[0], former.untilMs[2]);
  assert.deepEqual([...next.consecutive], [0, 0, 0, 0, 0, 0, 4, 0, 0]);
});

test('what was learnt of a server goes with it, and a new one begins anew', () => {
  const rules = DEFAULT_KEEP_ALIVE;
  const [former, next] = [createKeepAliveState(3, rules), createKeepAliveState(3, rules)];
  for (let count = 0; count < 3; count += 1) observeClose(former, rules, 2, 5000);
  carryOver(former, next, FORMER_INDEXES);
  assert.deepEqual(
    [0, 1, 2].map((server) => idleLimitMs(next, server)),
    [4900, 60_000, 60_000],
  );
  observeClose(next, rules, 0, 4000);
  assert.equal(idleLimitMs(next, 0), 3900, 'the ages came along');

  const limits = createAdaptiveLimitState(3, DEFAULT_ADAPTIVE_LIMIT);
  limits.limit.set([7, 8, 9]);
  const after = createAdaptiveLimitState(3, DEFAULT_ADAPTIVE_LIMIT);
  carryOver(limits, after, FORMER_INDEXES);
  assert.deepEqual(
    [0, 1, 2].map((server) => adaptiveLimit(after, server)),
    [9, 20, 7],
  );
});
