import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf, textOf } from '../../src/http/ascii.ts';
import { stripCookie } from '../../src/sessions/cookie-field.ts';

const name = bytesOf('S');

/** The value without cookie S; undefined when the field has to go. */
function strip(text: string): string | undefined {
  const bytes = bytesOf(`S=9;${text};S=9`);
  const out = new Uint8Array(text.length + 2).fill(0x21);
  const length = stripCookie(bytes, 4, 4 + text.length, name, out, 1);
  assert.equal(out[0], 0x21);
  assert.equal(out[1 + text.length], 0x21, 'writes nothing after the end');
  return length === 0 ? undefined : textOf(out, 1, 1 + length);
}

test('the cookie is taken out and nothing else is touched', () => {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['S=1', undefined],
    ['S=', undefined],
    [' S = 1 ', undefined],
    ['S=1; S=2;S=3', undefined],
    ['S=1;', undefined],
    ['; ;S=1', undefined],
    ['a=1; S=2', 'a=1'],
    ['S=2; a=1', 'a=1'],
    ['S=2;a=1', 'a=1'],
    ['a=1; S=2; b=3', 'a=1; b=3'],
    ['S=1; a=1; S=2; b=2; S=3', 'a=1; b=2'],
    ['a=1;S=2;b=3', 'a=1;b=3'],
    ['a=1;  b="x=;y" ; S=2', 'a=1;  b="x=;y" '],
    ['a=1', 'a=1'],
    ['a=1;;b=2; ', 'a=1;;b=2; '],
    ['SS=1; s=2; XS=3; S', 'SS=1; s=2; XS=3; S'],
    ['a=S=1', 'a=S=1'],
    ['\xff=\x80; S=1', '\xff=\x80'],
  ];
  for (const [text, left] of rows) assert.equal(strip(text), left, JSON.stringify(text));
});
