import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Canvas, MARK_RADIUS, placeMarks } from '../../src/dashboard/label-places.ts';

const canvas: Canvas = { width: 960, height: 440, unit: 1 };
const mark = (x: number, y: number, name: string) => ({ at: [x, y] as const, name, word: 'up' });

test('placeMarks() puts a lone label to the right of its mark, or where there is room', () => {
  const anchors = [
    [480, 220],
    [950, 220],
  ].map(([x, y]) => placeMarks([mark(x!, y!, 'region')], canvas)[0]?.label?.anchor);
  assert.deepEqual(anchors, ['start', 'end']);
  const tiny = { width: 60, height: 40, unit: 1 };
  assert.equal(placeMarks([mark(30, 20, 'a-long-name')], tiny)[0]?.label, undefined);
});

test('placeMarks() keeps marks apart, inside and near their places', () => {
  for (const unit of [0.9, 2.6]) {
    const marks = Array.from({ length: 12 }, (_, index) => mark(500 + index, 20, `r${index}`));
    const places = placeMarks(marks, { ...canvas, unit });
    for (const [index, { at }] of places.entries()) {
      const [x, y] = at;
      assert.ok(x >= MARK_RADIUS * unit && y >= MARK_RADIUS * unit);
      assert.ok(Math.hypot(x - 500, y - 20) < 10 * MARK_RADIUS * unit, `${index}`);
      for (const other of places.slice(index + 1)) {
        const distance = Math.hypot(x - other.at[0], y - other.at[1]);
        assert.ok(distance >= 2 * MARK_RADIUS * unit);
      }
    }
  }
});

test('placeMarks() lets earlier marks choose first', () => {
  // Between the two there is room for one label, and nowhere else.
  const narrow = { width: 73, height: 34, unit: 1 };
  const pair = [mark(22, 17, 'aa'), mark(63, 17, 'bb')];
  for (const marks of [pair, pair.toReversed()]) {
    const labelled = placeMarks(marks, narrow).map(({ label }) => label !== undefined);
    assert.deepEqual(labelled, [true, false]);
  }
});
