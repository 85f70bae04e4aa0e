import assert from 'node:assert/strict';
import test from 'node:test';
import { formatDuration, parseDuration } from '../../src/config/values.ts';

test('parseDuration() reads a number with its unit', () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ['500ms', 500],
    ['3s', 3000],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['1.5s', 1500],
    ['0s', 0],
    ['5', undefined],
    ['5 s', undefined],
    ['-1s', undefined],
    ['14d', 1_209_600_000],
    ['1w', undefined],
    ['s', undefined],
    ['', undefined],
  ];
  for (const [text, ms] of cases) assert.equal(parseDuration(text), ms, text);
});

test('formatDuration() writes what parseDuration() reads', () => {
  for (const ms of [0, 1, 999, 1000, 1500, 60_000, 90_000, 3_600_000, 5_400_000]) {
    assert.equal(parseDuration(formatDuration(ms)), ms);
  }
  assert.equal(formatDuration(90_000), '90s');
});
