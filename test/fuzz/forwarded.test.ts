import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type ForwardedElement,
  forwardedValue,
  nodeAddress,
  parseForwarded,
} from '../../src/http/forwarded.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** Forwarded of RFC 7239: what is written is read back, and no text makes the parser throw or dawdle. */

const letters = 'abcdefghijklmnopqrstuvwxyz-_.0123456789';
const name = fc.constantFrom('for', 'by', 'host', 'proto');
const value = fc.oneof(
  fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 20 }),
  fc.string({ unit: fc.constantFrom(...' \t!"\\,;=[]:\xffaZ'), minLength: 1, maxLength: 20 }),
);
const element: fc.Arbitrary<ForwardedElement> = fc.dictionary(name, value, {
  minKeys: 1,
  maxKeys: 4,
  noNullPrototype: true,
});
const blanks = fc.constantFrom('', ' ', '\t ');

const written = (pairs: ForwardedElement, blank: string): string =>
  Object.entries(pairs)
    .map(([key, text]) => `${key.toUpperCase()}=${forwardedValue(text)}`)
    .join(`${blank};${blank}`);

test('elements that were written are read back', () => {
  fc.assert(
    fc.property(fc.array(element, { maxLength: 5 }), blanks, (elements, blank) => {
      const text = elements.map((each) => written(each, blank)).join(`${blank},${blank}`);
      assert.deepEqual(parseForwarded(text), elements);
      // RFC 9110 section 5.6.1.2: empty members do not count.
      assert.deepEqual(parseForwarded(`, ,${text},`), elements);
    }),
    { numRuns: fuzzRuns(2000), seed: fuzzSeed(7239) },
  );
});

test('any text is elements or nothing', () => {
  const pieces = fc.constantFrom(
    'for',
    '=',
    '"',
    '\\',
    ';',
    ',',
    ' ',
    '[',
    ']',
    ':',
    'a',
    '1',
    '\0',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 40 }), (all) => {
      const text = all.join('');
      const elements = parseForwarded(text);
      for (const { for: node = '' } of elements ?? []) {
        const address = nodeAddress(node);
        assert.ok(address === undefined || node.includes(address));
      }
      // What is read is what was said: written again it says the same.
      if (elements === undefined) return;
      assert.deepEqual(parseForwarded(elements.map((each) => written(each, '')).join()), elements);
    }),
    { numRuns: fuzzRuns(5000), seed: fuzzSeed(7239) },
  );
});

test('a long field takes time in proportion', () => {
  for (const piece of ['for=a;', 'for="\\', 'for="a",', '[:', ':', '_', ' ', 'a=']) {
    const text = piece.repeat(20_000);
    parseForwarded(text);
    assert.equal(nodeAddress(text), undefined);
  }
});
