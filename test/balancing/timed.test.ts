import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Picker, PickState } from '../../src/balancing/algorithm.ts';
import { leastConnections } from '../../src/balancing/least-connections.ts';
import { leastTime } from '../../src/balancing/least-time.ts';
import { peakEwma } from '../../src/balancing/peak-ewma.ts';
import { drawAt, serversOf, stateOf } from './state.ts';

/** Algorithms that look at how servers answer. */

const NOW_MS = 1_800_000_000_000;
const weights = [1, 1, 1];
const ewma = (): Picker => peakEwma.build(serversOf(weights), peakEwma.options.parse({}));
const time = (): Picker => leastTime.build(serversOf(weights), leastTime.options.parse({}));

function tell(
  picker: Picker,
  state: PickState,
  server: number,
  elapsedMs: number,
  nowMs: number,
  ok = true,
) {
  picker.observe?.(state, server, { ok, elapsedMs, retryAfterMs: 0 }, nowMs);
}

/** How often each server is picked in a hundred draws. */
function shares(picker: Picker, state: PickState, nowMs: number): readonly number[] {
  const counts = weights.map(() => 0);
  for (let step = 0; step < 100; step += 1)
    counts[picker.pick(state, 0, drawAt(step), nowMs)]! += 1;
  return counts;
}

test('peak-ewma: a server of which nothing is known is asked, by one request at a time', () => {
  const [picker, state] = [ewma(), stateOf(weights)];
  for (const server of [0, 1]) tell(picker, state, server, 10, NOW_MS);
  assert.ok(shares(picker, state, NOW_MS + 1)[2]! > 30);
  state.active[2] = 1;
  assert.equal(shares(picker, state, NOW_MS + 1)[2], 0);
  tell(picker, state, 2, 10, NOW_MS);
  state.active[2] = 0;
  assert.ok(shares(picker, state, NOW_MS + 1)[2]! > 20);
});

for (const [kind, create] of Object.entries({ 'peak-ewma': ewma, 'least-time': time })) {
  test(`${kind}: a slow server gets next to nothing`, () => {
    const [picker, state] = [create(), stateOf(weights)];
    for (const [server, ms] of [10, 10, 500].entries()) tell(picker, state, server, ms, NOW_MS);
    const [first, second, slow] = shares(picker, state, NOW_MS + 1);
    assert.equal(slow, 0);
    assert.ok(first! > 30 && second! > 30, `${first}, ${second}`);
  });

  test(`${kind}: a server that fails at once draws nobody`, () => {
    const [picker, state] = [create(), stateOf(weights)];
    for (const [server, ms] of [20, 20, 1].entries())
      tell(picker, state, server, ms, NOW_MS, server < 2);
    assert.equal(shares(picker, state, NOW_MS + 1)[2], 0);
  });

  test(`${kind}: a server that was slow once is tried again`, () => {
    const [picker, state] = [create(), stateOf(weights)];
    for (const [server, ms] of [10, 10, 500].entries()) tell(picker, state, server, ms, NOW_MS);
    assert.ok(shares(picker, state, NOW_MS + 120_000)[2]! > 10);
  });

  test(`${kind}: counts what is in flight`, () => {
    const [picker, state] = [create(), stateOf(weights)];
    for (const server of [0, 1, 2]) tell(picker, state, server, 20, NOW_MS);
    state.active.set([5, 0, 5]);
    const [first, idle, third] = shares(picker, state, NOW_MS + 1);
    assert.ok(idle! > first! + third!, `${first}, ${idle}, ${third}`);
  });

  test(`${kind}: an end that says nothing leaves nothing behind`, () => {
    const [picker, state] = [create(), stateOf(weights)];
    const before = shares(picker, state, NOW_MS);
    const learnt = state.scratch.slice();
    picker.observe?.(state, 1, { ok: undefined, elapsedMs: 700, retryAfterMs: 0 }, NOW_MS + 700);
    assert.deepEqual(state.scratch, learnt);
    assert.deepEqual(shares(picker, stateOf(weights), NOW_MS), before);
  });
}

test('peak-ewma: one slow answer counts at once, quick ones only by and by', () => {
  const [picker, state] = [ewma(), stateOf(weights)];
  for (const server of [0, 1, 2]) tell(picker, state, server, 10, NOW_MS);
  tell(picker, state, 2, 1000, NOW_MS + 100);
  assert.equal(shares(picker, state, NOW_MS + 101)[2], 0);
  tell(picker, state, 2, 10, NOW_MS + 200);
  assert.equal(shares(picker, state, NOW_MS + 201)[2], 0, 'still remembered');
});

test('peak-ewma: a Retry-After that is longer than the penalty counts', () => {
  const [picker, state] = [ewma(), stateOf(weights)];
  for (const server of [0, 1, 2]) tell(picker, state, server, 10, NOW_MS);
  const asked = { ok: false, elapsedMs: 1, retryAfterMs: 200_000 };
  picker.observe?.(state, 2, asked, NOW_MS);
  assert.equal(shares(picker, state, NOW_MS + 60_000)[2], 0);
});

test('least-time: a request that hangs counts before it is answered', () => {
  const [picker, state] = [time(), stateOf(weights)];
  for (const server of [0, 1, 2]) tell(picker, state, server, 20, NOW_MS);
  state.active.set([3, 3, 1]);
  state.awaited.set([3, 3, 1]);
  state.awaitedSinceMs.set([3 * (NOW_MS + 2990), 3 * (NOW_MS + 2990), NOW_MS]);
  assert.equal(shares(picker, state, NOW_MS + 3000)[2], 0);
});

test('least-time: what was slow an hour ago is not slow again with the next answer', () => {
  const [picker, state] = [time(), stateOf(weights)];
  const laterMs = NOW_MS + 3_600_000;
  for (const server of [0, 1]) tell(picker, state, server, 10, laterMs);
  tell(picker, state, 2, 1, NOW_MS, false);
  tell(picker, state, 2, 10, laterMs);
  assert.ok(shares(picker, state, laterMs + 1)[2]! > 30);
});

test('least-connections: tunnels count, and equals take turns', () => {
  const picker = leastConnections.build(serversOf(weights), {});
  const state = stateOf(weights);
  state.connections.set([0, 7, 0]);
  const picked = Array.from({ length: 4 }, () => picker.pick(state, 0, 0, NOW_MS));
  assert.deepEqual(picked, [0, 2, 0, 2]);
});
