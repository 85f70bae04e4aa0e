import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { createGuard, isLoopback } from '../../src/admin/auth.ts';
import { assertProblem, openAdmin } from './admin-harness.ts';

const TOKEN = 'correct-horse-battery-staple';
const HASHED = `sha256:${createHash('sha256').update('another-token-entirely').digest('hex')}`;
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

test('a token is needed for all but liveness, readiness, the description and the page when one is configured', async (t) => {
  const { call } = await openAdmin(t, { tokens: [TOKEN, HASHED] });
  const paths = [
    '/api/v1/status',
    '/api/v1/regions',
    '/api/v1/config',
    '/metrics',
    '/readyz?verbose=1',
  ];
  for (const path of paths) {
    const none = await call('GET', path);
    assertProblem(none, 401, 'token-required');
    assert.match(String(none.headers['www-authenticate']), /^Bearer/);
    assertProblem(await call('GET', path, { headers: bearer('wrong') }), 401, 'wrong-token');
    assertProblem(await call('GET', path, { headers: bearer(HASHED) }), 401, 'wrong-token');
    for (const token of [TOKEN, 'another-token-entirely']) {
      assert.equal((await call('GET', path, { headers: bearer(token) })).status, 200, path);
    }
  }
  for (const path of ['/healthz', '/livez', '/readyz', '/openapi.json']) {
    assert.equal((await call('GET', path)).status, 200, path);
  }
});

test('an encoded path does not slip past the guard', async (t) => {
  const { call } = await openAdmin(t, { tokens: [TOKEN] });
  for (const path of ['/%61pi/v1/status', '/api/v1/st%61tus', '/metric%73']) {
    assertProblem(await call('GET', path), 401, 'token-required');
  }
  assert.notEqual((await call('HEAD', '/api/v1/status')).status, 200);
});

test('a write without a token is refused before anything is changed', async (t) => {
  const { call, plane } = await openAdmin(t, { tokens: [TOKEN] });
  const refused = await call('POST', '/api/v1/regions/frankfurt/drain', { body: {} });
  assertProblem(refused, 401, 'token-required');
  assert.equal(plane.overrides().length, 0);
  const done = await call('POST', '/api/v1/regions/frankfurt/drain', {
    body: {},
    headers: { ...bearer(TOKEN), 'x-meridian-user': 'alice' },
  });
  assert.equal(done.status, 200);
  assert.match(plane.overrides()[0]!.by, /^alice, token [0-9a-f]{8} at 127\.0\.0\.1$/);
  assert.doesNotMatch(plane.overrides()[0]!.by, new RegExp(TOKEN));
});

test('without tokens only addresses and localhost are accepted as the host', async (t) => {
  const { call, admin } = await openAdmin(t);
  const port = admin.port;
  for (const host of [
    `127.0.0.1:${port}`,
    `localhost:${port}`,
    `[::1]:${port}`,
    'meridian.localhost',
  ]) {
    assert.equal((await call('GET', '/api/v1/status', { headers: { host } })).status, 200, host);
  }
  for (const host of [
    'evil.example',
    `evil.example:${port}`,
    'localhost.evil.example',
    '127.0.0.1.evil.example',
  ]) {
    const reply = await call('GET', '/api/v1/status', { headers: { host } });
    assertProblem(reply, 403, 'host-not-allowed');
  }
});

test('with a token any host name will do: who knows the token is not a rebinding page', async (t) => {
  const { call } = await openAdmin(t, { tokens: [TOKEN] });
  const headers = { ...bearer(TOKEN), host: 'meridian.example' };
  assert.equal((await call('GET', '/api/v1/status', { headers })).status, 200);
});

test('a page of another origin can change nothing', async (t) => {
  const { call, plane, admin } = await openAdmin(t);
  const path = '/api/v1/regions/frankfurt/drain';
  const refused: Readonly<Record<string, string>>[] = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: `http://127.0.0.1:${admin.port + 1}` },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ];
  for (const headers of refused) {
    assertProblem(await call('POST', path, { body: {}, headers }), 403, 'origin-not-allowed');
    const deletion = await call('DELETE', '/api/v1/overrides/region/frankfurt', { headers });
    assertProblem(deletion, 403, 'origin-not-allowed');
  }
  assert.equal(plane.overrides().length, 0);
  const own = { origin: `http://127.0.0.1:${admin.port}`, 'sec-fetch-site': 'same-origin' };
  assert.equal((await call('POST', path, { body: {}, headers: own })).status, 200);
});

test('a write needs the content type application/json, so that a plain form cannot make one', async (t) => {
  const { call, plane } = await openAdmin(t);
  const path = '/api/v1/regions/frankfurt/drain';
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    '',
  ]) {
    const reply = await call('POST', path, { body: '{}', headers: { 'content-type': type } });
    assertProblem(reply, 415, 'not-json');
  }
  assertProblem(await call('POST', path), 415, 'not-json');
  assert.equal(plane.overrides().length, 0);
  const headers = { 'content-type': 'application/json; charset=utf-8' };
  assert.equal((await call('POST', path, { headers })).status, 200, 'an empty body counts as {}');
  assert.equal((await call('DELETE', '/api/v1/overrides/region/frankfurt')).status, 200);
});

test('createGuard() requires a token when the address is not loopback', () => {
  const cases: readonly (readonly [string, readonly string[], boolean])[] = [
    ['127.0.0.1', [], false],
    ['127.9.9.9', [], false],
    ['::1', [], false],
    ['127.0.0.1', [TOKEN], true],
    ['0.0.0.0', [], true],
    ['::', [TOKEN], true],
    ['198.51.100.7', [TOKEN], true],
  ];
  for (const [address, tokens, required] of cases) {
    assert.equal(
      createGuard(address, tokens).tokenRequired,
      required,
      `${address} ${tokens.length}`,
    );
  }
});

test('isLoopback() knows every spelling of this machine', () => {
  for (const yes of ['127.0.0.1', '127.255.0.3', '::1', 'localhost', '::ffff:127.0.0.1']) {
    assert.ok(isLoopback(yes), yes);
  }
  for (const no of ['128.0.0.1', '0.0.0.0', '::', '::2', 'example.com', '']) {
    assert.ok(!isLoopback(no), no);
  }
});
