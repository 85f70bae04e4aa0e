import assert from 'node:assert/strict';
import test from 'node:test';
import { initialVerdict, observe } from '../../src/health/verdict.ts';
import { statementOf, vantageHealth } from '../../src/monitoring/vantage-health.ts';
import { statement } from './statements.ts';

const rules = { rise: 2, fall: 3, intervalMs: 1000 };

function reasonAfter(outcomes: readonly boolean[]): string {
  let state = initialVerdict();
  for (const [index, ok] of outcomes.entries()) {
    const reason = ok ? '200 OK' : 'timeout';
    state = observe(state, { atMs: index * 1000, ok, rttMs: 1, reason }, rules);
  }
  return statementOf({ vantage: 'v', key: 'web/a', state, rules, leaseMs: 3000 }).reason;
}

test('statementOf() gives the reason of the verdict, not of a change that is not yet believed', () => {
  assert.equal(reasonAfter([]), '');
  assert.equal(reasonAfter([false]), 'timeout', 'unknown: what was seen');
  assert.equal(reasonAfter([true]), '200 OK');
  assert.equal(reasonAfter([true, false, false]), '200 OK', 'still up');
  assert.equal(reasonAfter([true, false, false, false]), 'timeout', 'down');
  assert.equal(reasonAfter([true, false, false, false, true]), 'timeout', 'still down');
  assert.equal(reasonAfter([true, false, false, false, true, true]), '200 OK', 'up again');
});

test('vantageHealth() says what keeps a vantage point from looking', () => {
  const said = (vantage: string, atMs: number) => statement(vantage, 'a', 'up', atMs);
  const NOW = 1_000_000;
  const fault = { reason: 'no descriptors left', sinceMs: NOW - 5000 };
  const lines = vantageHealth([
    {
      statements: [
        said('fresh', NOW - 100),
        said('late', NOW - 60_000),
        said('mute', NOW - 60_000),
      ],
      word: () => undefined,
      faults: new Map(['fresh', 'late', 'never'].map((vantage) => [vantage, fault])),
      prefix: '',
      nowMs: NOW,
    },
  ]);
  assert.deepEqual(
    lines.map(({ abstains, vantage, verdict }) => [vantage, verdict, abstains]),
    [
      ['fresh', 'up', ''],
      ['late', 'abstains', 'it cannot look: no descriptors left'],
      ['mute', 'abstains', 'it has been silent for too long'],
      ['never', 'abstains', 'it cannot look: no descriptors left'],
    ],
  );
});
