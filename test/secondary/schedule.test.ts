import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  confirmedAtMs,
  decideLook,
  expiresAtMs,
  FIRST_RETRY_SECONDS,
  FIRST_RETRY_SECONDS_MAX,
  lookBegins,
  lookFailed,
  lookForced,
  lookNotified,
  lookSucceeded,
  NOTIFIED_LOOK_EVERY_MS,
  REFRESH_SECONDS_MAX,
  REFRESH_SECONDS_MIN,
  RETRY_SECONDS_MAX,
  RETRY_SECONDS_MIN,
  type Schedule,
  startSchedule,
  type Timers,
} from '../../src/secondary/schedule.ts';

const S = 1000;
const timers: Timers = { refresh: 3600, retry: 600, expire: 86_400 };
const T0 = 1_000_000_000;

/** Looked at T0 with success. */
const copied = (of: Partial<Timers> = {}, draw = 0): Schedule =>
  lookSucceeded(lookBegins(startSchedule(T0, undefined), T0), { ...timers, ...of }, T0, draw);

test('without a copy it looks at once, and after failures ever more seldom', () => {
  let schedule = startSchedule(T0, undefined);
  assert.deepEqual(decideLook(schedule, T0), {
    standing: 'missing',
    isDue: true,
    wakeMs: Number.POSITIVE_INFINITY,
  });
  assert.equal(expiresAtMs(schedule), undefined);
  let nowMs = T0;
  const gaps: number[] = [];
  for (let index = 0; index < 10; index += 1) {
    schedule = lookFailed(lookBegins(schedule, nowMs), nowMs, 0);
    const { isDue, standing, wakeMs } = decideLook(schedule, nowMs);
    assert.deepEqual([isDue, standing], [false, 'missing']);
    gaps.push((wakeMs - nowMs) / S);
    nowMs = wakeMs;
    assert.equal(decideLook(schedule, nowMs).isDue, true);
  }
  assert.deepEqual(gaps, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
  assert.equal(gaps[0], FIRST_RETRY_SECONDS);
  assert.equal(gaps.at(-1), FIRST_RETRY_SECONDS_MAX);
});

test('while it looks there is nothing to do but to expire', () => {
  const looking = lookBegins(copied(), T0 + 3600 * S);
  const { isDue, standing, wakeMs } = decideLook(looking, T0 + 3600 * S);
  assert.deepEqual([isDue, standing, wakeMs], [false, 'current', T0 + 86_400 * S]);
  const first = lookBegins(startSchedule(T0, undefined), T0);
  assert.equal(decideLook(first, T0 + 1e9).isDue, false);
});

test('after a success it looks when refresh has passed, after a failure when retry has', () => {
  const rows: readonly (readonly [string, Schedule, number])[] = [
    ['refresh', copied(), 3600],
    ['a tenth earlier at most, so that nodes come apart', copied({}, 1), 3240],
    ['a refresh that is too short', copied({ refresh: 1 }), REFRESH_SECONDS_MIN],
    [
      'a refresh that is too long',
      copied({ refresh: 2 ** 31 - 1, expire: 2 ** 31 - 1 }),
      REFRESH_SECONDS_MAX,
    ],
    ['a refresh beyond expire', copied({ expire: 600 }), 300],
    ['an expire that is too short', copied({ expire: 1 }), REFRESH_SECONDS_MIN],
    ['retry', lookFailed(lookBegins(copied(), T0), T0, 0), 600],
    ['a second retry', lookFailed(lookFailed(copied(), T0, 0), T0, 0), 600],
    ['a retry that is too short', lookFailed(copied({ retry: 0 }), T0, 0), RETRY_SECONDS_MIN],
    [
      'a retry that is too long',
      lookFailed(copied({ retry: 1e9, expire: 1e9 }), T0, 0),
      RETRY_SECONDS_MAX,
    ],
  ];
  for (const [what, schedule, seconds] of rows) {
    assert.equal((schedule.nextMs - T0) / S, seconds, what);
    assert.equal(decideLook(schedule, schedule.nextMs - 1).isDue, false, what);
    assert.equal(decideLook(schedule, schedule.nextMs).isDue, true, what);
  }
});

test('it expires when no primary has confirmed it, goes on looking, and recovers', () => {
  const failing = lookFailed(lookBegins(copied(), T0 + 3600 * S), T0 + 3600 * S, 0);
  const endMs = T0 + 86_400 * S;
  assert.equal(expiresAtMs(failing), endMs);
  assert.equal(decideLook(failing, endMs - 1).standing, 'current');
  const { isDue, standing } = decideLook(failing, endMs);
  assert.deepEqual([standing, isDue], ['expired', true]);
  const later = lookFailed(lookBegins(failing, endMs), endMs, 0);
  assert.equal(decideLook(later, endMs).wakeMs, endMs + 600 * S);
  const back = lookSucceeded(lookBegins(later, endMs + 600 * S), timers, endMs + 600 * S, 0);
  assert.equal(decideLook(back, endMs + 600 * S).standing, 'current');
  assert.equal(back.failures, 0);
});

test('it wakes to expire before a look that would come later', () => {
  const schedule = lookFailed(copied({ retry: 3600, expire: 60 }), T0, 0);
  assert.equal(decideLook(schedule, T0).wakeMs, T0 + 60 * S);
  assert.equal(decideLook(schedule, T0 + 60 * S).wakeMs, T0 + 3600 * S);
});

test('a copy from before a restart has the age that it has, but is never younger than now', () => {
  const old = startSchedule(T0, { ...timers, confirmedMs: T0 - 86_399 * S });
  assert.equal(decideLook(old, T0).isDue, true);
  assert.equal(decideLook(old, T0).standing, 'current');
  assert.equal(decideLook(old, T0 + S).standing, 'expired');
  const ahead = startSchedule(T0, { ...timers, confirmedMs: T0 + 1e9 });
  assert.equal(expiresAtMs(ahead), T0 + 86_400 * S);
});

test('a NOTIFY makes it look at once, but not more often than forgers may', () => {
  const rested = lookNotified(copied(), T0 + 100 * S);
  assert.equal(decideLook(rested, T0 + 100 * S).isDue, true);
  const soon = lookNotified(copied(), T0 + 10);
  assert.equal(soon.nextMs, T0 + NOTIFIED_LOOK_EVERY_MS);
  const early = lookNotified({ ...copied(), nextMs: T0 + 5 }, T0 + 2);
  assert.equal(early.nextMs, T0 + 5);
});

test('a NOTIFY during a look makes it look again after it', () => {
  const during = lookNotified(lookBegins(copied(), T0 + 50 * S), T0 + 50 * S + 1);
  assert.equal(decideLook(during, T0 + 51 * S).isDue, false);
  const after = lookSucceeded(during, timers, T0 + 52 * S, 0);
  assert.equal(decideLook(after, T0 + 52 * S).isDue, true);
  const inVain = lookFailed(during, T0 + 52 * S, 0);
  assert.equal(inVain.nextMs, T0 + 52 * S + NOTIFIED_LOOK_EVERY_MS);
  assert.equal(lookBegins(after, T0 + 52 * S).isAskedAgain, false);
});

test('looks that NOTIFY causes are further apart the larger the zone is', () => {
  const looked = lookBegins(copied(), T0);
  const large = lookSucceeded(looked, { ...timers, records: 100_000 }, T0 + S, 0);
  assert.equal(lookNotified(large, T0 + 2 * S).nextMs, T0 + 10 * S);
  const again = lookSucceeded(
    lookNotified(lookBegins(large, T0 + 20 * S), T0 + 21 * S),
    { ...timers, records: 100_000 },
    T0 + 22 * S,
    0,
  );
  assert.equal(again.nextMs, T0 + 30 * S);
});

test('a person makes it look at once', () => {
  assert.equal(decideLook(lookForced(copied(), T0 + 1), T0 + 1).isDue, true);
  const during = lookForced(lookBegins(copied(), T0), T0);
  assert.equal(lookSucceeded(during, timers, T0 + S, 0).nextMs, T0 + S);
});

test('of a primary that has a copy itself, the copy here is good for as long as that one', () => {
  const before = copied();
  const nowMs = T0 + 3600 * S;
  const age = (schedule: Schedule, told: number | undefined, isNew: boolean): number =>
    (nowMs - confirmedAtMs(schedule, timers, told, isNew, nowMs)) / S;
  assert.equal(age(before, undefined, false), 0);
  assert.equal(age(before, timers.expire, false), 0);
  assert.equal(age(before, timers.expire - 60, false), 60);
  // Nobody's copy is good for longer than its SOA says (RFC 7314 4).
  assert.equal(age(before, 2 ** 31, false), 0);
  // What is there was confirmed later than what the primary has; what is new was not.
  assert.equal(age(before, 60, false), 3600);
  assert.equal(age(before, 60, true), timers.expire - 60);
  const next = lookSucceeded(before, timers, nowMs, 0, nowMs - (timers.expire - 60) * S);
  assert.equal(expiresAtMs(next), nowMs + 60 * S);
  assert.equal(next.nextMs, nowMs + 30 * S);
});
