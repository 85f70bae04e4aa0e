import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quote, tokenize, unescapeText } from '../../src/dns/token.ts';

function words(text: string): readonly string[] {
  const tokens = tokenize(text);
  assert.ok(typeof tokens !== 'string', text);
  return tokens.map((token) => (token.quoted ? `"${token.text}"` : token.text));
}

test('tokenize() splits at blanks and keeps quoted strings and escapes', () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['', []],
    ['  10\tmail.  ', ['10', 'mail.']],
    ['"a b" c"d"e', ['"a b"', 'c', '"d"', 'e']],
    ['"say \\"hi\\"; (x)"', ['"say \\"hi\\"; (x)"']],
    ['a\\ b \\; c', ['a\\ b', '\\;', 'c']],
    ['ns. ( 1 ; one\n 2 ) 3', ['ns.', '1', '2', '3']],
    ['a ; the rest', ['a']],
    ['""', ['""']],
    ['a\\', ['a\\']],
  ];
  for (const [text, expected] of cases) assert.deepEqual(words(text), expected, text);
});

test('tokenize() says what is wrong when quotes or parentheses do not match', () => {
  assert.match(String(tokenize('"open')), /not closed/);
  assert.match(String(tokenize('"open\\"')), /not closed/);
  assert.match(String(tokenize('( a')), /without a "\)"/);
  assert.match(String(tokenize('a )')), /without a "\("/);
});

test('unescapeText() resolves escapes and encodes the rest as UTF-8', () => {
  const cases: readonly (readonly [string, readonly number[] | undefined])[] = [
    ['ab', [0x61, 0x62]],
    ['\\"\\\\\\;', [0x22, 0x5c, 0x3b]],
    ['\\000\\255', [0, 255]],
    ['é€', [0xc3, 0xa9, 0xe2, 0x82, 0xac]],
    ['😀', [0xf0, 0x9f, 0x98, 0x80]],
    ['\\256', undefined],
    ['\\12', undefined],
    ['\\', undefined],
  ];
  for (const [text, octets] of cases) {
    assert.deepEqual(unescapeText(text), octets && Uint8Array.from(octets), text);
  }
});

test('quote() writes text that unescapeText() reads back', () => {
  const octets = Uint8Array.from({ length: 256 }, (_, octet) => octet);
  const text = quote(octets);
  assert.match(text, /^"[ -~]*"$/);
  assert.deepEqual(unescapeText(text.slice(1, -1)), octets);
  assert.deepEqual(words(text), [text]);
});
