import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReloadResult } from '../../src/control/control-plane.ts';
import { assertProblem, openAdmin } from './admin-harness.ts';

test('a reload answers what changed', async (t) => {
  const { call } = await openAdmin(t);
  const reply = await call('POST', '/api/v1/reload', { body: {} });
  const result = reply.json<ReloadResult>();
  assert.equal(reply.status, 200);
  assert.deepEqual([result.ok, result.revision, result.changes], [true, 8, ['pools.web']]);
});

test('a reload of an invalid configuration is 422 with every issue', async (t) => {
  const { call, plane } = await openAdmin(t);
  const issue = {
    file: 'm.yaml',
    line: 3,
    column: 5,
    path: 'pools.web',
    message: 'unknown monitor',
  };
  plane.nextReload({ ok: false, issues: [issue, { ...issue, line: 9, hint: 'remove it' }] });
  const reply = await call('POST', '/api/v1/reload', { body: {} });
  const problem = assertProblem(reply, 422, 'invalid-config');
  assert.match(String(problem['detail']), /2 problems; nothing was changed/);
  assert.deepEqual(problem['issues'], [issue, { ...issue, line: 9, hint: 'remove it' }]);
});
