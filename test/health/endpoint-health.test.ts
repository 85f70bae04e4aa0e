import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointHealth } from '../../src/health/endpoint-health.ts';
import {
  isDegraded,
  isDown,
  isForced,
  isUnknown,
  TTL_MASK,
  wordTtlSeconds,
} from '../../src/health/health-word.ts';
import type { Override } from '../../src/health/override.ts';
import type { Health } from '../../src/health/quorum.ts';

function judged(...each: readonly (readonly [string, Health, number?])[]) {
  return each.map(([address, health, ttlSeconds = 10]) => ({
    address,
    judgement: { health, ttlSeconds, reason: `is ${health}`, decidedAtMs: 0, isHeld: false },
  }));
}

const DRAIN: Override = {
  target: { kind: 'endpoint', name: 'web/virginia' },
  action: 'drain',
  reason: 'new kernel',
  by: 'ada',
  setAtMs: 0,
};

test('endpointHealth() is up only when every answered address family is reachable', () => {
  const v4 = '192.0.2.1';
  const v4b = '192.0.2.2';
  const v6 = '2001:db8::1';
  const cases = [
    [judged([v4, 'up']), 'up'],
    [judged([v4, 'down']), 'down'],
    [judged([v4, 'unknown']), 'unknown'],
    [judged([v4, 'up'], [v6, 'up']), 'up'],
    [judged([v4, 'up'], [v6, 'down']), 'down'],
    [judged([v4, 'down'], [v6, 'up']), 'down'],
    [judged([v4, 'up'], [v4b, 'down']), 'degraded'],
    [judged([v4, 'down'], [v4b, 'down']), 'down'],
    [judged([v4, 'up'], [v4b, 'down'], [v6, 'up']), 'degraded'],
    [judged([v4, 'up'], [v6, 'unknown']), 'unknown'],
    [[], 'up'],
  ] as const;
  for (const [judgements, expected] of cases) {
    const health = endpointHealth(judgements, undefined, 0);
    assert.equal(health.judged, expected);
    assert.equal(health.state, expected);
    assert.equal(isDown(health.word), expected === 'down');
    assert.equal(isDegraded(health.word), expected === 'degraded');
    assert.equal(isUnknown(health.word), expected === 'unknown');
  }
});

test('endpointHealth() has the shortest TTL of its addresses, and none without a monitor', () => {
  const both = judged(['192.0.2.1', 'up', 9.5], ['2001:db8::1', 'up', 4.2]);
  assert.equal(wordTtlSeconds(endpointHealth(both, undefined, 0).word), 4);
  const unmonitored = endpointHealth([], undefined, 0);
  assert.equal(wordTtlSeconds(unmonitored.word), TTL_MASK);
  assert.equal(unmonitored.reason, 'not monitored');
});

test('endpointHealth() names the address that decides when there are several', () => {
  const health = endpointHealth(judged(['192.0.2.1', 'up'], ['2001:db8::1', 'down']), undefined, 0);
  assert.equal(health.reason, '2001:db8::1: is down');
});

test('endpointHealth() keeps the judged state beneath an override', () => {
  const drained = endpointHealth(judged(['192.0.2.1', 'up']), DRAIN, 0);
  assert.ok(isDown(drained.word) && isForced(drained.word));
  assert.equal(drained.state, 'drained');
  assert.equal(drained.judged, 'up');
  assert.equal(drained.reason, 'drained by ada (new kernel); judged up: is up');
  const forced = endpointHealth(judged(['192.0.2.1', 'down']), { ...DRAIN, action: 'up' }, 0);
  assert.ok(!isDown(forced.word));
  assert.equal(forced.state, 'forced-up');
  assert.equal(forced.judged, 'down');
  assert.equal(endpointHealth([], { ...DRAIN, action: 'down' }, 0).state, 'forced-down');
});
