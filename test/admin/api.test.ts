import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createAdmin } from '../../src/admin/api.ts';
import { LATENCY_BOUNDS_MS } from '../../src/telemetry/latencies.ts';
import { call, openAdmin, throughJson } from './admin-harness.ts';
import { createFixturePlane } from './fixture-plane.ts';

test('every reading route answers exactly what the control plane says', async (t) => {
  const { call, plane } = await openAdmin(t);
  await call('POST', '/api/v1/regions/frankfurt/drain', { body: { forSeconds: 60 } });
  await call('POST', '/api/v1/drills', { body: { region: 'singapore', durationSeconds: 30 } });
  const question = { name: 'www.gslb.example', client: '203.0.113.0/24' };
  plane.change({
    lastReload: { ok: false, atMs: 1, generation: 12, revision: 7, changes: [], issues: [ISSUE] },
  });
  const expected: Readonly<Record<string, unknown>> = {
    status: plane.status(),
    regions: plane.regions(),
    'regions/singapore': plane.regions()[2],
    pools: plane.pools(),
    zones: plane.zones(),
    nodes: plane.cluster(),
    balancers: plane.balancers(),
    traffic: { boundsMs: [...LATENCY_BOUNDS_MS], ...plane.traffic() },
    overrides: plane.overrides(),
    drills: plane.drills(),
    config: plane.config(),
    'events?after=&count=1000': await plane.events('', 1000),
    'explain?name=www.gslb.example&client=203.0.113.0%2F24': await plane.explain(question),
  };
  for (const [path, value] of Object.entries(expected)) {
    const reply = await call('GET', `/api/v1/${path}`);
    assert.equal(reply.status, 200, path);
    assert.deepEqual(reply.json(), throughJson(value), path);
  }
});

const ISSUE = {
  file: 'meridian.yaml',
  line: 3,
  column: 5,
  path: 'pools.web',
  message: 'unknown monitor "htp"',
  hint: 'did you mean "http"?',
};

test('createAdmin() says what is wrong when the port is taken', async (t) => {
  const { admin } = await openAdmin(t);
  const second = await createAdmin({
    plane: createFixturePlane(),
    address: '127.0.0.1',
    port: admin.port,
    tokens: [],
  });
  assert.ok(!second.ok);
  assert.equal(second.code, 'address-in-use');
  assert.match(
    second.message,
    new RegExp(`127\\.0\\.0\\.1, port ${admin.port}: another program does`),
  );
  assert.match(second.hint, /ss -ltnp/);
});

test('createAdmin() says what is wrong when the address is not of this machine', async () => {
  const admin = await createAdmin({
    plane: createFixturePlane(),
    address: '192.0.2.1',
    port: 0,
    tokens: ['a-token-of-some-length'],
  });
  assert.ok(!admin.ok);
  assert.equal(admin.code, 'address-not-available');
});

test('createAdmin() refuses to listen off loopback when no token is configured', async () => {
  for (const address of ['0.0.0.0', '::', '192.0.2.1']) {
    const admin = await createAdmin({ plane: createFixturePlane(), address, port: 0, tokens: [] });
    assert.ok(!admin.ok, address);
    assert.equal(admin.code, 'token-required');
    assert.match(admin.hint, /admin\.tokens/);
  }
});

test('close() frees the port and ends idle connections', async () => {
  const admin = await createAdmin({
    plane: createFixturePlane(),
    address: '127.0.0.1',
    port: 0,
    tokens: [],
  });
  assert.ok(admin.ok);
  assert.equal(admin.url, `http://127.0.0.1:${admin.port}`);
  assert.equal((await fetch(`${admin.url}/healthz`)).status, 200);
  await admin.close();
  await assert.rejects(fetch(`${admin.url}/healthz`));
});

test('the page is served at / with a policy that allows nothing from elsewhere', async (t) => {
  const dashboardDirectory = await mkdtemp(join(tmpdir(), 'meridian-page-'));
  t.after(() => rm(dashboardDirectory, { recursive: true }));
  await writeFile(join(dashboardDirectory, 'index.html'), '<!doctype html><title>Meridian</title>');
  await writeFile(join(dashboardDirectory, 'page.js'), 'export {};');
  const { admin } = await openAdmin(t, { dashboardDirectory, tokens: ['a-token-of-some-length'] });
  const page = await call(admin.port, 'GET', '/');
  assert.equal(page.status, 200, 'the page needs no token: it holds no data');
  assert.match(String(page.headers['content-type']), /^text\/html/);
  const policy = String(page.headers['content-security-policy']);
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe|https?:/);
  assert.equal((await call(admin.port, 'GET', '/page.js')).status, 200);
  for (const path of [
    '/missing.js',
    '/../package.json',
    '/%2e%2e/package.json',
    '/api/v1/nothing',
  ]) {
    const reply = await call(admin.port, 'GET', path);
    assert.ok(reply.status >= 400 && reply.status < 500, `${path}: ${reply.status}`);
    assert.match(String(reply.headers['content-type']), /problem\+json/, path);
  }
});

test('every request that changes state leaves one audit line, refused ones too', async (t) => {
  const { call, log } = await openAdmin(t);
  const headers = { 'x-meridian-user': 'alice' };
  await call('POST', '/api/v1/regions/frankfurt/drain', { headers, body: { reason: 'kernel' } });
  await call('POST', '/api/v1/regions/nowhere/drain', { headers, body: {} });
  await call('POST', '/api/v1/drills/predict', { headers, body: { region: 'frankfurt' } });
  await call('GET', '/api/v1/overrides');
  const audits = log.filter(({ fields }) => fields['event'] === 'audit');
  assert.deepEqual(
    audits.map(({ fields }) => [fields['by'], fields['method'], fields['url'], fields['status']]),
    [
      ['alice, 127.0.0.1', 'POST', '/api/v1/regions/frankfurt/drain', 200],
      ['alice, 127.0.0.1', 'POST', '/api/v1/regions/nowhere/drain', 404],
    ],
  );
  assert.deepEqual(audits[0]?.fields['body'], { reason: 'kernel' });
});
