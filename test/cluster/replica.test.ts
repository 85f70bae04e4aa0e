import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FACT_VALUE_LENGTH_MAX, TOMBSTONE_KEEP_MS } from '../../src/cluster/fact.ts';
import { FACTS_MAX } from '../../src/cluster/fact-shelf.ts';
import { createReplica, type FactChange, type Replica } from '../../src/cluster/replica.ts';
import { STAMP_AHEAD_MAX_MS } from '../../src/cluster/stamp.ts';

const NOW_MS = 1_790_000_000_000;

test('write() is in force at once, tells, and clears', () => {
  const replica = createReplica('a');
  const changes: FactChange[] = [];
  const stop = replica.onChange((change) => changes.push(change));
  replica.write('k', '1', NOW_MS);
  assert.equal(replica.value('k'), '1');
  replica.write('k', undefined, NOW_MS);
  assert.equal(replica.value('k'), undefined);
  assert.deepEqual(replica.list(''), []);
  assert.equal(replica.all().length, 1, 'that it was cleared is remembered');
  stop();
  replica.write('k', '2', NOW_MS);
  assert.deepEqual(
    changes.map(({ before, fact, origin }) => [before?.value, fact.value, origin]),
    [
      [undefined, '1', 'here'],
      ['1', undefined, 'here'],
    ],
  );
});

test('write() gives the wording its stamp, and refuses what is not a fact', () => {
  const replica = createReplica('a');
  const written = replica.write('k', (stamp) => `at ${stamp}`, NOW_MS);
  assert.ok(written.ok && written.fact.value === `at ${written.fact.stamp}`);
  for (const key of ['', 'a b', 'ü', 'x'.repeat(481)]) {
    assert.equal(replica.write(key, '1', NOW_MS).ok, false, key);
  }
  assert.equal(replica.write('k', 'x'.repeat(FACT_VALUE_LENGTH_MAX + 1), NOW_MS).ok, false);
  const early = replica.get('k')!.stamp;
  replica.write('k', '2', NOW_MS);
  assert.equal(
    replica.write('k', '3', NOW_MS, { stamp: early }).ok,
    false,
    'a later word is known',
  );
});

test('merge() takes later words, says which it refused, and does so once', () => {
  const [a, b] = [createReplica('a'), createReplica('b')];
  b.write('old', 'b', NOW_MS - 10);
  a.write('old', 'a', NOW_MS);
  b.write('new', 'b', NOW_MS + 2 * STAMP_AHEAD_MAX_MS);
  const { refused, taken } = a.merge(b.all(), NOW_MS, 'peer');
  assert.equal(taken, 0);
  assert.match(refused[0]?.reason ?? '', /48 hours ahead/);
  assert.equal(a.merge(b.all(), NOW_MS + STAMP_AHEAD_MAX_MS, 'peer').taken, 1);
  assert.equal(a.merge(b.all(), NOW_MS + STAMP_AHEAD_MAX_MS, 'peer').taken, 0);
  assert.equal(a.value('old'), 'a');
});

test('a clear is not undone by an older word, until nobody can remember that', () => {
  const [a, b] = [createReplica('a'), createReplica('b')];
  b.write('k', '1', NOW_MS);
  a.merge(b.all(), NOW_MS, 'peer');
  a.write('k', undefined, NOW_MS + 1);
  assert.equal(a.merge(b.all(), NOW_MS + TOMBSTONE_KEEP_MS, 'peer').taken, 0);
  assert.deepEqual(a.prune(NOW_MS + TOMBSTONE_KEEP_MS), []);
  assert.deepEqual(a.prune(NOW_MS + TOMBSTONE_KEEP_MS + 2), ['k']);
  b.merge(a.all(), NOW_MS, 'peer');
});

test('prune() forgets what has lapsed for long, and a late copy of it is not news', () => {
  const [a, b] = [createReplica('a'), createReplica('b')];
  a.write('k', '1', NOW_MS, { expiresAtMs: NOW_MS + 1000 });
  a.write('keeps', '1', NOW_MS);
  const laterMs = NOW_MS + 1001 + TOMBSTONE_KEEP_MS;
  b.merge(a.all(), NOW_MS, 'peer');
  assert.deepEqual(a.prune(laterMs), ['k']);
  assert.equal(a.merge(b.all(), laterMs, 'peer').taken, 0);
  assert.equal(a.value('keeps'), '1');
});

test('digest() is equal for equal maps, and differing() finds the few buckets that are not', () => {
  const [a, b] = [createReplica('a'), createReplica('b')];
  for (let each = 0; each < 500; each += 1) a.write(`k${each}`, `${each}`, NOW_MS);
  assert.notDeepEqual(a.digest(), b.digest());
  b.merge(a.all().toReversed(), NOW_MS, 'peer');
  assert.deepEqual(a.digest(), b.digest());
  a.write('k7', 'other', NOW_MS);
  const buckets = b.differing(a.digest());
  assert.equal(buckets.length, 1);
  const facts = a.entriesOf(buckets);
  assert.ok(facts.length < 20 && facts.some(({ key }) => key === 'k7'));
  b.merge(facts, NOW_MS, 'peer');
  assert.deepEqual(b.differing(a.digest()), []);
  assert.equal(b.differing(new Uint8Array(3)).length, 96, 'of another version: all');
});

test('a flood from elsewhere is refused, costs tombstones first, and does not gag people', () => {
  const [a, b] = [createReplica('a'), createReplica('b')];
  a.write('cleared', undefined, NOW_MS - 1);
  a.write('kept', '1', NOW_MS);
  for (let each = 0; each < FACTS_MAX; each += 1) b.write(`f${each}`, '', NOW_MS);
  const { refused } = a.merge(b.all(), NOW_MS, 'peer');
  assert.equal(a.size().entries, FACTS_MAX);
  assert.match(refused[0]?.reason ?? '', /10000 facts already/);
  assert.equal(a.get('cleared'), undefined);
  assert.equal(a.write('mine', '1', NOW_MS).ok, true);
  assert.equal(a.value('kept'), '1');
});

test('the own disk is believed, and restampAhead() brings its words back to the present', () => {
  const [wrong, a, b] = [createReplica('a'), createReplica('a'), createReplica('b')];
  const aheadMs = NOW_MS + 400 * 24 * 3600_000;
  wrong.write('k', '1', aheadMs);
  wrong.write('gone', undefined, aheadMs);
  wrong.write('sealed', 's', aheadMs);
  wrong.write('rev', 'r', aheadMs, { as: { revision: 3 } });
  a.merge(wrong.all(), NOW_MS, 'disk');
  assert.equal(a.value('k'), '1');
  a.write('k', '2', NOW_MS);
  assert.equal(a.value('k'), '2', 'people can still change it');
  assert.equal(refusals(b, a), 4);
  a.restampAhead(NOW_MS, ({ key, value }) => (key === 'sealed' ? undefined : value));
  assert.equal(refusals(b, a), 1, 'what cannot be worded anew stays as it is');
  assert.equal(b.value('k'), '2');
  assert.equal(b.value('rev'), 'r');
  b.write('rev', 'older', NOW_MS + 1, { as: { revision: 2 } });
  assert.equal(b.value('rev'), 'r');
});

function refusals(to: Replica, from: Replica): number {
  return to.merge(from.all(), NOW_MS, 'peer').refused.length;
}
