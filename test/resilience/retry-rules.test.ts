import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseRetryAfter, RETRY_AFTER_MAX_MS } from '../../src/resilience/retry-after.ts';
import {
  type FailedAttempt,
  judgeRetry,
  DEFAULT_RETRY_RULES as RULES,
  retryWaitMs,
} from '../../src/resilience/retry-rules.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const parameters = { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(1000) };

/** A GET whose fresh connection ended after the head was written. */
const failed = (changes: Partial<FailedAttempt> = {}): FailedAttempt => ({
  failure: 'closed',
  attempts: 1,
  bytesWritten: 200,
  reused: false,
  idempotent: true,
  bodyReplayable: true,
  responseSeen: false,
  responseForwarded: false,
  status: 0,
  retryAfterMs: undefined,
  earlyData: false,
  fromBalancer: false,
  hasOtherServer: true,
  remainingMs: 10_000,
  ...changes,
});
const answered = (status: number, changes: Partial<FailedAttempt> = {}): FailedAttempt =>
  failed({ failure: 'status', status, responseSeen: true, ...changes });

const rows: readonly (readonly [string, FailedAttempt, string])[] = [
  ['idempotent, written, no answer', failed(), 'retry'],
  [
    'POST before a byte was written',
    failed({ failure: 'connect', bytesWritten: 0, idempotent: false }),
    'retry',
  ],
  ['POST once a byte was written', failed({ idempotent: false }), 'not-idempotent'],
  ['POST on a stale connection', failed({ idempotent: false, reused: true }), 'not-idempotent'],
  ['GET on a stale connection', failed({ reused: true }), 'retry-fresh'],
  [
    'GET on a stale connection after all attempts',
    failed({ reused: true, attempts: 3 }),
    'retry-fresh',
  ],
  ['PUT whose body is gone', failed({ bodyReplayable: false }), 'body-gone'],
  ['a response that broke off', failed({ responseSeen: true }), 'response-started'],
  [
    'a response on its way to the client',
    answered(503, { responseForwarded: true }),
    'response-started',
  ],
  ['a timeout', failed({ failure: 'timeout' }), 'retry'],
  ['attempts used', failed({ attempts: 3 }), 'attempts-used'],
  ['no time', failed({ remainingMs: 0 }), 'no-time'],
  ['a retry of another balancer', failed({ fromBalancer: true }), 'another-balancer'],
  ['503', answered(503), 'retry'],
  ['503 to a POST', answered(503, { idempotent: false }), 'not-idempotent'],
  ['500', answered(500), 'status'],
  ['404', answered(404), 'status'],
  ['429 without Retry-After', answered(429), 'status'],
  ['429 with Retry-After', answered(429, { retryAfterMs: 1000 }), 'retry'],
  ['429 beyond the deadline', answered(429, { retryAfterMs: 20_000 }), 'no-time'],
  ['503 beyond the deadline, another server', answered(503, { retryAfterMs: 20_000 }), 'retry'],
  [
    '503 beyond the deadline, no other server',
    answered(503, { retryAfterMs: 20_000, hasOtherServer: false }),
    'no-time',
  ],
  ['425', answered(425), 'retry'],
  ["425 to the client's early data", answered(425, { earlyData: true }), 'early-data'],
];

for (const [name, attempt, verdict] of rows) {
  test(`judgeRetry(): ${name}: ${verdict}`, () => {
    assert.equal(judgeRetry(attempt, RULES), verdict);
  });
}

test('judgeRetry(): a failure that is not asked for is not retried', () => {
  const rules = { ...RULES, on: new Set(['connect'] as const) };
  assert.equal(judgeRetry(failed(), rules), 'not-asked-for');
  assert.equal(judgeRetry(failed({ reused: true }), rules), 'retry-fresh');
});

const attempts: fc.Arbitrary<FailedAttempt> = fc.record({
  failure: fc.constantFrom('connect', 'closed', 'timeout', 'status'),
  attempts: fc.integer({ min: 1, max: 50 }),
  bytesWritten: fc.constantFrom(0, 1, 70_000),
  reused: fc.boolean(),
  idempotent: fc.boolean(),
  bodyReplayable: fc.boolean(),
  responseSeen: fc.boolean(),
  responseForwarded: fc.boolean(),
  status: fc.constantFrom(0, 200, 404, 425, 429, 500, 502, 503, 504),
  retryAfterMs: fc.option(fc.integer({ min: 0, max: 20_000 }), { nil: undefined }),
  earlyData: fc.boolean(),
  fromBalancer: fc.boolean(),
  hasOtherServer: fc.boolean(),
  remainingMs: fc.integer({ min: -10, max: 10_000 }),
});

test('judgeRetry() never repeats what may have been done, nor what the client has seen', () => {
  fc.assert(
    fc.property(attempts, (attempt) => {
      if (!judgeRetry(attempt, RULES).startsWith('retry')) return;
      assert.equal(attempt.responseForwarded, false);
      assert.equal(attempt.fromBalancer, false);
      const isSent = attempt.bytesWritten > 0 || attempt.failure === 'status';
      if (isSent) assert.ok(attempt.idempotent && attempt.bodyReplayable);
    }),
    parameters,
  );
});

test('retryWaitMs() stays within the back-off, honours Retry-After and ends before the deadline', () => {
  fc.assert(
    fc.property(attempts, fc.double({ min: 0, max: 0.999, noNaN: true }), (attempt, draw) => {
      if (judgeRetry(attempt, RULES) !== 'retry') return;
      const waitMs = retryWaitMs(attempt, RULES, draw);
      const { status, failure, retryAfterMs = 0, hasOtherServer, remainingMs } = attempt;
      const isHeld = failure === 'status' && (status === 429 || !hasOtherServer);
      const leastMs = isHeld ? retryAfterMs : 0;
      assert.ok(waitMs >= leastMs && waitMs <= leastMs + RULES.backOffMaxMs, `${waitMs}`);
      assert.ok(waitMs <= remainingMs);
    }),
    parameters,
  );
});

test('retryWaitMs() grows as 25, 75, 175, 250 ms, and is nothing after a refused connection', () => {
  const bounds = [1, 2, 3, 4].map((count) => retryWaitMs(failed({ attempts: count }), RULES, 1));
  assert.deepEqual(bounds, [25, 75, 175, 250]);
  assert.equal(retryWaitMs(failed({ failure: 'connect' }), RULES, 1), 0);
  assert.equal(retryWaitMs(failed({ failure: 'connect', hasOtherServer: false }), RULES, 1), 25);
});

const NOW_MS = Date.UTC(2026, 10, 22, 15, 0, 0);

test('parseRetryAfter(): seconds, and the three forms of a date', () => {
  const after: readonly (readonly [string, number | undefined])[] = [
    ['0', 0],
    ['120', 120_000],
    ['999999999999', RETRY_AFTER_MAX_MS],
    ['Sun, 22 Nov 2026 15:00:30 GMT', 30_000],
    ['Sunday, 22-Nov-26 15:00:30 GMT', 30_000],
    ['Sun Nov 22 15:00:30 2026', 30_000],
    ['Mon Nov  2 15:00:30 2026', 0],
    ['Friday, 22-Nov-80 15:00:30 GMT', 0],
    ['Fri, 31 Apr 2027 15:00:30 GMT', undefined],
    ['Sun, 22 Nov 2026 24:00:30 GMT', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['', undefined],
    ['soon', undefined],
  ];
  for (const [value, expected] of after) {
    assert.equal(parseRetryAfter(value, NOW_MS), expected, value);
  }
});

test('parseRetryAfter() reads what toUTCString() writes', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 299 }), (seconds) => {
      const date = new Date(NOW_MS + seconds * 1000).toUTCString();
      assert.equal(parseRetryAfter(date, NOW_MS), seconds * 1000);
    }),
    parameters,
  );
});
