import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ADMIT,
  admitResponse,
  createRateLimiter,
  KIND_ANSWER,
  KIND_ERROR,
  KIND_NEGATIVE,
  type ResponseKind,
  SLIP,
  WITHHOLD,
} from '../../src/nameserver/rate-limit.ts';
import type { RateLimits } from '../../src/nameserver/snapshot.ts';
import { clientAt } from './fixture.ts';

const limits: RateLimits = {
  answersPerSecond: 10,
  negativesPerSecond: 5,
  errorsPerSecond: 2,
  responsesPerSecond: 0,
  slip: 2,
  ipv4Bits: 24,
  ipv6Bits: 56,
  exempt: [],
};

function ask(
  limiter: ReturnType<typeof createRateLimiter>,
  address: string,
  nowMs: number,
  { kind = KIND_ANSWER as ResponseKind, subject = 7, with: more = {} } = {},
) {
  const all = { ...limits, ...more };
  return admitResponse(limiter, all, clientAt(address), kind, subject, nowMs);
}

test('the same answer goes to a network so often a second, and every second one slips', () => {
  const limiter = createRateLimiter(1);
  const first = Array.from({ length: 14 }, (_, index) => ask(limiter, `192.0.2.${index}`, 1000));
  assert.deepEqual(first, [...new Array(10).fill(ADMIT), WITHHOLD, SLIP, WITHHOLD, SLIP]);
  assert.equal(ask(limiter, '192.0.2.9', 1099), WITHHOLD);
  assert.equal(ask(limiter, '192.0.2.9', 1200), ADMIT, 'a tenth of a second earns one');
  assert.equal(ask(limiter, '192.0.3.1', 1200), ADMIT, 'another network');
  assert.equal(ask(limiter, '192.0.2.1', 1201, { subject: 8 }), ADMIT, 'another name');
});

test('kinds have rates of their own; 0 is no limit', () => {
  const limiter = createRateLimiter(2);
  const admitted = (kind: ResponseKind, more = {}) =>
    Array.from({ length: 30 }, () => ask(limiter, '2001:db8::1', 5, { kind, with: more })).filter(
      (word) => word === ADMIT,
    ).length;
  assert.equal(admitted(KIND_NEGATIVE), 5);
  assert.equal(admitted(KIND_ERROR), 2);
  assert.equal(admitted(KIND_ANSWER, { answersPerSecond: 0 }), 30);
});

test('an IPv6 network is a /56', () => {
  const limiter = createRateLimiter(3);
  for (let host = 0; host < 10; host += 1) ask(limiter, `2001:db8:0:${host.toString(16)}::1`, 0);
  assert.equal(ask(limiter, '2001:db8:0:ff::1', 0), WITHHOLD);
  assert.equal(ask(limiter, '2001:db8:0:100::1', 0), ADMIT);
});

test('a clock that is set back gives nothing; who pauses has a second of credit, not more', () => {
  const limiter = createRateLimiter(4);
  for (let index = 0; index < 10; index += 1) ask(limiter, '192.0.2.1', 10_000);
  assert.notEqual(ask(limiter, '192.0.2.1', 5000), ADMIT);
  const later = Array.from({ length: 12 }, () => ask(limiter, '192.0.2.1', 1_000_000));
  assert.equal(later.filter((word) => word === ADMIT).length, 10);
});

test('a flood of forged networks takes at most its slots from others', () => {
  const limiter = createRateLimiter(5);
  for (let index = 0; index < 200_000; index += 1) {
    ask(limiter, `${1 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}.1`, index / 1000);
  }
  assert.equal(ask(limiter, '200.0.0.1', 300), ADMIT);
});

test('rates that no millisecond divides hold for long', () => {
  for (const answersPerSecond of [3, 7, 1300, 300_000]) {
    const limiter = createRateLimiter(6);
    const eachMs = Math.ceil(answersPerSecond / 500);
    let admitted = 0;
    for (let nowMs = 0; nowMs < 20_000; nowMs += 1) {
      for (let index = 0; index < eachMs; index += 1) {
        const word = ask(limiter, '192.0.2.1', nowMs, { with: { answersPerSecond } });
        if (word === ADMIT) admitted += 1;
      }
    }
    // A second of credit at first, and what twenty seconds earn.
    const wanted = 21 * answersPerSecond;
    assert.ok(Math.abs(admitted - wanted) <= 1 + wanted / 1000, `${admitted}, not ${wanted}`);
  }
});

test('who has been away for hours has a second of credit again, whenever that is', () => {
  for (let hours = 0.25; hours < 10; hours += 0.25) {
    const limiter = createRateLimiter(7);
    for (let index = 0; index < 20; index += 1) ask(limiter, '192.0.2.1', 0);
    const later = Array.from({ length: 12 }, () => ask(limiter, '192.0.2.1', hours * 3_600_000));
    assert.equal(later.filter((word) => word === ADMIT).length, 10, `${hours}`);
  }
});
