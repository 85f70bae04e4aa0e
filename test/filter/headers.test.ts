import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headers } from '../../src/filter/headers.ts';
import { createExchangeDouble } from './exchange-double.ts';

const parse = (options: unknown) => headers.options.parse(options);

test('headers edits the request before next and the response when it comes', () => {
  const double = createExchangeDouble({
    fields: [
      ['X-Old', '1'],
      ['X-Keep', '1'],
      ['X-Set', 'a'],
    ],
  });
  const filter = headers.compile(
    parse({
      request: { set: { 'x-set': 'b' }, add: { 'X-More': 'c' }, remove: ['x-old'] },
      response: { set: { 'Strict-Transport-Security': 'max-age=1' }, remove: ['Server'] },
    }),
  );
  let next = 0;
  filter(double.exchange, () => next++);
  assert.equal(next, 1);
  assert.deepEqual(double.requestFields, [
    ['X-Keep', '1'],
    ['x-set', 'b'],
    ['X-More', 'c'],
  ]);
  assert.deepEqual(
    double.respond(200, [
      ['Server', 'x'],
      ['A', 'b'],
    ]),
    [
      ['A', 'b'],
      ['Strict-Transport-Security', 'max-age=1'],
    ],
  );
});

test('headers refuses names that belong to the core and values that end a line', () => {
  for (const name of [
    'Connection',
    'Content-Length',
    'Host',
    'Transfer-Encoding',
    'bad name',
    '',
  ]) {
    assert.equal(
      headers.options.safeParse({ request: { set: { [name]: 'x' } } }).success,
      false,
      name,
    );
  }
  for (const value of ['a\r\nX: y', 'a\nb', 'a\0b']) {
    assert.equal(headers.options.safeParse({ response: { add: { a: value } } }).success, false);
  }
});

test('headers takes the values that a field can have, and no others', () => {
  const takes = (value: string): boolean =>
    headers.options.safeParse({ response: { set: { 'X-A': value } } }).success;
  for (const value of ['', 'a b', '\t', '~', '\u0080', '\u00ff']) assert.ok(takes(value), value);
  for (const value of ['a\rb', 'a\nb', '\0', '\u007f', '\u010a', '\u2026', '\u{1f600}']) {
    assert.ok(!takes(value), JSON.stringify(value));
  }
});
