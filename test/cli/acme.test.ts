import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCli } from './cli-harness.ts';

test('acme set, list and clear say what was done, and where', async (t) => {
  const { run } = await openCli(t);
  const name = 'www.gslb.example';
  const set = await run('acme', 'set', name, 'token-1', '--for', '10m', '--ttl', '5s');
  assert.equal(
    set.stdout,
    '_acme-challenge.www.gslb.example TXT token-1 is set.\nAll nodes answer so (node-1, node-2); the serial is 2026112002.\n',
  );
  const listed = await run('acme', 'list');
  assert.match(
    listed.stdout,
    /^_acme-challenge\.www\.gslb\.example +token-1 +5 +2026-11-20 13:10:00Z$/m,
  );
  assert.equal((await run('acme', 'clear', name, 'token-2')).code, 1);
  assert.match((await run('acme', 'clear', name)).stdout, /token-1 is cleared\./);
  assert.equal((await run('acme', 'list')).stdout, 'There are no challenges.\n');
});

test('acme set ends with 1 when a node has not said that it answers so', async (t) => {
  const { run } = await openCli(t);
  const { code, stdout } = await run('acme', 'set', '*.gslb.example', 'slow');
  assert.equal(code, 1);
  assert.match(stdout, /^Not all nodes [^\n]+ \(node-1\);[^\n]*\nNot confirmed by node-2\.$/m);
});

test('acme refuses names of no zone, and values that no authority asks for', async (t) => {
  const { run } = await openCli(t);
  const elsewhere = await run('acme', 'set', 'www.other.example', 'x');
  assert.equal(elsewhere.code, 1);
  assert.match(
    elsewhere.stderr,
    /in no zone of this node\.\n {2}hint: The zones are gslb\.example,/,
  );
  assert.equal((await run('acme', 'set', 'gslb.example', 'not "base64url"')).code, 1);
});

test('the hooks of certbot take what is in the environment', async (t) => {
  const { run, runIn } = await openCli(t);
  const { stdout } = await run('acme', 'list', '-o', 'json');
  assert.equal(stdout.trim(), '[]');
  const asked = await run('acme', 'auth-hook');
  assert.deepEqual([asked.code, /CERTBOT_DOMAIN is not set/.test(asked.stderr)], [2, true]);
  const { url } = await openCli(t);
  const env = { MERIDIAN_ADMIN: url, CERTBOT_DOMAIN: 'gslb.example', CERTBOT_VALIDATION: 'abc_-1' };
  assert.equal((await runIn({ env }, 'acme', 'auth-hook')).code, 0);
  assert.match(
    (await runIn({ env }, 'acme', 'list')).stdout,
    /_acme-challenge\.gslb\.example +abc_-1/,
  );
  assert.equal((await runIn({ env }, 'acme', 'cleanup-hook')).code, 0);
  assert.match((await runIn({ env }, 'acme', 'list')).stdout, /no challenges/);
});
