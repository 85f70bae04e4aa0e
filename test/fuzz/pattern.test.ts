import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compilePattern, matchPattern, patternMatches } from '../../src/http/pattern.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

const parameters = (runs: number) => ({ numRuns: fuzzRuns(runs), seed: fuzzSeed(35) });

const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\d', '\\w', '[a-c1]', '\\.', '/');
const { pattern: arbitraryPattern } = fc.letrec<{ pattern: string }>((tie) => ({
  pattern: fc.oneof(
    { maxDepth: 4 },
    atom,
    fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `${a}${b}`),
    fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `(?:${a}|${b})`),
    tie('pattern').map((a) => `(${a})`),
    fc
      .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '*?', '{2}', '{1,2}', '{0,}'))
      .map(([a, times]) => `(?:${a})${times}`),
  ),
}));
const arbitraryText = fc.string({ unit: fc.constantFrom('a', 'b', '1', '.', '/'), maxLength: 12 });

test('a pattern matches what a backtracking engine says it matches', () => {
  let matched = 0;
  fc.assert(
    fc.property(arbitraryPattern, arbitraryText, (written, text) => {
      const pattern = compilePattern(written);
      if (typeof pattern === 'string') return fc.pre(false);
      const expected = new RegExp(`^(?:${written})$`, 's').exec(text);
      const before = pattern.scratch.steps;
      assert.equal(patternMatches(pattern, text), expected !== null, `${written} on ${text}`);
      assert.ok(pattern.scratch.steps - before <= text.length);
      const groups = matchPattern(pattern, text);
      const most = (text.length + 1) * (2 + pattern.table.width);
      assert.ok(pattern.scratch.steps - before <= most, `${written} on ${text}`);
      assert.equal(groups !== undefined, expected !== null, `${written} on ${text}`);
      if (groups === undefined) return;
      matched++;
      assert.equal(groups[0], text);
    }),
    parameters(5000),
  );
  assert.ok(matched > 100, `only ${matched} matches`);
});

test('groups hold what a backtracking engine puts there where nothing is repeated', () => {
  const flat = fc
    .array(fc.tuple(atom, fc.constantFrom('', '*', '+', '?', '*?')), { minLength: 1, maxLength: 5 })
    .map((parts) => parts.map(([a, times]) => `(${a}${times})`).join(''));
  fc.assert(
    fc.property(flat, arbitraryText, (written, text) => {
      const pattern = compilePattern(written);
      assert.ok(typeof pattern !== 'string', String(pattern));
      const expected = new RegExp(`^(?:${written})$`, 's').exec(text);
      assert.deepEqual(matchPattern(pattern, text), expected === null ? undefined : [...expected]);
    }),
    parameters(3000),
  );
});

test('any text is a pattern or is refused in words', () => {
  const units = '()[]{}*+?|\\^$.a-1,dx0:=!<i '.split('');
  const text = fc.string({ unit: fc.constantFrom(...units), maxLength: 20 });
  fc.assert(
    fc.property(text, (written) => {
      const pattern = compilePattern(written);
      if (typeof pattern === 'string') assert.match(pattern, /^(is|has|uses|repeats|refers|ends) /);
      else assert.doesNotThrow(() => matchPattern(pattern, 'a1'));
    }),
    parameters(5000),
  );
});
