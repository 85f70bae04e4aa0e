import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AddressJudgement,
  combineAddresses,
  endpointHealth,
} from '../../src/health/endpoint-health.ts';
import {
  isDegraded,
  isDown,
  isForced,
  isUnknown,
  TTL_MASK,
  wordShare,
  wordTtlSeconds,
} from '../../src/health/health-word.ts';
import type { Override } from '../../src/health/override.ts';
import type { Health } from '../../src/health/quorum.ts';

function judged(...each: readonly (readonly [string, Health, number?])[]) {
  return each.map(([address, health, ttlSeconds = 10]) => ({
    address,
    judgement: {
      health,
      ttlSeconds,
      reason: `is ${health}`,
      slow: false,
      decidedAtMs: 0,
      isHeld: false,
    },
  }));
}

function health(judgements: readonly AddressJudgement[], override?: Override) {
  const circumstances = { override, frozen: false, share: 1 };
  return endpointHealth(combineAddresses(judgements), circumstances, 0);
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
    const seen = health(judgements);
    assert.equal(seen.judged, expected);
    assert.equal(seen.state, expected);
    assert.equal(isDown(seen.word), expected === 'down');
    assert.equal(isDegraded(seen.word), expected === 'degraded');
    assert.equal(isUnknown(seen.word), expected === 'unknown');
  }
});

test('endpointHealth() has the shortest TTL of its addresses, and none without a monitor', () => {
  const both = judged(['192.0.2.1', 'up', 9.5], ['2001:db8::1', 'up', 4.2]);
  assert.equal(wordTtlSeconds(health(both).word), 4);
  const unmonitored = health([]);
  assert.equal(wordTtlSeconds(unmonitored.word), TTL_MASK);
  assert.equal(unmonitored.reason, 'not monitored');
});

test('endpointHealth() names the address that decides when there are several', () => {
  const seen = health(judged(['192.0.2.1', 'up'], ['2001:db8::1', 'down']));
  assert.equal(seen.reason, '2001:db8::1: is down');
});

test('endpointHealth() keeps the judged state beneath an override', () => {
  const drained = health(judged(['192.0.2.1', 'up']), DRAIN);
  assert.ok(isDown(drained.word) && isForced(drained.word));
  assert.equal(drained.state, 'drained');
  assert.equal(drained.judged, 'up');
  assert.equal(drained.reason, 'drained by ada (new kernel); judged up: is up');
  const forced = health(judged(['192.0.2.1', 'down']), { ...DRAIN, action: 'up' });
  assert.ok(!isDown(forced.word));
  assert.equal(forced.state, 'forced-up');
  assert.equal(forced.judged, 'down');
  assert.equal(health([], { ...DRAIN, action: 'down' }).state, 'forced-down');
});

test('endpointHealth() counts slow as degraded, and says so', () => {
  const [one] = judged(['192.0.2.1', 'up']);
  const slow = [{ address: '192.0.2.1', judgement: { ...one!.judgement, slow: true } }];
  assert.equal(health(slow).state, 'degraded');
  assert.equal(health(slow).reason, 'is up');
});

test('endpointHealth() keeps a frozen endpoint in the answers, for the shortest time', () => {
  const down = combineAddresses(judged(['192.0.2.1', 'down']));
  const frozen = endpointHealth(down, { override: undefined, frozen: true, share: 1 }, 0);
  assert.equal(isDown(frozen.word), false);
  assert.equal(wordTtlSeconds(frozen.word), 0);
  assert.equal(frozen.state, 'frozen');
  assert.equal(frozen.judged, 'down');
  assert.match(frozen.reason, /^kept in the answers, too much is down: is down$/);
  const drained = endpointHealth(down, { override: DRAIN, frozen: true, share: 1 }, 0);
  assert.equal(drained.state, 'drained', 'a person may take it out');
  const up = combineAddresses(judged(['192.0.2.1', 'up']));
  assert.equal(endpointHealth(up, { override: undefined, frozen: true, share: 1 }, 0).state, 'up');
});

test('endpointHealth() gives a part of its share while it returns, for the shortest time', () => {
  const up = combineAddresses(judged(['192.0.2.1', 'up']));
  const back = endpointHealth(up, { override: undefined, frozen: false, share: 0.25 }, 0);
  assert.equal(back.share, 0.25);
  assert.equal(wordShare(back.word), 0.25);
  assert.equal(wordTtlSeconds(back.word), 0);
  const down = combineAddresses(judged(['192.0.2.1', 'down']));
  const gone = endpointHealth(down, { override: undefined, frozen: false, share: 0.25 }, 0);
  assert.equal(gone.share, 1, 'what is down has nothing to return to');
});
