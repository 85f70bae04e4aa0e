import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  doubt,
  initialVerdict,
  isFailing,
  observe,
  RECENT_MAX,
  secondsToChange,
  type VerdictState,
} from '../../src/health/verdict.ts';

const RULES = { rise: 2, fall: 3, intervalMs: 1000 };

/** `+` is a success, `-` a failure, one second apart from `fromMs`. */
function after(marks: string, from: VerdictState = initialVerdict(), fromMs = 1000): VerdictState {
  return [...marks].reduce((state, mark, index) => {
    const reason = mark === '+' ? '200 OK' : 'connection refused';
    const atMs = fromMs + index * 1000;
    return observe(state, { atMs, ok: mark === '+', rttMs: 3, reason }, RULES);
  }, from);
}

test('transitions', () => {
  const cases: readonly (readonly [string, VerdictState['verdict'], string])[] = [
    ['', 'unknown', 'nothing seen'],
    ['+', 'up', 'unknown counts as up, so one success confirms it'],
    ['-', 'unknown', 'one failure is not down'],
    ['--', 'unknown', 'nor are two of three'],
    ['---', 'down', 'fall failures from unknown'],
    ['-+', 'up', 'first success after a failure'],
    ['-+--', 'down', 'that success did not forgive the failure: one is not rise'],
    ['+---', 'down', 'fall failures from up'],
    ['+--', 'up', 'one too few'],
    ['+-+-+-', 'down', 'failures accumulate over single successes'],
    ['+--++-', 'up', 'rise successes in a row forgive'],
    ['+--++--', 'up', 'and the count begins anew'],
    ['+--++---', 'down', 'until fall is reached again'],
    ['---+', 'down', 'one success is not rise'],
    ['---+-+', 'down', 'successes must be consecutive'],
    ['---++', 'up', 'rise successes'],
    ['---++--', 'up', 'coming up forgives everything'],
  ];
  for (const [marks, verdict, why] of cases) assert.equal(after(marks).verdict, verdict, why);
});

test('observe() dates the verdict, not the observation', () => {
  assert.equal(after('').sinceMs, 0);
  assert.equal(after('+++').sinceMs, 1000);
  assert.equal(after('+---').sinceMs, 4000);
  assert.equal(after('+-----').sinceMs, 4000);
});

test('observe() remembers the last observations, oldest first', () => {
  const { recent } = after('+'.repeat(RECENT_MAX + 5));
  assert.equal(recent.length, RECENT_MAX);
  assert.equal(recent[0]?.atMs, 6000);
  assert.equal(recent.at(-1)?.atMs, 15_000);
});

test('observe() takes a target down when fall was lowered beneath its failures', () => {
  const failing = after('+--');
  const observation = { atMs: 9000, ok: false, rttMs: 1, reason: 'x' };
  assert.equal(observe(failing, observation, { ...RULES, fall: 1 }).verdict, 'down');
});

test('secondsToChange() shrinks as a change comes near', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['', 0],
    ['+', 3],
    ['+-', 2],
    ['+--', 1],
    ['+--+', 1],
    ['+--++', 3],
    ['---', 2],
    ['---+', 1],
    ['---+-', 2],
  ];
  for (const [marks, seconds] of cases)
    assert.equal(secondsToChange(after(marks), RULES), seconds, marks);
});

test('secondsToChange() counts re-checks from the first failure on', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['', 0],
    ['+', 1.5],
    ['+-', 0.5],
    ['+--', 0.25],
    ['+--+', 0.25],
    ['+--++', 1.5],
    ['---', 2],
    ['---+', 1],
  ];
  for (const [marks, seconds] of cases) {
    const rules = { ...RULES, recheckMs: 250 };
    assert.equal(secondsToChange(after(marks), rules), seconds, marks);
  }
});

test('isFailing() is true while failures count', () => {
  assert.equal(isFailing(after('+')), false);
  assert.equal(isFailing(after('+-')), true);
  assert.equal(isFailing(after('+-++')), false);
  assert.equal(isFailing(after('---')), false);
});

test('secondsToChange() is never later than the first possible change, whatever comes', () => {
  for (let bits = 0; bits < 256; bits += 1) {
    const marks = [...Array(8).keys()].map((bit) => (bits & (1 << bit) ? '+' : '-')).join('');
    let state = initialVerdict();
    let promisedMs = 0;
    for (const [index, mark] of [...marks].entries()) {
      const atMs = (index + 1) * 1000;
      const next = after(mark, state, atMs);
      if (next.verdict !== state.verdict) assert.ok(promisedMs <= atMs, `${marks} at ${index}`);
      promisedMs = atMs + secondsToChange(next, RULES) * 1000;
      state = next;
    }
  }
});

/** `s` is a slow success, `+` a quick one, `-` a failure. */
function slowAfter(marks: string): boolean {
  const rules = { ...RULES, slowAboveMs: 100 };
  return [...marks].reduce((state, mark, index) => {
    const seen = {
      atMs: index * 1000,
      ok: mark !== '-',
      rttMs: mark === 's' ? 150 : 3,
      reason: '',
    };
    return observe(state, seen, rules);
  }, initialVerdict()).slow;
}

test('observe() marks a target slow after fall slow successes and quick after rise quick ones', () => {
  const cases: readonly (readonly [string, boolean, string])[] = [
    ['sss', true, 'fall in a row'],
    ['ss+s', false, 'a quick one begins the count anew'],
    ['s-s-s', true, 'a failure says nothing about speed'],
    ['sss+', true, 'one quick one is not rise'],
    ['sss++', false, 'rise in a row'],
    ['sss+s+', true, 'not in a row'],
  ];
  for (const [marks, slow, why] of cases) assert.equal(slowAfter(marks), slow, `${marks}: ${why}`);
  assert.equal(after('+++').slow, false, 'without a bound nothing is slow');
});

test('observe() marks a target that calls itself degraded as it does a slow one', () => {
  const after = (marks: string) =>
    [...marks].reduce(
      (state, mark, index) =>
        observe(
          state,
          { atMs: index * 1000, ok: true, rttMs: 3, reason: '', degraded: mark === 'd' },
          RULES,
        ),
      initialVerdict(),
    );
  assert.equal(after('dd').slow, false);
  assert.equal(after('ddd').slow, true);
  assert.equal(after('ddd').verdict, 'up', 'it is not down');
  assert.equal(after('ddd++').slow, false);
  assert.ok(secondsToChange(after('ddd+'), RULES) < secondsToChange(after('ddd'), RULES));
});

test('doubt() takes back what was seen failing since then, and nothing else', () => {
  // One mark a second from 1000 on.
  const cases: readonly (readonly [string, number, VerdictState['verdict'], number, string])[] = [
    ['+++', 0, 'up', 0, 'successes were seen'],
    ['+--', 0, 'up', 0, 'failures do not count on'],
    ['---', 3000, 'unknown', 0, 'down since the third'],
    ['---', 3001, 'down', 0, 'known before'],
    ['-----', 3001, 'down', 0, 'however long it went on'],
    ['---+', 1000, 'unknown', 0, 'nor do its successes count on'],
    ['--', 0, 'unknown', 0, 'not seen up, and not failing'],
    ['', 0, 'unknown', 0, 'nothing was seen'],
  ];
  for (const [marks, sinceMs, verdict, failures, why] of cases) {
    const state = doubt(after(marks), sinceMs);
    assert.equal(state.verdict, verdict, `${marks}: ${why}`);
    assert.equal(state.failures, failures, `${marks}: ${why}`);
    assert.equal(state.recent.length, marks.length, 'people can still look at it');
  }
  const doubted = doubt(after('---'), 0);
  assert.equal(after('-', doubted).verdict, 'unknown');
  assert.equal(after('--', doubted).verdict, 'unknown');
  assert.equal(after('---', doubted).verdict, 'down', 'all is counted anew');
  assert.equal(after('+', doubted).verdict, 'up');
});
