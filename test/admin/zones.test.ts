import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertProblem, openAdmin, throughJson } from './admin-harness.ts';

test('a zone that is copied is looked at, and answered as it is then', async (t) => {
  const { call, plane } = await openAdmin(t);
  const reply = await call('POST', '/api/v1/zones/copied.example/refresh', { body: {} });
  assert.equal(reply.status, 200);
  const [zone] = plane.zones().filter(({ name }) => name === 'copied.example');
  assert.deepEqual(reply.json(), throughJson(zone));
  const own = await call('POST', '/api/v1/zones/gslb.example/refresh', { body: {} });
  assertProblem(own, 409, 'zone.no-primary');
});

test('looking at a primary is writing: it takes a token', async (t) => {
  const { call } = await openAdmin(t, { tokens: ['0123456789abcdef'] });
  const reply = await call('POST', '/api/v1/zones/copied.example/refresh', { body: {} });
  assert.equal(reply.status, 401);
});
