import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AddedRecord,
  changed as changedBy,
  digestOf,
  joined,
  NO_ADDITIONS,
  nextExpiryMs,
  overlayOf,
  packAdditions,
  recounted,
  reverted,
  unexpired,
  unpackAdditions,
  WRITERS_MAX,
  type ZoneAdditions,
} from '../../src/nameserver/added-records.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const record = (data: string, more: Partial<AddedRecord> = {}): AddedRecord => ({
  owner: 'a.example.',
  type: 'TXT',
  ttl: 60,
  data,
  ...more,
});
/** By one and the same. */
const changed = (before: ZoneAdditions, records: readonly AddedRecord[], configured: number) =>
  changedBy(before, records, configured, 'w');
const dataOf = ({ records }: ZoneAdditions): string[] => records.map(({ data }) => data).toSorted();

test('a change counts once: the serial follows that of the configuration, and never goes back', () => {
  const one = changed(NO_ADDITIONS, [record('1')], 7);
  assert.deepEqual([one.version, one.serial], [1, 8]);
  assert.equal(changed(one, [record('1')], 7), one, 'the same is no change');
  const two = changed(one, [], 7);
  assert.deepEqual([two.serial, two.records, two.seen], [9, [], [['w', 2]]]);
  const later = changed(two, [record('2')], 100);
  assert.equal(later.serial, 101);
  assert.equal(changed(later, [], 7).serial, 102, 'whatever the configuration says');
  const wrapped = changed(NO_ADDITIONS, [record('1')], 0xffffffff);
  assert.equal(wrapped.serial, 0);
});

test('another serial of the configuration that is not later makes the zone’s own later', () => {
  const state = changed(changed(NO_ADDITIONS, [record('1')], 7), [], 7);
  assert.equal(recounted(state, 7), state);
  assert.equal(recounted(state, 8).serial, 10, 'other content under a serial that is known');
  assert.equal(recounted(state, 20), state, 'later by itself');
  assert.equal(recounted(NO_ADDITIONS, 8), NO_ADDITIONS);
});

test('a new TTL or expiry of a record is a change', () => {
  const one = changed(NO_ADDITIONS, [record('1')], 1);
  assert.notEqual(changed(one, [record('1', { ttl: 1 })], 1), one);
  const timed = changed(one, [record('1', { expiresAtMs: 50 }), record('2')], 1);
  assert.equal(nextExpiryMs(timed), 50);
  assert.equal(nextExpiryMs(one), undefined);
  assert.deepEqual(
    unexpired(timed, 50).map(({ data }) => data),
    ['2'],
  );
  assert.equal(unexpired(timed, 49).length, 2);
});

test('what two nodes have done apart is joined: nothing is lost, and nothing comes back', () => {
  const base = changed(NO_ADDITIONS, [record('both'), record('gone')], 1);
  const here = changedBy(base, [record('both'), record('here')], 1, 'here');
  const there = changedBy(base, [record('both'), record('gone'), record('there')], 1, 'there');
  const all = joined(here, there);
  assert.deepEqual(dataOf(all), ['both', 'here', 'there']);
  assert.ok(all.serial > here.serial && all.version > there.version);
  assert.equal(joined(all, here), all);
  assert.equal(joined(there, all), all);
  assert.equal(joined(all, NO_ADDITIONS), all);
});

test('joining is the same in whatever order, and settles', () => {
  const random = generator(fuzzSeed(20261121));
  for (let run = 0; run < fuzzRuns(300); run += 1) {
    const start = randomState(random, 'start', NO_ADDITIONS);
    const states = ['a', 'b', 'c'].map((writer) =>
      randomState(random, writer, random(2) === 0 ? start : NO_ADDITIONS),
    );
    const [a, b, c] = states as [ZoneAdditions, ZoneAdditions, ZoneAdditions];
    const left = joined(joined(a, b), c);
    const right = joined(a, joined(c, b));
    const about = `FUZZ_SEED=${fuzzSeed(20261121)} run ${run}`;
    assert.equal(digestOf(left.records), digestOf(right.records), about);
    for (const each of states) assert.ok(joined(left, each).serial === left.serial, about);
  }
});

test('what has gone does not come back, however much it was and however long ago', () => {
  const many = Array.from({ length: 3000 }, (_, index) => record(`${index}`));
  const full = changedBy(NO_ADDITIONS, many, 1, 'one');
  let state = changedBy(full, [], 1, 'two');
  assert.equal(joined(state, full), state);
  assert.equal(joined(full, state), state);
  for (let index = 0; index < 3000; index += 1) {
    state = changedBy(state, [record(`later ${index}`)], 1, 'two');
  }
  assert.equal(joined(state, full), state);
  assert.deepEqual(dataOf(joined(full, state)), ['later 2999']);
  assert.ok(packAdditions(state).length < 300, 'and costs nothing');
});

test('what comes again after it has gone is there, also for who has not heard of either', () => {
  const first = changedBy(NO_ADDITIONS, [record('1')], 1, 'one');
  const gone = changedBy(first, [], 1, 'two');
  const again = changedBy(gone, [record('1')], 1, 'two');
  for (const state of [joined(first, again), joined(again, first), joined(gone, again)]) {
    assert.deepEqual(dataOf(state), ['1']);
  }
  const anew = changedBy(NO_ADDITIONS, [record('1'), record('2')], 1, 'one, started again');
  assert.deepEqual(dataOf(joined(gone, anew)), ['1', '2'], 'whoever has lost all is not unheard');
});

test('a change is undone, but for what others have changed since', () => {
  const before = changedBy(NO_ADDITIONS, [record('stays'), record('goes'), record('ttl')], 1, 'a');
  const after = changedBy(
    before,
    [record('stays'), record('ttl', { ttl: 5 }), record('comes'), record('comes too')],
    1,
    'a',
  );
  const textsOf = (records: readonly AddedRecord[]): string[] =>
    records.map(({ data, ttl }) => `${data} ${ttl}`).toSorted();
  const all = ['goes 60', 'stays 60', 'ttl 60'];
  assert.deepEqual(textsOf(reverted(after, before, after)), all);
  const since = changedBy(
    after,
    [record('ttl', { ttl: 9 }), record('comes', { ttl: 7 }), record('other')],
    1,
    'b',
  );
  assert.deepEqual(textsOf(reverted(since, before, after)), [
    'comes 7',
    'goes 60',
    'other 60',
    'ttl 9',
  ]);
});

test('writers are remembered, but not without end: the latest', () => {
  let state = NO_ADDITIONS;
  for (let index = 0; index < WRITERS_MAX + 5; index += 1) {
    state = changedBy(state, [record(`${index}`)], 1, `w${index}`);
  }
  assert.equal(state.seen.length, WRITERS_MAX);
  assert.deepEqual(state.seen[0], [`w${WRITERS_MAX + 4}`, WRITERS_MAX + 5]);
  const before = changedBy(NO_ADDITIONS, [record('old')], 1, `w${WRITERS_MAX}`);
  assert.equal(joined(state, before), state);
});

test('as it is served, records of one name and type have the TTL of the newest', () => {
  const one = changed(NO_ADDITIONS, [record('1', { ttl: 5 })], 1);
  const two = changed(one, [record('1', { ttl: 5 }), record('2', { ttl: 9 })], 1);
  assert.deepEqual(overlayOf('example', two), {
    zone: 'example',
    serial: 3,
    rrsets: [{ owner: 'a.example.', type: 'TXT', ttl: 9, data: ['1', '2'] }],
    yields: true,
  });
});

test('what is packed comes back, and anything else does not come', () => {
  const state = changed(NO_ADDITIONS, [record('1', { expiresAtMs: 5 }), record('2')], 1);
  assert.deepEqual(unpackAdditions(packAdditions(state)), state);
  assert.equal(unpackAdditions(new Uint8Array()), undefined);
  assert.equal(unpackAdditions(Buffer.from('not packed')), undefined);
  const odd = packAdditions({ ...state, version: -1 });
  assert.equal(unpackAdditions(odd), undefined);
});

function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Some changes of few records. */
function randomState(
  random: (below: number) => number,
  writer: string,
  start: ZoneAdditions,
): ZoneAdditions {
  let state = start;
  for (let left = random(5); left > 0; left -= 1) {
    const some = ['1', '2', '3', '4'].filter(() => random(2) === 1);
    state = changedBy(
      state,
      some.map((data) => record(data, { ttl: random(3) })),
      random(4),
      writer,
    );
  }
  return state;
}
