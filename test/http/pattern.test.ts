import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compilePattern, matchPattern, PATTERN_PROGRAM_MAX } from '../../src/http/pattern.ts';

const groupsOf = (written: string, text: string) => {
  const pattern = compilePattern(written);
  assert.ok(typeof pattern !== 'string', String(pattern));
  return matchPattern(pattern, text);
};

test('a pattern matches the whole text and remembers its groups', () => {
  assert.deepEqual(groupsOf('/v(\\d+)/(.*)', '/v12/a/b'), ['/v12/a/b', '12', 'a/b']);
  assert.equal(groupsOf('/v\\d', '/v12'), undefined);
  assert.deepEqual(groupsOf('^/a$', '/a'), ['/a']);
  assert.deepEqual(groupsOf('(?i)/API/[a-f]+', '/api/Cafe'), ['/api/Cafe']);
  assert.deepEqual(groupsOf('(a)|b', 'b'), ['b']);
  assert.deepEqual(groupsOf('\\xc3\\xa4', '\xc3\xa4'), ['\xc3\xa4']);
});

test('what cannot be matched in bounded time is refused in words', () => {
  for (const [written, words] of [
    ['(a)\\1', /refers back/],
    ['(?=a)', /look-around/],
    ['a**', /repeats a repetition/],
    ['a{300}', /too long/],
    ['(a', /without "\)"/],
    ['a)', /without "\("/],
    ['[b-a]', /range/],
    ['a^b', /whole text/],
    ['ä', /ASCII/],
    ['a{2,1}', /wrong way round/],
  ] as const) {
    assert.match(String(compilePattern(written)), words, written);
  }
});

test('the work grows with the text, not with the ways to match it', () => {
  const pattern = compilePattern('(a*)*(a*)*(a|a)*b');
  assert.ok(typeof pattern !== 'string');
  assert.ok(pattern.program.length <= PATTERN_PROGRAM_MAX);
  // A backtracking engine does not come back from a tenth of this.
  assert.equal(matchPattern(pattern, 'a'.repeat(2000)), undefined);
});
