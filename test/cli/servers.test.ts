import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCli } from './cli-harness.ts';

test('servers are listed, added, weighed, drained, rested and removed', async (t) => {
  const { run } = await openCli(t);
  const server = '192.0.2.10:8080';
  const added = await run('servers', 'add', 'web-frankfurt', server, '--weight', '2');
  assert.equal(added.stdout, `${server} of web-frankfurt takes requests, with weight 2.\n`);
  assert.equal((await run('servers', 'add', 'web-frankfurt', server)).code, 1, 'it is there');
  const weighed = await run('servers', 'weight', 'web-frankfurt', server, '0.5');
  assert.match(weighed.stdout, /with weight 0\.5\./);
  assert.match((await run('servers', 'drain', 'web-frankfurt', server)).stdout, /drains/);
  const { stdout } = await run('servers', 'list', 'web-frankfurt');
  assert.match(stdout, /^web-frankfurt +192\.0\.2\.10:8080 +api +drain +up +0\.5 +0 +2$/m);
  assert.match(
    (await run('servers', 'maintenance', 'web-frankfurt', server)).stdout,
    /maintenance/,
  );
  assert.match((await run('servers', 'ready', 'web-frankfurt', server)).stdout, /takes requests/);
  const removed = await run('servers', 'remove', 'web-frankfurt', server, '--reason', 'gone');
  assert.equal(removed.stdout, `${server} of web-frankfurt is removed.\n`);
  assert.doesNotMatch((await run('servers', 'list')).stdout, /192\.0\.2\.10/);
});

test('what requests have shown of a server is its state, with the reason and until when', async (t) => {
  const { run } = await openCli(t);
  await run('servers', 'add', 'web-frankfurt', '127.0.2.1:9003');
  const { stdout } = await run('servers', 'list', 'web-frankfurt');
  assert.match(stdout, /^web-frankfurt +127\.0\.2\.1:9003 +api +ready +ejected /m);
  assert.match(stdout, /^web-frankfurt +127\.0\.2\.1:9002 +file +ready +down /m);
  const status = await run('status');
  assert.match(
    status.stdout,
    /127\.0\.2\.1:9003 +x ejected .*until 2026-01-02 03:04:05Z: 5 answers in a row were 502, 503 or 504 \(consecutive-gateway\) \(1 of 2 workers\)$/m,
  );
});

test('what is not there, not added, or the last one is refused with what to do', async (t) => {
  const { plane, run } = await openCli(t);
  const [first, second] = ['127.0.2.1:9001', '127.0.2.1:9002'] as const;
  const unknown = await run('servers', 'drain', 'web', first);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /There is no upstream "web"/);
  assert.match((await run('servers', 'drain', 'web-frankfurt', 'x')).stderr, /Known: 127\.0\.2\.1/);
  const written = await run('servers', 'remove', 'web-frankfurt', first);
  assert.match(written.stderr, /is there by the configuration/);
  assert.equal((await run('servers', 'drain', 'web-frankfurt', first)).code, 0);
  const last = await run('servers', 'weight', 'web-frankfurt', second, '0');
  assert.equal(last.code, 1);
  assert.match(last.stderr, /without any server that takes requests/);
  assert.equal((await run('servers', 'drain', 'web-frankfurt', second, '--force')).code, 0);
  assert.equal((await run('servers', 'weight', 'web-frankfurt', first, 'much')).code, 2);
  const kinds = (await plane.events('', 100)).map(({ kind }) => kind);
  assert.equal(kinds.filter((kind) => kind === 'server.drain').length, 2);
});
