import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createKeepAliveState,
  forgetAges,
  idleLimitMs,
  observeAnnouncement,
  observeClose,
  observeRtt,
  DEFAULT_KEEP_ALIVE as RULES,
} from '../../src/resilience/keepalive-learning.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { createDraws } from './draws.ts';

test('a server that says and does nothing keeps connections up to the maximum', () => {
  const state = createKeepAliveState(2, RULES);
  assert.equal(idleLimitMs(state, 0), 60_000);
  observeClose(state, RULES, 0, 5000);
  observeClose(state, RULES, 0, 5000);
  assert.equal(idleLimitMs(state, 0), 60_000, 'two closes may be accidents');
});

test('the third close at five seconds is believed, less round trip and margin, for that server only', () => {
  const state = createKeepAliveState(2, RULES);
  observeRtt(state, RULES, 0, 40);
  for (const idleMs of [5003, 5001, 5020]) observeClose(state, RULES, 0, idleMs);
  assert.equal(idleLimitMs(state, 0), 5001 - 40 - 100);
  assert.equal(idleLimitMs(state, 1), 60_000);
});

test('Keep-Alive: timeout is a cap; what is seen earlier counts, what is seen later does not', () => {
  const state = createKeepAliveState(1, RULES);
  observeAnnouncement(state, RULES, 0, 5000);
  assert.equal(idleLimitMs(state, 0), 4900);
  for (let count = 0; count < 3; count += 1) observeClose(state, RULES, 0, 9000);
  assert.equal(idleLimitMs(state, 0), 4900);
  observeClose(state, RULES, 0, 3000);
  assert.equal(idleLimitMs(state, 0), 2900);
  observeAnnouncement(state, RULES, 0, 0);
  forgetAges(state, RULES, 0);
  assert.equal(idleLimitMs(state, 0), 60_000);
});

test('closes right after a response are no timer; an announced short one is obeyed', () => {
  const state = createKeepAliveState(1, RULES);
  for (let count = 0; count < 10; count += 1) observeClose(state, RULES, 0, 2);
  assert.equal(idleLimitMs(state, 0), 60_000);
  observeAnnouncement(state, RULES, 0, 50);
  assert.equal(idleLimitMs(state, 0), 0);
});

test('a longer timeout is learnt once the old closes are overwritten', () => {
  const state = createKeepAliveState(1, RULES);
  for (let count = 0; count < 20; count += 1) observeClose(state, RULES, 0, 5000);
  for (let count = 0; count < 64; count += 1) observeClose(state, RULES, 0, 15_000);
  assert.equal(idleLimitMs(state, 0), 14_900);
  for (let count = 0; count < 200; count += 1) observeClose(state, RULES, 0, 20_000);
  assert.equal(idleLimitMs(state, 0), 19_900);
});

/**
 * Connections to a server whose timer is `timeoutMs` are used again after a drawn pause. @returns how
 * often a request was on its way as the connection closed, before the server was known and after
 */
function races(timeoutMs: number, rttMs: number, seed: number): readonly [number, number] {
  const draw = createDraws(seed);
  const state = createKeepAliveState(1, RULES);
  const counts: [number, number] = [0, 0];
  for (let round = 0; round < 4000; round += 1) {
    observeRtt(state, RULES, 0, rttMs * (0.9 + 0.2 * draw()));
    const pauseMs = draw() * timeoutMs * 1.5;
    const closesMs = timeoutMs + draw() * 20;
    if (pauseMs >= idleLimitMs(state, 0)) continue;
    // It arrives half a round trip later, and half a round trip after the close it is known here.
    if (pauseMs + rttMs / 2 < closesMs) continue;
    if (pauseMs < closesMs + rttMs / 2) counts[round < 500 ? 0 : 1] += 1;
    observeClose(state, RULES, 0, closesMs + rttMs / 2);
  }
  return counts;
}

test('whatever the server’s timer, no request meets a closing connection once it is known', () => {
  const world = fc.record({
    timeoutMs: fc.integer({ min: 1000, max: 30_000 }),
    rttMs: fc.integer({ min: 1, max: 200 }),
    seed: fc.integer(),
  });
  fc.assert(
    fc.property(world, ({ timeoutMs, rttMs, seed }) => {
      assert.equal(races(timeoutMs, rttMs, seed)[1], 0);
    }),
    { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(100) },
  );
  const before = [1, 2, 3, 4, 5, 6].map((seed) => races(1000, 200, seed)[0]);
  assert.ok(
    before.some((count) => count > 0),
    'the simulation can tell',
  );
});
