import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fault } from '../../src/filter/fault.ts';
import { redirect } from '../../src/filter/redirect.ts';
import { respond } from '../../src/filter/respond.ts';
import { rewrite } from '../../src/filter/rewrite.ts';
import { createExchangeDouble } from './exchange-double.ts';

function sentBy(options: unknown, target: string) {
  const double = createExchangeDouble({ target });
  let passed = 0;
  rewrite.compile(rewrite.options.parse(options))(double.exchange, () => passed++);
  assert.equal(passed, 1);
  return double.sent;
}

test('rewrite replaces a prefix by whole segments and keeps the query', () => {
  const prefix = { from: '/api', to: '/v1/' };
  assert.deepEqual(sentBy({ prefix }, '/api/x?y=1'), { target: '/v1/x?y=1' });
  assert.deepEqual(sentBy({ prefix }, '/api'), { target: '/v1/' });
  assert.deepEqual(sentBy({ prefix }, '/apiary'), {});
  assert.deepEqual(sentBy({ prefix: { from: '/api/', to: '/' } }, '/api/x/'), { target: '/x/' });
  assert.deepEqual(sentBy({ prefix: { from: '/', to: '/app' } }, '/x'), { target: '/app/x' });
});

test('rewrite puts groups of a pattern together and changes the host', () => {
  const regex = { pattern: '/u/(\\d+)/(.*)', to: '/$2/of/$1' };
  assert.deepEqual(sentBy({ regex, host: 'in.example:81' }, '/u/7/a/b?q'), {
    target: '/a/b/of/7?q',
    host: 'in.example:81',
  });
  assert.deepEqual(sentBy({ regex }, '/else'), {});
  assert.equal(rewrite.options.safeParse({ host: 'a\r\nb' }).success, false);
  assert.equal(rewrite.options.safeParse({ regex: { pattern: '(', to: '/' } }).success, false);
});

test('respond answers what it was told to and never goes on', () => {
  const double = createExchangeDouble();
  const options = { status: 503, headers: { 'Retry-After': '60' }, body: 'closed' };
  respond.compile(respond.options.parse(options))(double.exchange, () => assert.fail('went on'));
  assert.deepEqual(double.answered(), {
    status: 503,
    fields: [['Retry-After', '60']],
    body: 'closed',
  });
  assert.equal(respond.options.safeParse({ headers: { Connection: 'close' } }).success, false);
});

test('redirect keeps scheme and query, and a path of two slashes is no other host', () => {
  const locationOf = (location: string, target: string) => {
    const double = createExchangeDouble({ target });
    redirect.compile(redirect.options.parse({ location }))(double.exchange, () => {});
    return double.answered()?.fields[0]?.[1];
  };
  assert.equal(locationOf('{scheme}://{host}/new{query}', '/a?b'), 'http://example.com/new?b');
  assert.equal(locationOf('{path}', '//evil.example/'), '/evil.example/');
});

test('fault delays and fails the shares that it is told to', () => {
  const run = (draws: readonly number[]) => {
    const options = { delay: { percent: 10, ms: 500 }, abort: { percent: 50, status: 502 } };
    const double = createExchangeDouble({ draws });
    let passed = 0;
    fault.compile(fault.options.parse(options))(double.exchange, () => passed++);
    const waitedMs = double.waits.map(({ ms }) => ms);
    for (const { then } of double.waits) then();
    return { waitedMs, passed, status: double.answered()?.status };
  };
  assert.deepEqual(run([0.09, 0.5]), { waitedMs: [500], passed: 1, status: undefined });
  assert.deepEqual(run([0.1, 0.49]), { waitedMs: [], passed: 0, status: 502 });
  assert.deepEqual(run([0.05, 0.1]), { waitedMs: [500], passed: 0, status: 502 });
});
