import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf } from '../../src/http/ascii.ts';
import { createTarget, isAuthority, normalPath, parseTarget } from '../../src/http/target.ts';

function pathOf(text: string): string | undefined {
  const bytes = bytesOf(text);
  const target = createTarget();
  parseTarget(bytes, 0, bytes.length, target);
  assert.notEqual(target.form, 'invalid', text);
  return normalPath(bytes, target);
}

test('normalPath() gives one path for all spellings of it', () => {
  for (const [raw, expected] of [
    ['/', '/'],
    ['/a/b?c=/../d', '/a/b'],
    ['/a/./b/../c', '/a/c'],
    ['/a//b', '/a/b'],
    ['/a/b/', '/a/b/'],
    ['/a/b/..', '/a/'],
    ['/%61%2D', '/a-'],
    ['/a%2Fb', '/a%2Fb'],
    ['/a%2fb', '/a%2Fb'],
    ['/a/%2e%2e/b', '/b'],
    ['http://host', '/'],
    ['http://host?x', '/'],
  ] as const) {
    assert.equal(pathOf(raw), expected, raw);
  }
});

test('normalPath() refuses paths that servers read differently', () => {
  for (const raw of [
    '/..',
    '/a/../../b',
    '/%2e%2e/b',
    '/a/%2e%2e/%2e%2e/b',
    '/a\\b',
    '/a%00b',
    '/a%2',
    '/a%zz',
    '/public/..%2fadmin',
    '/public/%2e%2e%5cadmin',
  ]) {
    assert.equal(pathOf(raw), undefined, raw);
  }
});

test('isAuthority() takes a host with an optional port and nothing else', () => {
  for (const [text, expected] of [
    ['example.com', true],
    ['example.com:80', true],
    ['example.com:', true],
    ['127.0.0.1:65535', true],
    ['[2001:db8::1]:80', true],
    ['a_b', true],
    ['', false],
    [':80', false],
    ['a:65536', false],
    ['a:8a', false],
    ['user@a', false],
    ['a,b', false],
    ['a/b', false],
    ['a b', false],
    ['[::1', false],
    ['[]', false],
    ['[g::]', false],
    ['a:80:80', false],
  ] as const) {
    const bytes = bytesOf(text);
    assert.equal(isAuthority(bytes, 0, bytes.length), expected, text);
  }
});
