import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRandom } from './random.ts';
import { createZipf } from './zipf.ts';

const DRAWS = 200_000;

/** How often each rank was drawn. */
function counts(ranks: number, exponent: number, random: () => number): Uint32Array {
  const draw = createZipf(ranks, exponent, random);
  const drawn = new Uint32Array(ranks);
  for (let index = 0; index < DRAWS; index += 1) {
    const rank = draw();
    drawn[rank] = drawn[rank]! + 1;
  }
  return drawn;
}

test('createZipf() draws each rank as often as the law says', () => {
  for (const exponent of [0, 0.8, 1, 1.5]) {
    const ranks = 50;
    const weights = Array.from({ length: ranks }, (_, rank) => (rank + 1) ** -exponent);
    const sum = weights.reduce((all, each) => all + each, 0);
    for (const [rank, count] of counts(ranks, exponent, createRandom(7)).entries()) {
      const expected = (weights[rank]! / sum) * DRAWS;
      // Five standard deviations of so many independent draws.
      const tolerance = 5 * Math.sqrt(expected);
      assert.ok(Math.abs(count - expected) <= tolerance, `${exponent} ${rank}: ${count}`);
    }
  }
});

test('createZipf() stays within the ranks at both ends of what is random', () => {
  assert.equal(createZipf(1000, 1, () => 0)(), 0);
  assert.equal(createZipf(1000, 1, () => 2 ** 32 - 1)(), 999);
  assert.equal(createZipf(1, 1, () => 2 ** 31)(), 0);
});

test('createZipf() draws the same of the same seed', () => {
  const [first, again, other] = [7, 7, 8].map((seed) => counts(100, 1, createRandom(seed)));
  assert.deepEqual(first, again);
  assert.notDeepEqual(first, other);
});
