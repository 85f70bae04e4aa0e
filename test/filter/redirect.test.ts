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

test('redirect refuses a location that could split the response', () => {
  assert.equal(redirect.options.safeParse({ location: '/a\r\nSet-Cookie: b' }).success, false);
  assert.equal(redirect.options.safeParse({ location: '/', status: 200 }).success, false);
});
