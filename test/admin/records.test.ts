import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AddedRecordStatus, RecordChange } from '../../src/control/control-plane.ts';
import { assertProblem, openAdmin } from './admin-harness.ts';

const PATH = '/api/v1/zones/gslb.example/added-records';
const NAME = 'blue.gslb.example';

test('a record is added, listed and removed', async (t) => {
  const { call } = await openAdmin(t);
  const body = { name: NAME, type: 'TXT', data: '"a b"', ttlSeconds: 5, expiresInSeconds: 60 };
  const added = await call('POST', PATH, { body });
  assert.equal(added.status, 200);
  assert.equal(added.json<RecordChange>().records[0]!.data, '"a b"');
  assert.equal((await call('GET', PATH)).json<AddedRecordStatus[]>().length, 1);
  const one = `${PATH}/${NAME}/TXT?data=${encodeURIComponent('"other"')}`;
  assertProblem(await call('DELETE', one), 404, 'no-record');
  const removed = await call('DELETE', `${PATH}/${NAME}/TXT`);
  assert.equal(removed.json<RecordChange>().visible, true);
  assert.deepEqual((await call('GET', PATH)).json(), []);
});

test('what does not fit is a conflict, what is no request is refused', async (t) => {
  const { call } = await openAdmin(t);
  const body = { name: NAME, type: 'SRV', data: '1 2 3 a.' };
  assertProblem(await call('POST', PATH, { body }), 409, 'record-does-not-fit');
  for (const wrong of [
    { type: 'no type' },
    { data: '' },
    { data: 'x'.repeat(20_000) },
    { ttlSeconds: 2 ** 31 },
    { expiresInSeconds: 0 },
    { more: 1 },
  ]) {
    const reply = await call('POST', PATH, { body: { ...body, type: 'A', ...wrong } });
    assertProblem(reply, 400, 'invalid-request');
  }
});

test('the root is an @ in paths', async (t) => {
  const { call } = await openAdmin(t);
  const body = { name: '.', type: 'TXT', data: '"x"' };
  const added = await call('POST', '/api/v1/zones/@/added-records', { body });
  assert.equal(added.json<RecordChange>().records[0]?.zone, '.');
  const removed = await call('DELETE', '/api/v1/zones/@/added-records/@/TXT');
  assert.equal(removed.json<RecordChange>().records[0]?.name, '.');
});
