import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGathering, type Gathering } from '../../src/io/gathering.ts';

const LONGEST_US = 150;

/** What is waited for while so many datagrams come each millisecond, in batches of `size`. */
function waitsAt(
  perMs: number,
  { gathering = createGathering(LONGEST_US), size = 1, ms = 20 } = {},
) {
  const waits: number[] = [];
  for (let at = 0; at < ms * perMs; at += size) {
    waits.push(gathering.waitUs(size, START_MS + Math.floor(at / perMs)));
  }
  return waits;
}

const START_MS = 1_800_000_000_000;
const last = (waits: readonly number[]): number => waits.at(-1)!;

test('few datagrams wait for nobody', () => {
  for (const perMs of [1, 5, 13]) {
    assert.deepEqual([...new Set(waitsAt(perMs))], [0], `${perMs} a millisecond`);
  }
});

test('many are waited for, the longer the fewer they are', () => {
  assert.equal(last(waitsAt(14)), LONGEST_US);
  assert.equal(last(waitsAt(50)), LONGEST_US);
  assert.equal(last(waitsAt(100)), 80);
  assert.equal(last(waitsAt(200)), 40);
});

test('the first ones of many do not wait', () => {
  const waits = waitsAt(20);
  const first = waits.findIndex((wait) => wait > 0);
  assert.ok(first >= 4 * 20, `${first} went before`);
  assert.ok(first < 9 * 20, `${first} went before`);
});

test('a batch that is large by itself is not followed by a wait', () => {
  assert.deepEqual([...new Set(waitsAt(200, { size: 8 }))], [0]);
  const gathering = createGathering(LONGEST_US);
  waitsAt(200, { gathering, size: 8 });
  assert.equal(gathering.waitUs(7, START_MS + 20), 40);
});

test('when the load is over nobody waits', () => {
  const gathering = createGathering(LONGEST_US);
  assert.equal(last(waitsAt(50, { gathering })), LONGEST_US);
  const rest = [100, 200, 300].map((ms) => gathering.waitUs(1, START_MS + ms));
  assert.deepEqual(rest, [0, 0, 0]);
});

test('a clock that is set back starts anew, and says nothing of the load', () => {
  const gathering: Gathering = createGathering(LONGEST_US);
  assert.equal(last(waitsAt(50, { gathering })), LONGEST_US);
  assert.equal(gathering.waitUs(1, START_MS - 3_600_000), 0);
  assert.equal(gathering.waitUs(1, START_MS - 3_600_000), 0);
});

test('0 is never', () => {
  const gathering = createGathering(0);
  for (const perMs of [1, 100, 400]) assert.equal(last(waitsAt(perMs, { gathering })), 0);
});
