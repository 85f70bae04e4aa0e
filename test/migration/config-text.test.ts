// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this syntax is what is tested

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDocument } from '../../src/config/document.ts';
import { block, inline, items, writeConfig } from '../../src/migration/config-text.ts';
import { createInterned, createNames } from '../../src/migration/names.ts';

test('what writeConfig() writes is read back as it was, whatever the texts are', () => {
  const texts = [
    ...['plain', '', ' blank ', 'a: b', 'a #b', '- a', '[a]', '{a', 'a, b', '*a', '&a', '@', '!a'],
    ...[
      "it's",
      '"quoted"',
      'back\\slash',
      'true',
      'null',
      '~',
      '12',
      '1.10',
      '0x1f',
      '2001:db8::1',
    ],
    ...['$', '$$', '${HOME}', '$${x}', '$x', 'a\nb', 'a\tb', '\u2028', '\u{1f600}', '%', '`', '?'],
  ];
  const text = writeConfig('heading\nof two lines', [
    { key: 'first', value: block(texts.map((each) => ({ key: each, value: inline(each) }))) },
    {
      key: 'second',
      comment: 'with a comment\rthat does not end',
      value: items([
        { value: inline(texts), comment: 'behind' },
        { value: inline({ a: {}, b: [] }) },
      ]),
    },
  ]);
  const { findings, value } = readDocument(text, {});
  // Keys have no variables, and this one no name.
  assert.deepEqual(findings, []);
  const { first, second } = value as { first: Record<string, string>; second: unknown[] };
  assert.deepEqual(second, [texts, { a: {}, b: [] }]);
  for (const each of texts.filter((own) => !own.includes('$'))) assert.equal(first[each], each);
});

test('createNames() gives each thing a name that a configuration takes', () => {
  const names = createNames(['taken']);
  assert.equal(names.of('*.a b'), 'a-b');
  assert.equal(names.of('*.a b'), 'a-b');
  assert.equal(names.of('a-b'), 'a-b-2');
  assert.equal(names.free('a-b'), 'a-b-3');
  assert.equal(names.free('taken'), 'taken-2');
  assert.equal(names.free('…'), 'x');
  const long = names.free('l'.repeat(100));
  assert.match(long, /^l{54}$/);
  assert.match(names.free('l'.repeat(100)), /^l{54}-2$/);
});

test('createInterned() has equal things once', () => {
  const interned = createInterned<readonly string[]>();
  assert.equal(
    interned.nameOf(['a'], () => 'one'),
    'one',
  );
  assert.equal(
    interned.nameOf(['a'], () => 'two'),
    'one',
  );
  assert.equal(
    interned.nameOf(['b'], () => 'two'),
    'two',
  );
  assert.deepEqual([...interned.byName.keys()], ['one', 'two']);
});
