import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redirect } from '../../src/filter/redirect.ts';
import { createExchangeDouble } from './exchange-double.ts';

function locationFor(options: unknown, target: string, host: string) {
  const double = createExchangeDouble({ target, host });
  redirect.compile(redirect.options.parse(options))(double.exchange, () => {
    throw new Error('the request must not go on');
  });
  const reply = double.answered();
  return { status: reply?.status, location: reply?.fields[0]?.[1] };
}

test('redirect answers with the location and never goes on', () => {
  assert.deepEqual(
    locationFor({ location: 'https://{host}{target}' }, '/a?b=c', 'x.example:8080'),
    {
      status: 308,
      location: 'https://x.example/a?b=c',
    },
  );
  assert.deepEqual(locationFor({ location: '/new{path}', status: 302 }, '/a?b=c', 'x'), {
    status: 302,
    location: '/new/a',
  });
});

test('redirect puts groups of the path pattern behind the host only', () => {
  const options = redirect.options.parse({ location: 'https://{host}/$2/$1{query}' });
  assert.equal(redirect.groups?.(options), 2);
  const double = createExchangeDouble({ target: '/a?q', groups: ['/a', 'x', '..$1'] });
  redirect.compile(options)(double.exchange, () => assert.fail('the request must not go on'));
  assert.deepEqual(double.answered()?.fields, [['Location', 'https://example.com/..$1/x?q']]);
  for (const location of ['$1', 'https://$1/', 'https://{host}$1', '//$1/x', 'https://x.$1.y/']) {
    assert.equal(redirect.options.safeParse({ location }).success, false, location);
  }
});

test('redirect refuses a location that could split the response', () => {
  assert.equal(redirect.options.safeParse({ location: '/a\r\nSet-Cookie: b' }).success, false);
  assert.equal(redirect.options.safeParse({ location: '/', status: 200 }).success, false);
});
