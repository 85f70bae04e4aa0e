import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { problemOf } from '../../src/admin/problem.ts';
import { WRITES_PER_MINUTE_MAX } from '../../src/admin/server.ts';
import { assertProblem, openAdmin } from './admin-harness.ts';
import { createFixturePlane } from './fixture-plane.ts';

test('errors of every kind are problem documents', async (t) => {
  const { call } = await openAdmin(t);
  const drain = '/api/v1/regions/frankfurt/drain';
  const cases: readonly (readonly [string, string, unknown, number, string])[] = [
    ['GET', '/nothing', undefined, 404, 'no-such-route'],
    ['GET', '/api/v1/nothing', undefined, 404, 'no-such-route'],
    ['POST', '/api/v1/status', {}, 404, 'no-such-route'],
    ['GET', '/%zz', undefined, 400, 'bad-url'],
    ['GET', '/api/v1/regions/nowhere', undefined, 404, 'no-such-region'],
    ['POST', drain, '{"reason":', 400, 'bad-json'],
    ['POST', drain, '{"__proto__": {"x": 1}}', 400, 'bad-json'],
    ['POST', drain, { forSeconds: -1 }, 400, 'invalid-request'],
    ['POST', drain, { forSeconds: 1.5 }, 400, 'invalid-request'],
    ['POST', drain, { until: 'tomorrow' }, 400, 'invalid-request'],
    ['POST', drain, { reason: 'x'.repeat(70_000) }, 413, 'body-too-large'],
    ['POST', '/api/v1/regions/frankfurt/force', { state: 'sideways' }, 400, 'invalid-request'],
    ['GET', '/api/v1/explain', undefined, 400, 'invalid-request'],
    ['GET', '/api/v1/explain?name=x&colour=red', undefined, 400, 'invalid-request'],
    ['GET', '/api/v1/explain?name=other.example', undefined, 404, 'not-our-name'],
    ['GET', '/api/v1/events?count=0', undefined, 400, 'invalid-request'],
    ['GET', '/api/v1/events?count=many', undefined, 400, 'invalid-request'],
    ['DELETE', '/api/v1/overrides/planet/earth', undefined, 400, 'invalid-request'],
    ['DELETE', '/api/v1/overrides/region/frankfurt', undefined, 404, 'no-override'],
    ['POST', '/api/v1/drills/drill-9/stop', {}, 404, 'no-such-drill'],
  ];
  for (const [method, path, body, status, code] of cases) {
    const reply = await call(method, path, { body });
    const problem = assertProblem(reply, status, code);
    assert.equal(problem['instance'], path.split('?')[0], `${method} ${path}`);
  }
});

test('a request that is not valid names every field that is wrong', async (t) => {
  const { call } = await openAdmin(t);
  const reply = await call('POST', '/api/v1/overrides', {
    body: { target: { kind: 'planet', name: '' }, action: 'drain', forSeconds: 'long' },
  });
  const problem = assertProblem(reply, 400, 'invalid-request');
  const at = (problem['errors'] as { at: string }[]).map((error) => error.at);
  assert.deepEqual(at.sort(), ['/forSeconds', '/target/kind', '/target/name']);
});

test('writes beyond the limit of an address are answered 429, reads are not', async (t) => {
  const { call } = await openAdmin(t);
  for (let write = 0; write < WRITES_PER_MINUTE_MAX; write++) {
    const { status } = await call('POST', '/api/v1/reload', { body: {} });
    assert.equal(status, 200, `write ${write}`);
  }
  const refused = await call('POST', '/api/v1/reload', { body: {} });
  assertProblem(refused, 429, 'too-many-writes');
  assert.ok(Number(refused.headers['retry-after']) > 0);
  assert.equal((await call('GET', '/api/v1/status')).status, 200);
});

test('what is not HTTP is answered 400 as a problem, and the connection closed', async (t) => {
  const { admin } = await openAdmin(t);
  const socket = connect(admin.port, '127.0.0.1');
  socket.end('this is not http\r\n\r\n');
  let text = '';
  for await (const chunk of socket) text += chunk;
  assert.match(text, /^HTTP\/1\.1 400 /);
  assert.match(text, /application\/problem\+json/);
  assert.equal(JSON.parse(text.slice(text.indexOf('\r\n\r\n'))).code, 'bad-http');
});

test('a bug in the control plane is a 500 without detail, and a log line with it', async (t) => {
  const plane = createFixturePlane();
  const { call, log } = await openAdmin(t, {
    plane: {
      ...plane,
      pools() {
        throw new Error('secret detail');
      },
      zones: () => [{ name: 1 } as never],
    },
  });
  for (const path of ['/api/v1/pools', '/api/v1/zones']) {
    const reply = await call('GET', path);
    assertProblem(reply, 500, 'internal-error');
    assert.doesNotMatch(reply.text, /secret detail/);
  }
  const errors = log.filter(({ level }) => level === 'error');
  assert.equal(errors.length, 2);
  assert.match(String(errors[0]?.fields['err']), /secret detail/);
});

test('problemOf() never fails, whatever was thrown', () => {
  for (const thrown of [
    new Error('x'),
    Object.assign(new Error('x'), { statusCode: 418 }),
    {},
    'text',
  ]) {
    const { document } = problemOf(thrown);
    assert.ok(document.status >= 400);
    assert.match(document.detail, /\.$/);
  }
});
