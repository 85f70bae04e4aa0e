import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compilePattern, matchPattern, patternMatches } from '../../src/http/pattern.ts';
import { PATTERN_WIDTH_MAX } from '../../src/http/pattern-table.ts';

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

/** A path has at most 8 KiB. */
const LONG = 8192;

test('a text costs a step an octet, and its groups a bounded number, whatever the pattern', () => {
  for (const [written, text, matches] of [
    // A backtracking engine does not come back from a hundredth of this.
    ['(a*)*(a*)*(a|a)*b', 'a'.repeat(LONG), false],
    ['((a?){4}(a*)){3}(a|b)*', 'a'.repeat(LONG), true],
    ['.*a.{7}', 'ab'.repeat(LONG / 2), true],
  ] as const) {
    const pattern = compilePattern(written);
    assert.ok(typeof pattern !== 'string', String(pattern));
    const before = pattern.scratch.steps;
    assert.equal(patternMatches(pattern, text), matches, written);
    const decided = pattern.scratch.steps;
    assert.ok(decided - before <= text.length, written);
    assert.equal(matchPattern(pattern, text) !== undefined, matches, written);
    const { width } = pattern.table;
    assert.ok(width <= PATTERN_WIDTH_MAX, written);
    const most = matches ? (text.length + 1) * (1 + width) : text.length;
    assert.ok(pattern.scratch.steps - decided <= most, written);
  }
});

test('what needs too many states or ways is refused before it can meet a text', () => {
  assert.match(String(compilePattern('.*a.{10}')), /^has more than 1024 states/);
  assert.match(String(compilePattern('((a?){6}(a*)){4}(a|b)*')), /^has too many ways at once/);
});
