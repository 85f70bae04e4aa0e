import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  COUNT_DEFERRED,
  COUNT_DEFERRED_DROPPED,
  COUNT_RCODE,
  counterLayout,
} from '../../src/nameserver/counters.ts';
import {
  countDeferred,
  createDeferrals,
  createGate,
  DEFER_LIMITS,
  firstDeferralId,
} from '../../src/nameserver/defer.ts';
import { createCounterRow } from '../../src/telemetry/counters.ts';

const passed = (gate: (nowMs: number) => boolean, times: number, nowMs: number): number =>
  Array.from({ length: times }, () => gate(nowMs)).filter(Boolean).length;

test('createGate() lets so many a second pass, and as many at once after a pause', () => {
  const gate = createGate(20);
  assert.equal(passed(gate, 100, 1000), 20);
  assert.equal(passed(gate, 100, 1500), 10);
  assert.equal(passed(gate, 100, 9000), 20);
  // A clock that is set back gives nothing, and goes on from there.
  assert.equal(passed(gate, 100, 5000), 0);
  assert.equal(passed(gate, 100, 6000), 20);
});

test('createDeferrals() bounds how many wait at once', () => {
  const deferrals = createDeferrals<string>(7);
  const ids = Array.from({ length: 30 }, (_, i) => deferrals.admit(`query ${i}`, 1000));
  assert.equal(ids.filter((id) => id !== undefined).length, DEFER_LIMITS.explain.waitingMax);
  assert.deepEqual(ids.slice(0, 2), [7, 8]);
  assert.equal(deferrals.take(7), 'query 0');
  assert.equal(deferrals.take(7), undefined);
  assert.equal(deferrals.admit('next', 1000), 7 + DEFER_LIMITS.explain.waitingMax);
});

test('createDeferrals() bounds how many pass in a second', () => {
  const deferrals = createDeferrals<number>(1);
  let admitted = 0;
  for (let i = 0; i < 200; i += 1) {
    const id = deferrals.admit(i, 1000);
    if (id === undefined) continue;
    admitted += 1;
    deferrals.take(id);
  }
  assert.equal(admitted, DEFER_LIMITS.explain.perSecond);
});

test('createDeferrals() forgets what was not answered in time', () => {
  const deferrals = createDeferrals<string>(1);
  for (let i = 0; i < DEFER_LIMITS.explain.waitingMax; i += 1) deferrals.admit('lost', 1000);
  assert.equal(deferrals.admit('too many', 1000 + DEFER_LIMITS.explain.timeoutMs - 1), undefined);
  const late = deferrals.admit('in time', 1000 + DEFER_LIMITS.explain.timeoutMs);
  assert.ok(late !== undefined);
  assert.equal(deferrals.take(1), undefined);
  assert.equal(deferrals.take(late), 'in time');
});

test('firstDeferralId() is beyond all that an earlier worker gave out', () => {
  const lived = 1000;
  const given = firstDeferralId(5_000_000) + (lived / 1000) * DEFER_LIMITS.explain.perSecond;
  assert.ok(firstDeferralId(5_000_000 + lived) > given);
  assert.ok(Number.isSafeInteger(firstDeferralId(Date.UTC(2200, 0))));
});

test('countDeferred() counts what was answered, by its RCODE, and what was dropped', () => {
  const row = createCounterRow(counterLayout(0).length);
  countDeferred(row, 'explain', Uint8Array.from([0, 0, 0x84, 0]));
  countDeferred(row, 'explain', Uint8Array.from([0, 0, 0x84, 3]));
  countDeferred(row, 'explain', undefined);
  assert.deepEqual([row[COUNT_DEFERRED], row[COUNT_DEFERRED_DROPPED]], [2, 1]);
  assert.deepEqual([row[COUNT_RCODE], row[COUNT_RCODE + 3]], [1, 1]);
});
