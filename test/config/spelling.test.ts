import assert from 'node:assert/strict';
import test from 'node:test';
import { didYouMean, editDistance, nearestWord } from '../../src/config/spelling.ts';

test('editDistance() counts insertions, deletions, substitutions and swaps', () => {
  const cases: readonly (readonly [string, string, number])[] = [
    ['', '', 0],
    ['', 'abc', 3],
    ['port', 'port', 0],
    ['prot', 'port', 1],
    ['adress', 'address', 1],
    ['kitten', 'sitting', 3],
  ];
  for (const [a, b, distance] of cases) {
    assert.equal(editDistance(a, b), distance, `${a} ${b}`);
    assert.equal(editDistance(b, a), distance, `${b} ${a}`);
  }
});

test('nearestWord() knows slips from other words', () => {
  const known = ['address', 'port', 'tokens'];
  assert.equal(nearestWord('adress', known), 'address');
  assert.equal(nearestWord('PORT', known), 'port');
  assert.equal(nearestWord('tok', known), 'tokens');
  assert.equal(nearestWord('colour', known), undefined);
  assert.equal(nearestWord('x'.repeat(1000), known), undefined);
});

test('didYouMean() lists what is known when nothing is near and the list is short', () => {
  assert.equal(didYouMean('prot', ['port', 'name']), 'did you mean "port"?');
  assert.equal(didYouMean('zzz', ['b', 'a']), 'known: a, b');
  assert.equal(didYouMean('zzz', []), undefined);
  assert.equal(
    didYouMean(
      'zzz',
      Array.from({ length: 50 }, (_, i) => `word-${i}`),
    ),
    undefined,
  );
});
