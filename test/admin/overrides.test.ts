import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OverrideStatus } from '../../src/control/control-plane.ts';
import { assertProblem, openAdmin } from './admin-harness.ts';

test('an override is set, listed and cleared by kind and name', async (t) => {
  const { call } = await openAdmin(t);
  const target = { kind: 'endpoint', name: 'web/frankfurt' };
  const set = await call('POST', '/api/v1/overrides', { body: { target, action: 'down' } });
  assert.equal(set.status, 200);
  assert.deepEqual(set.json<OverrideStatus>().target, target);
  assert.equal((await call('GET', '/api/v1/overrides')).json<unknown[]>().length, 1);
  const cleared = await call('DELETE', '/api/v1/overrides/endpoint/web/frankfurt');
  assert.equal(cleared.json<OverrideStatus>().action, 'cleared');
  assert.equal((await call('GET', '/api/v1/overrides')).json<unknown[]>().length, 0);
});

test('a name with a slash may be encoded or not', async (t) => {
  const { call } = await openAdmin(t);
  for (const path of ['web/frankfurt', 'web%2Ffrankfurt']) {
    const target = { kind: 'endpoint', name: 'web/frankfurt' };
    await call('POST', '/api/v1/overrides', { body: { target, action: 'drain' } });
    assert.equal((await call('DELETE', `/api/v1/overrides/endpoint/${path}`)).status, 200, path);
  }
});

test('a reason may say anything in any language, on one line and without escape sequences', async (t) => {
  const { call } = await openAdmin(t);
  const target = { kind: 'region', name: 'frankfurt' };
  const set = (reason: string) =>
    call('POST', '/api/v1/overrides', { body: { target, action: 'drain', reason } });
  assert.equal((await set('Wartung für "Kernel" 日本 🙂')).status, 200);
  for (const reason of ['two\nlines', '\u001b[2J', '\u0000', '\u009b31m']) {
    assertProblem(await set(reason), 400, 'invalid-request');
  }
});
