import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCli } from './cli-harness.ts';

test('status shows regions, endpoints, upstreams, overrides and workers', async (t) => {
  const { run } = await openCli(t);
  await run('drain', 'frankfurt', '--for', '10m', '--reason', 'kernel update');
  const { code, stdout } = await run('status');
  assert.equal(code, 0);
  assert.match(stdout, /^node-1 \(ready\), Meridian 0\.1\.0, up 1h00m$/m);
  assert.match(stdout, /^virginia +\+ up +71\.4 % +1000 +1 of 2 ready, 140 req\/s +127\.0\.1\.1$/m);
  assert.match(stdout, /^frankfurt += drained +0\.0 % +1000 +- +127\.0\.2\.1$/m);
  assert.match(stdout, /^web\/singapore +\+ up +up +30s +3 of 3 up/m);
  assert.match(stdout, /127\.0\.2\.1:9002 +x down +0 +4 +4 +connection refused$/m);
  assert.match(stdout, /^region frankfurt +drain +10m00s +alice, 127\.0\.0\.1 +kernel update$/m);
  assert.match(stdout, /^balancer-0 +\+ running +1 +portable$/m);
  assert.match(stdout, /DB-IP/, 'the attribution that the licence asks for');
});

test('explain tells the steps, the answer, its TTL and scope', async (t) => {
  const { run } = await openCli(t);
  const { code, stdout } = await run('explain', 'www.gslb.example', '--client', '203.0.113.0/24');
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^www\.gslb\.example\. A for 203\.0\.113\.0\/24 \(client subnet; Japan; near singapore\)$/m,
  );
  assert.match(stdout, /^1\. nearest {2}Singapore is nearest at 5300 km\.$/m);
  assert.match(stdout, /^ +\+ web\/singapore$/m);
  assert.match(stdout, /^ +- web\/frankfurt: 9300 km away$/m);
  assert.match(stdout, /^answer +127\.0\.3\.1 \(region singapore\)$/m);
  assert.match(stdout, /^ttl +30 s\. /m);
  assert.match(stdout, /^scope +\/16 \(203\.0\.0\.0\/16\)\. /m);
  const json = await run(
    'explain',
    'www.gslb.example',
    '--resolver',
    '192.0.2.1',
    '--type',
    'AAAA',
    '-o',
    'json',
  );
  const explanation = JSON.parse(json.stdout);
  assert.deepEqual([explanation.type, explanation.client.from], ['AAAA', 'resolver']);
});

test('explain ends with 1 when the name is not ours', async (t) => {
  const { run } = await openCli(t);
  const { code, stderr } = await run('explain', 'www.other.example');
  assert.equal(code, 1);
  assert.match(stderr, /in no zone of this node\.\n {2}hint: The zones are gslb\.example\./);
});

test('drain, force and undrain say what they did', async (t) => {
  const { run, plane } = await openCli(t);
  const drained = await run('drain', 'frankfurt', '--for', '90s', '--reason', 'test');
  assert.equal(
    drained.stdout,
    'The region frankfurt is drained until 2026-11-20 13:01:30Z (test).\n',
  );
  assert.equal(plane.overrides()[0]?.by, 'alice, 127.0.0.1');
  const cleared = await run('undrain', 'frankfurt');
  assert.equal(cleared.stdout, 'The region frankfurt is judged by its probes again.\n');
  const forced = await run('force', 'web/virginia', 'down');
  assert.equal(forced.stdout, 'The endpoint web/virginia is forced down until it is cleared.\n');
  assert.equal((await run('undrain', 'web/virginia')).code, 0);
  const pool = await run('force', 'web/*', 'up');
  assert.equal(pool.stdout, 'The pool web is forced up until it is cleared.\n');
  assert.equal((await run('undrain', 'web/*')).code, 0);
  const json = await run('drain', 'frankfurt', '-o', 'json');
  assert.equal(JSON.parse(json.stdout).action, 'drain');
  assert.equal(plane.regions()[1]?.state, 'drained');
});

test('drain of an unknown region, or of the last one, ends with 1 and a hint', async (t) => {
  const { run } = await openCli(t);
  const unknown = await run('drain', 'atlantis');
  assert.equal(unknown.code, 1);
  assert.match(
    unknown.stderr,
    /There is no region "atlantis"\.\n {2}hint: The regions are virginia/,
  );
  await run('drain', 'frankfurt');
  await run('drain', 'singapore');
  assert.equal((await run('drain', 'virginia')).code, 1);
  assert.equal((await run('drain', 'virginia', '--force')).code, 0);
});

test('reload shows what changed, and every issue with 78 when the file is invalid', async (t) => {
  const { run, plane } = await openCli(t);
  assert.equal(
    (await run('reload')).stdout,
    'Reloaded as generation 13 (revision 8). Changed:\n  pools.web\n',
  );
  const issue = {
    file: 'm.yaml',
    line: 3,
    column: 5,
    path: 'pools.web',
    message: 'unknown monitor',
  };
  plane.nextReload({ ok: true, issues: [issue] });
  const warned = await run('reload');
  assert.equal(warned.code, 0);
  assert.match(warned.stdout, /\nm\.yaml:3:5: warning: unknown monitor\n$/);
  plane.nextReload({ ok: false, issues: [issue, { ...issue, line: 9, hint: 'remove it' }] });
  const { code, stderr } = await run('reload');
  assert.equal(code, 78);
  assert.match(
    stderr,
    /^m\.yaml:3:5: unknown monitor\nm\.yaml:9:5: unknown monitor\n {2}hint: remove it\n/,
  );
  assert.match(stderr, /2 problems; nothing was changed/);
});

test('healthcheck is 0 when ready and 1 otherwise, also when nothing answers', async (t) => {
  const { run, plane } = await openCli(t);
  assert.equal((await run('healthcheck')).code, 0);
  plane.change({ ready: false });
  const waiting = await run('healthcheck');
  assert.equal(waiting.code, 1);
  assert.match(waiting.stdout, /does not serve yet/);
  const dead = await run('healthcheck', '--admin', 'http://127.0.0.1:1');
  assert.equal(dead.code, 1);
  assert.match(dead.stdout, /nothing listens there/);
});

test('config show prints what the node runs with, config schema the JSON Schema', async (t) => {
  const { run } = await openCli(t);
  assert.match((await run('config', 'show')).stdout, /\(redacted\)/);
  const { code, stdout } = await run('config', 'schema');
  assert.equal(code, 0);
  assert.match(JSON.parse(stdout).$schema, /2020-12/);
});
