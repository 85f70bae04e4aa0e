// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this syntax is what is tested
import assert from 'node:assert/strict';
import test from 'node:test';
import { substitute } from '../../src/config/substitution.ts';

const environment = { A: 'one', EMPTY: '', NESTED: '${A}' };

test('substitute() puts values in once', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['plain', 'plain'],
    ['${A}-${A}', 'one-one'],
    ['${NONE:-two}', 'two'],
    ['${EMPTY:-two}', 'two'],
    ['${EMPTY}', ''],
    ['${A:-two}', 'one'],
    ['${NONE:-}', ''],
    ['${NESTED}', '${A}'],
    ['$${A}', '${A}'],
    ['$A $ $', '$A $ $'],
  ];
  for (const [text, expected] of cases) {
    const expectation = { text: expected, missing: [], malformed: false };
    assert.deepEqual(substitute(text, environment), expectation, text);
  }
});

test('substitute() names what is missing', () => {
  assert.deepEqual(substitute('${X}${Y:-y}${constructor}', environment).missing, [
    'X',
    'constructor',
  ]);
});

test('substitute() notices what is not closed or no name', () => {
  for (const text of ['${A', '${}', '${A-b}', '${1}', 'x ${ A }']) {
    assert.equal(substitute(text, environment).malformed, true, text);
  }
});
