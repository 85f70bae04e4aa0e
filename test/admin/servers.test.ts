import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerChange, UpstreamStatus } from '../../src/control/control-plane.ts';
import { assertProblem, openAdmin } from './admin-harness.ts';

const PATH = '/api/v1/balancers/web-frankfurt/servers';

test('a server is added, drained and removed; the list says what it is and by whom', async (t) => {
  const { call } = await openAdmin(t);
  const list = async () =>
    (await call('GET', '/api/v1/balancers')).json<UpstreamStatus[]>()[0]!.servers;
  const server = '[2001:db8::1]:8080';
  const added = await call('POST', PATH, { body: { server, weight: 3 } });
  assert.equal(added.status, 200);
  assert.deepEqual(added.json<ServerChange>().sharing, { shared: true, detail: 'node-2 has it' });
  const own = `${PATH}/${encodeURIComponent(server)}`;
  const drained = await call('PATCH', own, { body: { mode: 'drain', reason: 'disk' } });
  assert.equal(drained.json<ServerChange>().mode, 'drain');
  const shown = (await list()).find(({ name }) => name === server);
  assert.deepEqual(
    [shown?.address, shown?.port, shown?.weight, shown?.mode, shown?.origin],
    ['2001:db8::1', 8080, 3, 'drain', 'api'],
  );
  assert.equal((await call('DELETE', `${own}?reason=gone`)).json<ServerChange>().isThere, false);
  assert.equal((await list()).length, 2);
});

test('what makes no sense is refused', async (t) => {
  const { call } = await openAdmin(t);
  const own = `${PATH}/127.0.2.1:9001`;
  for (const body of [{}, { server: '192.0.2.1' }, { server: '192.0.2.1:80', weight: -1 }]) {
    assertProblem(await call('POST', PATH, { body }), 400, 'invalid-request');
  }
  for (const body of [{}, { mode: 'asleep' }, { weight: 1e9 }, { mode: 'drain', reason: '\n' }]) {
    assertProblem(await call('PATCH', own, { body }), 400, 'invalid-request');
  }
  assertProblem(await call('DELETE', own), 409, 'server-not-added');
  assertProblem(
    await call('POST', '/api/v1/balancers/none/servers', { body: { server: '192.0.2.1:80' } }),
    404,
    'unknown-upstream',
  );
  assertProblem(
    await call('POST', PATH, { body: { server: '127.0.2.1:9001' } }),
    409,
    'server-exists',
  );
});
