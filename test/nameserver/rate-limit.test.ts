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
  for (const [answersPerSecond, forSeconds] of [
    [1, 20],
    [3, 20],
    [7, 20],
    [1300, 20],
    // So many that two seconds are as long for them.
    [300_000, 2],
  ] as const) {
    const limiter = createRateLimiter(6);
    const eachMs = Math.ceil(answersPerSecond / 500);
    let admitted = 0;
    for (let nowMs = 0; nowMs < 1000 * forSeconds; nowMs += 1) {
      for (let index = 0; index < eachMs; index += 1) {
        const word = ask(limiter, '192.0.2.1', nowMs, { with: { answersPerSecond } });
        if (word === ADMIT) admitted += 1;
      }
    }
    // A second of credit at first, and what the time earns.
    const wanted = (1 + forSeconds) * answersPerSecond;
    assert.ok(Math.abs(admitted - wanted) <= 1 + wanted / 1000, `${admitted}, not ${wanted}`);
  }
});

/** Milliseconds until the times of slots, 32 bits of 256 to a millisecond, are the same again. */
const WRAP_MS = 2 ** 24;

test('who has been away has a second of credit again, whenever that is', () => {
  // One limiter, for its table takes longer to make than all of this: each asks from a network of its own.
  const limiter = createRateLimiter(7);
  const away = [
    ...Array.from({ length: 40 }, (_, index) => (index + 1) * 900_000),
    // The hardest are those that are back just before the times are the same again.
    ...Array.from({ length: 300 }, (_, index) => WRAP_MS - 100_000 + index * 500),
    ...Array.from({ length: 300 }, (_, index) => WRAP_MS / 2 - 100_000 + index * 500),
  ];
  for (const startMs of [0, 1_700_000_000_000]) {
    for (const [index, awayMs] of away.entries()) {
      const subject = index + startMs;
      for (let asked = 0; asked < 20; asked += 1) ask(limiter, '192.0.2.1', startMs, { subject });
      const back = Array.from({ length: 12 }, () =>
        ask(limiter, '192.0.2.1', startMs + awayMs, { subject }),
      );
      assert.equal(back.filter((word) => word === ADMIT).length, 10, `${awayMs} ms away`);
    }
  }
});

test('a flood that lasts gets a second of credit more every 2.3 hours, and nothing else', () => {
  const limiter = createRateLimiter(8);
  const [eraMs, hours] = [WRAP_MS / 2, 10];
  let admitted = 0;
  for (let nowMs = 0; nowMs < hours * 3_600_000; nowMs += 50) {
    if (ask(limiter, '192.0.2.1', nowMs) === ADMIT) admitted += 1;
  }
  const eras = Math.ceil((hours * 3_600_000) / eraMs);
  const wanted = (hours * 3600 + eras) * limits.answersPerSecond;
  assert.ok(Math.abs(admitted - wanted) <= eras * 5, `${admitted}, not ${wanted}`);
});

test('a clock that is set back by minutes costs a second, and gives nothing', () => {
  const limiter = createRateLimiter(9);
  for (let index = 0; index < 10; index += 1) ask(limiter, '192.0.2.1', 1_000_000);
  assert.notEqual(ask(limiter, '192.0.2.1', 700_000), ADMIT);
  assert.equal(ask(limiter, '192.0.2.1', 701_000), ADMIT);
});
