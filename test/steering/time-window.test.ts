import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isTimeZone, type TimeWindow, windowAt } from '../../src/steering/time-window.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

/** When windows are open, and until when that holds, beside a calendar that knows nothing of them. */
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const [SUN, MON, SAT] = [0, 1, 6];

const atMs = (text: string): number => Temporal.Instant.from(text).epochMilliseconds;
const minuteOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));

/** `22:00-06:00` in a zone, on some days. */
function open(times: string, zone = 'UTC', days: readonly number[] = []): TimeWindow {
  const [from = '', to = ''] = times.split('-');
  return { days, fromMinute: minuteOf(from), toMinute: minuteOf(to), zone };
}
const isOpen = (window: TimeWindow, text: string): boolean => windowAt([window], atMs(text)).isOpen;

/** By the calendar of the runtime, which is not what windowAt() reads clocks by. */
function isOpenByCalendar({ days, fromMinute, toMinute, zone }: TimeWindow, ms: number): boolean {
  const local = Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(zone);
  const minute = local.hour * 60 + local.minute;
  const isDay = (weekday: number): boolean => days.length === 0 || days.includes(weekday);
  const today = local.dayOfWeek % 7;
  const yesterday = (today + 6) % 7;
  if (fromMinute < toMinute) return isDay(today) && minute >= fromMinute && minute < toMinute;
  return (isDay(today) && minute >= fromMinute) || (isDay(yesterday) && minute < toMinute);
}

test('a window is open from its first minute to before its last, on its days', () => {
  const office = open('09:00-17:30', 'UTC', [MON]);
  // 2026-06-01 is a Monday.
  assert.equal(isOpen(office, '2026-06-01T08:59:59.999Z'), false);
  assert.equal(isOpen(office, '2026-06-01T09:00Z'), true);
  assert.equal(isOpen(office, '2026-06-01T17:29:59Z'), true);
  assert.equal(isOpen(office, '2026-06-01T17:30Z'), false);
  assert.equal(isOpen(office, '2026-06-02T10:00Z'), false);
  assert.equal(isOpen(open('09:00-17:30'), '2026-06-02T10:00Z'), true, 'no days are all days');
});

test('a window over midnight belongs to the day on which it begins', () => {
  const night = open('22:00-06:00', 'UTC', [SAT]);
  assert.equal(isOpen(night, '2026-06-06T21:59Z'), false);
  assert.equal(isOpen(night, '2026-06-06T22:00Z'), true);
  assert.equal(isOpen(night, '2026-06-07T05:59Z'), true);
  assert.equal(isOpen(night, '2026-06-07T06:00Z'), false);
  assert.equal(isOpen(night, '2026-06-07T22:00Z'), false, 'a Sunday');
  assert.equal(isOpen(night, '2026-06-06T05:00Z'), false, 'the end of Friday’s night');
  const whole = open('00:00-00:00', 'UTC', [SUN]);
  assert.equal(isOpen(whole, '2026-06-06T23:59Z'), false);
  assert.equal(isOpen(whole, '2026-06-07T00:00Z'), true);
  assert.equal(isOpen(whole, '2026-06-07T23:59Z'), true);
  assert.equal(isOpen(whole, '2026-06-08T00:00Z'), false);
});

test('a window goes by the clock of its zone, in summer and in winter', () => {
  const office = open('09:00-17:00', 'Europe/Berlin');
  assert.equal(isOpen(office, '2026-01-15T08:00Z'), true);
  assert.equal(isOpen(office, '2026-01-15T07:59Z'), false);
  assert.equal(isOpen(office, '2026-07-15T07:00Z'), true);
  assert.equal(isOpen(office, '2026-07-15T15:00Z'), false);
  const kathmandu = open('09:00-17:00', 'Asia/Kathmandu');
  assert.equal(isOpen(kathmandu, '2026-01-15T03:14Z'), false);
  assert.equal(isOpen(kathmandu, '2026-01-15T03:15Z'), true);
});

/** Every change of the window that windowAt() announces from one time to another. */
function announced(window: TimeWindow, from: string, to: string): readonly string[] {
  const changes: string[] = [];
  let now = atMs(from);
  let before = windowAt([window], now);
  while (before.untilMs < atMs(to)) {
    assert.ok(before.untilMs > now && before.untilMs <= now + DAY_MS);
    now = before.untilMs;
    const after = windowAt([window], now);
    if (after.isOpen !== before.isOpen) {
      const text = new Date(now).toISOString().slice(5, 16);
      changes.push(`${text} ${after.isOpen ? 'opens' : 'closes'}`);
    }
    before = after;
  }
  return changes;
}

test('clocks that go forward leave out what a window has of the missing hour', () => {
  const berlin = ['2026-03-29T00:00Z', '2026-03-29T12:00Z'] as const;
  // 02:00 to 03:00 does not exist.
  assert.deepEqual(announced(open('01:30-02:30', 'Europe/Berlin'), ...berlin), [
    '03-29T00:30 opens',
    '03-29T01:00 closes',
  ]);
  assert.deepEqual(announced(open('02:30-04:00', 'Europe/Berlin'), ...berlin), [
    '03-29T01:00 opens',
    '03-29T02:00 closes',
  ]);
  assert.deepEqual(announced(open('02:10-02:50', 'Europe/Berlin'), ...berlin), []);
  const newYork = ['2026-03-08T05:00Z', '2026-03-08T12:00Z'] as const;
  assert.deepEqual(announced(open('02:30-05:00', 'America/New_York'), ...newYork), [
    '03-08T07:00 opens',
    '03-08T09:00 closes',
  ]);
});

test('clocks that go back open a window twice that ends in the hour that is there twice', () => {
  const berlin = ['2026-10-24T22:00Z', '2026-10-25T12:00Z'] as const;
  assert.deepEqual(announced(open('01:30-02:30', 'Europe/Berlin'), ...berlin), [
    '10-24T23:30 opens',
    '10-25T00:30 closes',
    '10-25T01:00 opens',
    '10-25T01:30 closes',
  ]);
  assert.deepEqual(announced(open('02:10-04:00', 'Europe/Berlin'), ...berlin), [
    '10-25T00:10 opens',
    '10-25T01:00 closes',
    '10-25T01:10 opens',
    '10-25T03:00 closes',
  ]);
  const newYork = ['2026-11-01T04:00Z', '2026-11-01T12:00Z'] as const;
  assert.deepEqual(announced(open('00:30-01:15', 'America/New_York'), ...newYork), [
    '11-01T04:30 opens',
    '11-01T05:15 closes',
    '11-01T06:00 opens',
    '11-01T06:15 closes',
  ]);
});

test('several windows are open when one of them is, and hold until the first could change', () => {
  const both = [open('09:00-12:00'), open('11:00-14:00', 'Europe/Berlin')];
  const { isOpen: now, untilMs } = windowAt(both, atMs('2026-01-15T10:30:20Z'));
  assert.deepEqual([now, untilMs], [true, atMs('2026-01-15T12:00Z')]);
  assert.equal(windowAt(both, atMs('2026-01-15T12:30Z')).isOpen, true);
  assert.equal(windowAt(both, atMs('2026-01-15T13:00Z')).isOpen, false);
});

test('without a clock every window is closed, for ever', () => {
  assert.deepEqual(windowAt([open('00:00-00:00')], undefined), {
    isOpen: false,
    untilMs: Number.POSITIVE_INFINITY,
  });
});

test('isTimeZone() knows IANA names', () => {
  for (const zone of ['UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'America/Argentina/Ushuaia']) {
    assert.equal(isTimeZone(zone), true, zone);
  }
  for (const zone of ['', 'Europe/Atlantis', 'Berlin', 'MEZ']) {
    assert.equal(isTimeZone(zone), false, zone);
  }
});

/** Odd offsets, half hours of summer time, changes at midnight, and one without changes. */
const ZONES = [
  ...['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe'],
  ...['America/St_Johns', 'Pacific/Chatham', 'Pacific/Apia', 'Africa/Casablanca', 'Africa/Cairo'],
  ...['America/Nuuk', 'Asia/Tehran', 'Antarctica/Troll', 'Pacific/Kiritimati', 'Asia/Tokyo'],
];
const window = fc.record({
  days: fc.uniqueArray(fc.nat(6), { maxLength: 4 }),
  fromMinute: fc.nat(1439),
  toMinute: fc.nat(1439),
  zone: fc.constantFrom(...ZONES),
});

/** Times of the next years, mostly around a change of the first window's clock. */
const moments = fc
  .tuple(
    fc.array(window, { minLength: 1, maxLength: 3 }),
    fc.integer({ min: atMs('2026-01-01T00:00Z'), max: atMs('2029-01-01T00:00Z') }),
    fc.integer({ min: -DAY_MS, max: DAY_MS }),
    fc.boolean(),
  )
  .map(([windows, drawn, offset, isNear]) => {
    const { zone } = windows[0]!;
    const now = Temporal.Instant.fromEpochMilliseconds(drawn).toZonedDateTimeISO(zone);
    const change = now.getTimeZoneTransition('next')?.epochMilliseconds;
    return { windows, nowMs: isNear && change !== undefined ? change + offset : drawn };
  });

test('windowAt() is right at any time, and holds as long as it says: every minute is looked at', () => {
  let toEdge = 0;
  const runs = fuzzRuns(600);
  fc.assert(
    fc.property(moments, ({ nowMs, windows }) => {
      const { isOpen: now, untilMs } = windowAt(windows, nowMs);
      const isOpenThen = (ms: number): boolean =>
        windows.some((each) => isOpenByCalendar(each, ms));
      assert.equal(now, isOpenThen(nowMs));
      assert.ok(untilMs > nowMs && untilMs <= nowMs + DAY_MS, 'later, and soon asked again');
      assert.equal(untilMs % MINUTE_MS, 0);
      for (let ms = nowMs; ms < untilMs; ms += MINUTE_MS) {
        assert.equal(isOpenThen(ms), now, new Date(ms).toISOString());
      }
      assert.equal(isOpenThen(untilMs - 1), now);
      if (isOpenThen(untilMs) !== now) toEdge += 1;
    }),
    { seed: fuzzSeed(20_261_140), numRuns: runs },
  );
  assert.ok(toEdge > runs / 10, `${toEdge} of ${runs} ended with a change`);
});
