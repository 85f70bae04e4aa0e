import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertProblem, openAdmin } from './admin-harness.ts';

type Health = { ok: boolean; things: { kind: string; name: string; ok: boolean; state: string }[] };

test('/readyz is 200 when the node is ready and 503 until then', async (t) => {
  const { call, plane } = await openAdmin(t);
  assert.deepEqual((await call('GET', '/readyz')).json(), { ready: true });
  plane.change({
    ready: false,
    workers: [{ name: 'dns-0', state: 'starting', restarts: 0, engine: 'portable' }],
  });
  const brief = assertProblem(await call('GET', '/readyz'), 503, 'not-ready');
  assert.equal(brief['checks'], undefined);
  const verbose = assertProblem(await call('GET', '/readyz?verbose'), 503, 'not-ready');
  const failing = (verbose['checks'] as { name: string; ok: boolean }[]).filter(({ ok }) => !ok);
  assert.deepEqual(
    failing.map(({ name }) => name),
    ['snapshot', 'worker dns-0'],
  );
  assert.equal((await call('GET', '/healthz')).status, 200, 'alive is not ready');
});

test('/api/v1/health lists everything, what is wrong first', async (t) => {
  const { call } = await openAdmin(t);
  await call('POST', '/api/v1/regions/frankfurt/drain', { body: {} });
  const health = (await call('GET', '/api/v1/health')).json<Health>();
  assert.equal(health.ok, false);
  assert.deepEqual(
    health.things.filter(({ ok }) => !ok).map(({ kind, name }) => `${kind} ${name}`),
    ['region frankfurt', 'endpoint web/frankfurt', 'server web-frankfurt/127.0.2.1:9002'],
  );
  const kinds = new Set(health.things.map(({ kind }) => kind));
  assert.deepEqual([...kinds].sort(), ['endpoint', 'region', 'server', 'store', 'worker']);
});

test('/metrics passes the exposition through with its content type', async (t) => {
  const { call } = await openAdmin(t);
  const reply = await call('GET', '/metrics');
  assert.equal(reply.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  assert.match(reply.text, /^meridian_build_info\{version="0\.1\.0"\} 1$/m);
});
