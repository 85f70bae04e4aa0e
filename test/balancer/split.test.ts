import assert from 'node:assert/strict';
import { test } from 'node:test';
import { armOf } from '../../src/balancer/split.ts';
import { hashText } from '../../src/balancing/hashing.ts';

const armsOf = (canary: number) => [
  { name: 'stable', upstream: 0, weight: 100 - canary },
  { name: 'canary', upstream: 1, weight: canary },
];
const KEYS = Array.from({ length: 20_000 }, (_, index) => hashText(`client ${index}`, 3) || 1);

test('a keyed split gives each arm its share', () => {
  for (const percent of [1, 5, 20, 50]) {
    const share = KEYS.filter((key) => armOf(armsOf(percent), key, 0) === 1).length / KEYS.length;
    // Four standard deviations of a binomial share.
    const error = 4 * Math.sqrt(((percent / 100) * (1 - percent / 100)) / KEYS.length);
    assert.ok(Math.abs(share - percent / 100) < error, `${percent} %: ${share}`);
  }
});

test('raising a share moves clients only towards it', () => {
  for (const key of KEYS) {
    let last = 0;
    for (const percent of [0, 1, 5, 25, 50, 99, 100]) {
      const arm = armOf(armsOf(percent), key, 0);
      assert.ok(arm >= last);
      last = arm;
    }
    assert.equal(last, 1);
  }
});

test('the arm does not depend on the order or on places in the snapshot', () => {
  const moved = [
    { name: 'canary', upstream: 7, weight: 30 },
    { name: 'stable', upstream: 4, weight: 70 },
  ];
  for (const key of KEYS.slice(0, 1000)) {
    assert.equal(armOf(armsOf(30), key, 0) === 1, armOf(moved, key, 0) === 7);
  }
});

test('without a key the draw decides, and an arm of weight 0 gets nothing', () => {
  assert.equal(armOf(armsOf(25), 0, 0.74), 0);
  assert.equal(armOf(armsOf(25), 0, 0.76), 1);
  assert.equal(armOf(armsOf(0), 0, 0.999_999), 0);
});
