import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OverrideStatus, RegionStatus } from '../../src/control/control-plane.ts';
import { assertProblem, openAdmin } from './admin-harness.ts';

const stateOf = async (call: Awaited<ReturnType<typeof openAdmin>>['call'], name: string) =>
  (await call('GET', `/api/v1/regions/${name}`)).json<RegionStatus>().state;

test('drain and undrain take a region out and let it back in', async (t) => {
  const { call, plane } = await openAdmin(t);
  const drained = await call('POST', '/api/v1/regions/frankfurt/drain', {
    body: { forSeconds: 600, reason: 'kernel update' },
  });
  const override = drained.json<OverrideStatus>();
  assert.equal(drained.status, 200);
  assert.deepEqual(override.target, { kind: 'region', name: 'frankfurt' });
  assert.equal(override.reason, 'kernel update');
  assert.equal(override.expiresAtMs! - override.setAtMs, 600_000);
  assert.equal(await stateOf(call, 'frankfurt'), 'drained');
  const cleared = await call('POST', '/api/v1/regions/frankfurt/undrain', { body: {} });
  assert.equal(cleared.json<OverrideStatus>().action, 'cleared');
  assert.equal(await stateOf(call, 'frankfurt'), 'up');
  await call('POST', '/api/v1/regions/frankfurt/drain', { body: { forSeconds: 5 } });
  plane.advance(5000);
  assert.equal(await stateOf(call, 'frankfurt'), 'up', 'it lapses by itself');
});

test('force says up or down', async (t) => {
  const { call } = await openAdmin(t);
  for (const [state, expected] of [
    ['down', 'forced-down'],
    ['up', 'forced-up'],
  ]) {
    const reply = await call('POST', '/api/v1/regions/virginia/force', { body: { state } });
    assert.equal(reply.status, 200);
    assert.equal(await stateOf(call, 'virginia'), expected);
  }
});

test('the last region is only drained with force', async (t) => {
  const { call } = await openAdmin(t);
  for (const name of ['frankfurt', 'singapore']) {
    await call('POST', `/api/v1/regions/${name}/drain`, { body: {} });
  }
  const path = '/api/v1/regions/virginia/drain';
  const refused = assertProblem(await call('POST', path, { body: {} }), 409, 'last-endpoint');
  assert.match(String(refused['hint']), /force/);
  assert.equal((await call('POST', path, { body: { force: true } })).status, 200);
});
