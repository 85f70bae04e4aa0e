import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInstant } from '../../src/cli/at-time.ts';

const NOW_MS = Date.UTC(2026, 10, 20, 3, 20, 0);

test('parseInstant() reads times as people write them', () => {
  const read: readonly (readonly [string, number])[] = [
    ['now', NOW_MS],
    ['5m', NOW_MS - 300_000],
    ['-5m', NOW_MS - 300_000],
    ['5m ago', NOW_MS - 300_000],
    ['5 m ago', NOW_MS - 300_000],
    ['1h30m', NOW_MS - 5_400_000],
    ['1h 30m ago', NOW_MS - 5_400_000],
    ['2d', NOW_MS - 172_800_000],
    ['90s', NOW_MS - 90_000],
    ['03:12', Date.UTC(2026, 10, 20, 3, 12)],
    ['3:12:30', Date.UTC(2026, 10, 20, 3, 12, 30)],
    ['23:59', Date.UTC(2026, 10, 19, 23, 59)],
    ['2026-11-20', Date.UTC(2026, 10, 20)],
    ['2026-11-20T03:12:00Z', Date.UTC(2026, 10, 20, 3, 12)],
    ['2026-11-20 03:12:00Z', Date.UTC(2026, 10, 20, 3, 12)],
    ['2026-11-20T03:12:00.250Z', Date.UTC(2026, 10, 20, 3, 12, 0, 250)],
    ['2026-11-20T03:12', Date.UTC(2026, 10, 20, 3, 12)],
    ['2026-11-20T04:12:00+01:00', Date.UTC(2026, 10, 20, 3, 12)],
    ['1795144320', 1_795_144_320_000],
    ['1795144320.5', 1_795_144_320_500],
    ['1795144320123', 1_795_144_320_123],
  ];
  for (const [text, ms] of read) assert.equal(parseInstant(text, NOW_MS), ms, text);
});

test('parseInstant() refuses what is no time, with examples', () => {
  for (const text of ['', 'yesterday', '5', '25:00', '12:60', '2026-13-01', '2026-11-20T', 'm5']) {
    assert.throws(() => parseInstant(text, NOW_MS), /Give a time such as 5m/, text);
  }
});
