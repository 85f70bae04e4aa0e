import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  compareNames,
  equalNames,
  formatName,
  isSubdomain,
  labelCount,
  lowerName,
  NAME_LENGTH_MAX,
  nameLength,
  parentName,
  parseName,
} from '../../src/dns/name.ts';

function name(text: string): Uint8Array {
  const wire = parseName(text);
  assert.ok(wire, `${text} should be a name`);
  return wire;
}

test('parseName() reads master-file text into wire bytes', () => {
  const cases: readonly (readonly [string, readonly number[]])[] = [
    ['.', [0]],
    ['com.', [3, 0x63, 0x6f, 0x6d, 0]],
    ['A.b.', [1, 0x41, 1, 0x62, 0]],
    ['*.b.', [1, 0x2a, 1, 0x62, 0]],
    ['a\\.b.c.', [3, 0x61, 0x2e, 0x62, 1, 0x63, 0]],
    ['\\000\\255.', [2, 0, 255, 0]],
    ['\\\\\\".', [2, 0x5c, 0x22, 0]],
    ['_sip._tcp.', [4, 0x5f, 0x73, 0x69, 0x70, 4, 0x5f, 0x74, 0x63, 0x70, 0]],
  ];
  for (const [text, wire] of cases) assert.deepEqual([...name(text)], wire, text);
});

test('parseName() completes relative names by the origin and takes @ as the origin', () => {
  const origin = name('example.com.');
  assert.deepEqual(parseName('www', origin), name('www.example.com.'));
  assert.deepEqual(parseName('a.b', origin), name('a.b.example.com.'));
  assert.deepEqual(parseName('www.', origin), name('www.'));
  assert.deepEqual(parseName('@', origin), origin);
  assert.notEqual(parseName('@', origin), origin, 'a copy, so that nobody writes into the origin');
  assert.deepEqual(parseName('www', name('.')), name('www.'));
});

test('parseName() returns undefined when the text is not a name', () => {
  const cases = [
    '',
    '..',
    '.a.',
    'a..b.',
    'a',
    '@',
    'a b.',
    'é.',
    '\\256.',
    '\\25',
    '\\2x4.',
    'a\\',
  ];
  cases.push('a;b.', 'a(b.', '"a.', '\u0007.', `${'a'.repeat(64)}.`);
  for (const text of cases) assert.equal(parseName(text), undefined, JSON.stringify(text));
});

test('parseName() takes labels of 63 and names of 255 octets, and no more', () => {
  const label63 = 'a'.repeat(63);
  assert.equal(name(`${label63}.`).length, 65);
  const longest = `${[label63, label63, label63].join('.')}.${'a'.repeat(61)}.`;
  assert.equal(name(longest).length, NAME_LENGTH_MAX);
  assert.equal(parseName(`a${longest}`), undefined);
  assert.equal(parseName(`${[label63, label63, label63].join('.')}.${'a'.repeat(62)}.`), undefined);
  const labels127 = 'a.'.repeat(127);
  assert.equal(name(labels127).length, NAME_LENGTH_MAX);
  assert.equal(parseName(`${labels127}a.`), undefined);
  const origin = name(`${label63}.${label63}.${label63}.`);
  assert.equal(parseName('a'.repeat(61), origin)?.length, NAME_LENGTH_MAX);
  assert.equal(parseName('a'.repeat(62), origin), undefined);
});

test('formatName() escapes what a master file would misread', () => {
  const cases: readonly (readonly [readonly number[], string])[] = [
    [[0], '.'],
    [[1, 0x2e, 0], '\\..'],
    [[2, 0x22, 0x3b, 0], '\\"\\;.'],
    [[4, 0x20, 0x7f, 0, 255, 0], '\\032\\127\\000\\255.'],
    [[2, 0x40, 0x24, 0], '\\@\\$.'],
  ];
  for (const [wire, text] of cases) assert.equal(formatName(Uint8Array.from(wire)), text);
  assert.equal(formatName(name('www.example.com.'), 4), 'example.com.');
});

test('formatName() throws when the bytes are no uncompressed name', () => {
  for (const wire of [[], [3, 1], [0xc0, 12], [64]]) {
    assert.throws(() => formatName(Uint8Array.from(wire)), RangeError);
  }
});

test('nameLength() gives the length of a name, or -1 when there is none before the end', () => {
  const bytes = Uint8Array.from([9, 3, 0x63, 0x6f, 0x6d, 0, 7]);
  assert.equal(nameLength(bytes, 1, bytes.length), 5);
  assert.equal(nameLength(bytes, 5, bytes.length), 1);
  assert.equal(nameLength(bytes, 1, 5), -1);
  assert.equal(nameLength(bytes, 0, bytes.length), -1);
  assert.equal(nameLength(bytes, 7, 99), -1);
  assert.equal(nameLength(Uint8Array.of(0xc0, 0), 0, 2), -1);
  assert.equal(nameLength(Uint8Array.of(0x40, 0), 0, 2), -1);
  const tooLong = Uint8Array.from([...Array.from({ length: 128 }, () => [1, 97]).flat(), 0]);
  assert.equal(nameLength(tooLong, 0, tooLong.length), -1);
});

test('lowerName() lowers ASCII letters only', () => {
  assert.deepEqual(lowerName(name('A\\193Z@.')), name('a\\193z@.'));
});

test('labelCount() and parentName() leave the root out', () => {
  assert.equal(labelCount(name('.')), 0);
  assert.equal(labelCount(name('www.example.com.')), 3);
  assert.deepEqual(parentName(name('www.example.com.')), name('example.com.'));
  assert.deepEqual(parentName(name('com.')), name('.'));
  assert.equal(parentName(name('.')), undefined);
});

test('isSubdomain() compares at label borders and ignores case', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['www.example.com.', 'example.com.', true],
    ['EXAMPLE.com.', 'example.COM.', true],
    ['com.', '.', true],
    ['example.com.', 'www.example.com.', false],
    ['badexample.com.', 'example.com.', false],
    ['a\\007example.com.', 'example.com.', false],
    ['www.example.org.', 'example.com.', false],
  ];
  for (const [child, ancestor, expected] of cases) {
    assert.equal(isSubdomain(name(child), name(ancestor)), expected, `${child} under ${ancestor}`);
  }
});

test('equalNames() ignores case', () => {
  assert.ok(equalNames(name('A.b.'), name('a.B.')));
  assert.ok(!equalNames(name('a.b.'), name('a.c.')));
  assert.ok(!equalNames(name('a.b.'), name('b.')));
});

test('compareNames() sorts as the example of RFC 4034 6.1', () => {
  const sorted = [
    'example.',
    'a.example.',
    'yljkjljk.a.example.',
    'Z.a.example.',
    'zABC.a.EXAMPLE.',
    'z.example.',
    '\\001.z.example.',
    '*.z.example.',
    '\\200.z.example.',
  ];
  const shuffled = [...sorted].reverse().map(name);
  assert.deepEqual(
    shuffled.sort(compareNames).map((wire) => formatName(wire)),
    sorted,
  );
  assert.equal(compareNames(name('A.'), name('a.')), 0);
  assert.ok(compareNames(name('.'), name('a.')) < 0);
});
