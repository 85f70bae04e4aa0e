import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf } from '../../src/http/ascii.ts';
import { viaNames } from '../../src/http/via.ts';

/** Among other bytes, as a field value lies in a head. */
function names(value: string, name = 'lb-1'): boolean {
  const bytes = bytesOf(`Via: ${value}\r\nX: lb-1\r\n`);
  return viaNames(bytes, 5, 5 + value.length, name);
}

test('viaNames() finds a receiver wherever it stands', () => {
  for (const value of [
    '1.1 lb-1',
    'HTTP/1.1 lb-1',
    '1.1 a, 1.0 lb-1',
    '1.1 lb-1, 1.1 a',
    ', ,1.1 a,1.1\t lb-1\t,',
    '1.1 lb-1 (version 2)',
    '1.1 lb-1(version 2)',
    '1.1 a (b, c), 1.1 lb-1',
    '1.1 a (b (c, d), e), 1.1 lb-1',
    '1.1 a (\\), (\\( b)), 1.1 lb-1',
    '1.1 a (\\\\), 1.1 lb-1',
    '1.1 a ), 1.1 lb-1',
  ]) {
    assert.equal(names(value), true, value);
  }
});

test('viaNames() takes nothing else for a receiver', () => {
  for (const value of [
    '',
    ' ',
    ',',
    '1.1',
    '1.1 ',
    'lb-1',
    'lb-1 a',
    '1.1 lb-10',
    '1.1 my-lb-1',
    '1.1 LB-1',
    '1.1 lb-1:80',
    '1.1 a lb-1',
    '1.1 a (lb-1)',
    '1.1 a (1.1 lb-1)',
    '1.1 a (b, 1.1 lb-1)',
    '1.1 a (b (c), 1.1 lb-1)',
    '1.1 a (b \\), 1.1 lb-1)',
  ]) {
    assert.equal(names(value), false, value);
  }
});

test('a comment that is not closed hides nobody', () => {
  for (const value of [
    '1.1 a (, 1.1 lb-1',
    '1.1 a (b\\), 1.1 lb-1',
    '1.1 a (, 1.1 b (, 1.1 lb-1',
  ]) {
    assert.equal(names(value), true, value);
  }
});
