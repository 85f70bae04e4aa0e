import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  compareStamps,
  createStampSource,
  formatStamp,
  parseStamp,
  reformed,
  STAMP_AHEAD_MAX_MS,
  type Stamp,
  stampProblem,
} from '../../src/cluster/stamp.ts';

const NOW_MS = 1_790_000_000_000;
const stamp: Stamp = { kind: 'written', revision: 0, ms: 5, counter: 1, node: 'a', form: 0 };

test('formatStamp() and parseStamp() are each other reversed', () => {
  for (const each of [
    stamp,
    { ...stamp, kind: 'created' } as const,
    { ...stamp, kind: 'revised', revision: 7 } as const,
    { ...stamp, ms: NOW_MS, counter: 999_999, node: 'node-1.example', form: 999 },
  ]) {
    assert.deepEqual(parseStamp(formatStamp(each)), each);
  }
});

test('parseStamp() refuses what formatStamp() does not give', () => {
  const good = formatStamp(stamp);
  for (const text of [
    '',
    'w',
    `x${good.slice(1)}`,
    `${good} `,
    good.replace('@a', '@'),
    good.replace('w0', 'w1'),
  ]) {
    assert.equal(parseStamp(text), undefined, text);
  }
  const created = formatStamp({ ...stamp, kind: 'created' });
  assert.equal(parseStamp(created.replace('.000000000000005', '.000000000000006')), undefined);
});

test('written() is later than everything given or seen, whatever the clock says', () => {
  const source = createStampSource('a');
  const first = source.written(NOW_MS);
  assert.ok(compareStamps(first, source.written(NOW_MS)) < 0, 'same millisecond');
  assert.ok(compareStamps(first, source.written(NOW_MS - 5000)) < 0, 'a clock that stepped back');
  const other = createStampSource('z').written(NOW_MS + 60_000);
  source.observe(other);
  assert.ok(compareStamps(other, source.written(NOW_MS)) < 0, 'a clock that is ahead elsewhere');
});

test('written() overrules a stamp beyond the limit without running ahead itself', () => {
  const source = createStampSource('a');
  const far = createStampSource('z').written(NOW_MS + 2 * STAMP_AHEAD_MAX_MS);
  assert.ok(compareStamps(far, source.written(NOW_MS, far)) < 0);
  assert.equal(parseStamp(source.written(NOW_MS))?.ms, NOW_MS);
});

test('written() goes on when the counter is used up', () => {
  const source = createStampSource('a');
  source.observe(formatStamp({ ...stamp, ms: NOW_MS, counter: 999_999 }));
  assert.equal(parseStamp(source.written(NOW_MS))?.ms, NOW_MS + 1);
});

test('created() is beaten by an earlier first value and by everything written', () => {
  const early = createStampSource('a').created(NOW_MS - 1);
  const late = createStampSource('b').created(NOW_MS);
  assert.ok(compareStamps(late, early) < 0);
  assert.ok(compareStamps(early, createStampSource('c').written(0)) < 0);
});

test('revised() goes by the number alone', () => {
  const high = createStampSource('a').revised(8, 0);
  assert.ok(compareStamps(createStampSource('b').revised(7, NOW_MS), high) < 0);
});

test('reformed() is newer than its word and older than the next one', () => {
  const source = createStampSource('b');
  const [word, next] = [source.written(NOW_MS), source.written(NOW_MS)];
  const form = reformed(word)!;
  assert.ok(compareStamps(word, form) < 0 && compareStamps(form, next) < 0);
  assert.equal(reformed(formatStamp({ ...stamp, form: 999 })), undefined);
});

test('stampProblem() says how far a stamp is ahead, and of whom', () => {
  const far = createStampSource('z').written(NOW_MS + 3 * STAMP_AHEAD_MAX_MS);
  assert.match(stampProblem(far, NOW_MS) ?? '', /node z, is 72 hours ahead/);
  assert.equal(stampProblem(far, NOW_MS + 2 * STAMP_AHEAD_MAX_MS), undefined);
  assert.equal(stampProblem('nothing', NOW_MS), 'it has no stamp');
});

test('createStampSource() takes any name', () => {
  for (const name of ['', 'ü b', 'a~b@c', 'x'.repeat(1000)]) {
    assert.ok(parseStamp(createStampSource(name).written(NOW_MS)), name);
  }
});
