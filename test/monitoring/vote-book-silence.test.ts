import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STALE_HOLD_MS } from '../../src/health/quorum.ts';
import { createVoteBook } from '../../src/monitoring/vote-book.ts';
import { statement } from './statements.ts';

const T = 1_000_000;
const LONG_MS = 3 * STALE_HOLD_MS;

test('createVoteBook() keeps a word for as long as its lease, however seldom it is renewed', () => {
  const book = createVoteBook();
  book.put({ ...statement('eye', 'k', 'down', T), leaseMs: LONG_MS }, T);
  for (let ms = 0; ms <= LONG_MS; ms += 60_000) {
    assert.deepEqual(book.sweep(T + ms).keys, [], `after ${ms} ms`);
    assert.equal(book.votes('k').length, 1, `after ${ms} ms`);
  }
  assert.deepEqual(book.sweep(T + LONG_MS + 1).keys, ['k']);
  assert.equal(book.votes('k').length, 0);
});

test('createVoteBook() hears of every lapse, whatever was renewed before it', () => {
  const book = createVoteBook();
  book.put({ ...statement('slow', 'k', 'up', T), leaseMs: 60_000 }, T);
  book.put({ ...statement('quick', 'l', 'up', T), leaseMs: 2000 }, T);
  assert.deepEqual(book.sweep(T + 1000).keys, []);
  // What was quiet until then is so no more.
  book.put({ ...statement('quick', 'm', 'up', T), leaseMs: 1500 }, T + 1000);
  assert.deepEqual(book.sweep(T + 1501).keys, ['m']);
  assert.deepEqual(book.sweep(T + 2001).keys, ['l']);
  const doubt = { trusted: false, heardAtMs: T, reason: '' };
  book.hear({ vantage: 'slow', group: 'slow', node: 'n', ...doubt });
  assert.deepEqual(book.sweep(T + 2002).keys, ['k'], 'who distrusts itself is not counted');
  assert.deepEqual(book.sweep(T + 2003).keys, []);
});
