import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openAdmin } from './admin-harness.ts';
import { STARTED_AT_MS } from './fixture-plane.ts';

const PATH = '/api/v1/explain?name=www.gslb.example';
const ISO = '2026-11-20T12:00:00Z';

test('GET explain takes an instant as ISO 8601 or as milliseconds', async (t) => {
  const { call } = await openAdmin(t);
  for (const at of [ISO, '2026-11-20T13:00:00+01:00', '2026-11-20T12:00', String(STARTED_AT_MS)]) {
    const reply = await call('GET', `${PATH}&at=${encodeURIComponent(at)}`);
    assert.equal(reply.status, 200, at);
    assert.equal((reply.json() as { atMs: number }).atMs, STARTED_AT_MS, at);
  }
  const now = await call('GET', `${PATH}&at=`);
  assert.equal((now.json() as { atMs: number }).atMs, STARTED_AT_MS + 3_600_000);
});

test('POST explain takes an instant as a number too', async (t) => {
  const { call } = await openAdmin(t);
  for (const at of [STARTED_AT_MS, ISO]) {
    const body = { name: 'www.gslb.example', at };
    const reply = await call('POST', '/api/v1/explain', { body });
    assert.equal((reply.json() as { atMs: number }).atMs, STARTED_AT_MS);
  }
});

test('explain refuses an instant that is none', async (t) => {
  const { call } = await openAdmin(t);
  for (const at of ['yesterday', '1e99', '2026-13-01', '9'.repeat(30)]) {
    const reply = await call('GET', `${PATH}&at=${at}`);
    assert.equal(reply.status, 400, at);
    assert.match(JSON.stringify(reply.json()), /neither an ISO 8601 time nor milliseconds/);
  }
});
