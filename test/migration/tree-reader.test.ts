import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createNotes } from '../../src/migration/notes.ts';
import type { Tree } from '../../src/migration/tree.ts';
import { readTree } from '../../src/migration/tree-reader.ts';

/** Files as PyYAML reads them for octoDNS: merge keys, `!include`, and places in whichever file. */

function read(files: Readonly<Record<string, string>>, path = 'main.yaml') {
  const notes = createNotes();
  const open = (name: string) => {
    const text = files[name];
    return text === undefined ? { message: 'there is no such file' } : { text };
  };
  const tree = readTree(path, open, notes);
  const told = [...notes.errors, ...notes.warnings].map(
    ({ column, file, line, message }) => `${file}:${line}:${column}: ${message}`,
  );
  return { tree, told, value: tree && plain(tree) };
}

function plain(tree: Tree): unknown {
  switch (tree.kind) {
    case 'text':
      return tree.text;
    case 'nothing':
      return null;
    case 'list':
      return tree.items.map(plain);
    case 'map':
      return Object.fromEntries([...tree.entries].map(([key, { value }]) => [key, plain(value)]));
  }
}

test('readTree() reads scalars as they are written, with their places', () => {
  const { tree, value } = read({
    'main.yaml': "a: 007\nb: 1.10\nc: ~\n'': [yes, 'x', \"y\\n\"]\n",
  });
  assert.deepEqual(value, { a: '007', b: '1.10', c: null, '': ['yes', 'x', 'y\n'] });
  assert.ok(tree?.kind === 'map');
  const { key, value: last } = tree.entries.get('')!;
  assert.deepEqual(key, { file: 'main.yaml', line: 4, column: 1 });
  assert.deepEqual(last.kind === 'list' && last.items[1]!.at, {
    file: 'main.yaml',
    line: 4,
    column: 11,
  });
});

test('readTree() merges keys: what is written stands above what is merged', () => {
  const text = `base: &base { a: 1, b: 1 }
more: &more { b: 2, c: 2 }
x: { <<: *base, b: 3 }
y: { <<: [*base, *more], d: 4 }
z: { '<<': kept }
`;
  const { told, value } = read({ 'main.yaml': text });
  assert.deepEqual(told, []);
  const { x, y, z } = value as Record<string, unknown>;
  assert.deepEqual(x, { a: '1', b: '3' });
  assert.deepEqual(y, { a: '1', b: '1', c: '2', d: '4' });
  assert.deepEqual(z, { '<<': 'kept' });
  assert.deepEqual(read({ 'main.yaml': 'x: { <<: 1 }' }).told, [
    'main.yaml:1:10: only maps can be merged by "<<"',
  ]);
});

test('readTree() includes files, one or several, beside the one that names them', () => {
  const files = {
    'zones/main.yaml': `one: !include parts/a.yaml
maps: !include [parts/a.yaml, parts/b.yaml]
lists: !include
  - c.yaml
  - ./c.yaml
none: !include []
values:
  - !include text.txt
merged:
  <<: !include parts/a.yaml
  own: 1
`,
    'zones/parts/a.yaml': 'x: 1\ny: !include ../text.txt\n',
    'zones/parts/b.yaml': 'x: 2\n',
    'zones/c.yaml': '- p\n- q\n',
    'zones/./c.yaml': '- r\n',
    'zones/parts/../text.txt': 'v=spf1 -all\n',
    'zones/text.txt': 'hello\n',
  };
  const { told, tree, value } = read(files, 'zones/main.yaml');
  assert.deepEqual(told, []);
  assert.deepEqual(value, {
    one: { x: '1', y: 'v=spf1 -all' },
    maps: { x: '2', y: 'v=spf1 -all' },
    lists: ['p', 'q', 'r'],
    none: null,
    values: ['hello'],
    merged: { x: '1', y: 'v=spf1 -all', own: '1' },
  });
  const one = tree?.kind === 'map' ? tree.entries.get('one')!.value : undefined;
  assert.deepEqual(one?.at, { file: 'zones/parts/a.yaml', line: 1, column: 1 });
});

test('readTree() says what is wrong with an include', () => {
  const files = {
    'main.yaml': `a: !include gone.yaml
b: !include [list.yaml, map.yaml]
c: !include [{}]
d: !include loop.yaml
e: !include bad.yaml
`,
    'list.yaml': '- 1\n',
    'map.yaml': 'x: 1\n',
    'loop.yaml': 'x: !include loop.yaml\n',
    'bad.yaml': 'x: [1\n',
  };
  assert.deepEqual(read(files).told, [
    'main.yaml:1:13: gone.yaml cannot be read: there is no such file',
    'map.yaml:1:1: cannot be joined with the other files',
    'main.yaml:3:14: !include wants the name of a file, or a list of them',
    'loop.yaml:1:13: loop.yaml includes itself: main.yaml → loop.yaml → loop.yaml',
    'bad.yaml:2:1: YAML: flow sequence in block collection must be sufficiently indented and end with a ]',
  ]);
});

test('readTree() ends where aliases, includes and depth do not', () => {
  const layers = Array.from({ length: 30 }, (_, index) => {
    return index === 0
      ? 'a0: &a0 [x, x]'
      : `a${index}: &a${index} [*a${index - 1}, *a${index - 1}]`;
  });
  const many = read({ 'main.yaml': layers.join('\n') });
  assert.match(many.told.join('\n'), /comes to more than 1000000 values/);
  const deep = read({ 'main.yaml': `${'['.repeat(60)}${']'.repeat(60)}` });
  assert.match(deep.told.join('\n'), /nested deeper than 40 levels/);
  assert.match(read({ 'main.yaml': 'a: &a { b: *a }' }).told.join('\n'), /nested deeper than 40/);
  assert.deepEqual(read({ 'main.yaml': '' }).value, null);
  assert.match(
    read({ 'main.yaml': 'a: !other 1' }).told.join('\n'),
    /YAML: unresolved tag: !other/,
  );
  assert.match(read({ 'main.yaml': '? [a]\n: 1\n' }).told.join('\n'), /a key must be plain text/);
});
