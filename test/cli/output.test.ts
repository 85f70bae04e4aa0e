import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSeconds } from '../../src/cli/context.ts';
import { percent, spanText, stateText, timeText } from '../../src/cli/output.ts';

test('spanText() shows the two largest units', () => {
  const cases: readonly (readonly [number, string])[] = [
    [-5, '0s'],
    [0, '0s'],
    [59_400, '59s'],
    [60_000, '1m00s'],
    [3_599_000, '59m59s'],
    [3_600_000, '1h00m'],
    [90_000_000, '1d01h'],
  ];
  for (const [ms, expected] of cases) assert.equal(spanText(ms), expected, String(ms));
});

test('parseSeconds() reads what people write', () => {
  for (const [text, expected] of [
    ['45', 45],
    ['90s', 90],
    ['10m', 600],
    ['1h', 3600],
    ['2d', 172_800],
  ] as const) {
    assert.equal(parseSeconds(text), expected, text);
  }
  for (const text of ['', '0', '-1', '1.5m', '10 m', 'm', '1w', '99999999999']) {
    assert.throws(() => parseSeconds(text), /90s, 10m or 1h/, text);
  }
});

test('stateText() marks every state so that it is told apart without colour', () => {
  const plain = (_style: unknown, text: string) => text;
  const texts = ['up', 'down', 'degraded', 'drained', 'unknown'].map((state) =>
    stateText(state, plain),
  );
  assert.deepEqual(texts, ['+ up', 'x down', '! degraded', '= drained', '? unknown']);
  assert.equal(stateText('something-new', plain), '? something-new');
});

test('percent() and timeText() are the same everywhere', () => {
  assert.equal(percent(0.12345), '12.3 %');
  assert.equal(timeText(Date.UTC(2026, 10, 20, 12, 0, 0, 500)), '2026-11-20 12:00:00Z');
});
