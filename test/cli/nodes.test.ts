import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCli } from './cli-harness.ts';

test('nodes lists who is in the cluster, who lags, and whether the store is there', async (t) => {
  const { run } = await openCli(t);
  const { code, stdout } = await run('nodes');
  assert.equal(code, 0);
  assert.match(stdout, /^ns1 \* +\+ here +self +virginia +nameserver,prober,admin .* 7 +-$/m);
  assert.match(stdout, /^ns2 +\? silent +silent +frankfurt .*ba9876543210 +6 \(-1\) +20s ago$/m);
  assert.match(stdout, /^store redis: away \(connection refused\); time by store$/m);
  const json = await run('nodes', '--output', 'json');
  assert.equal(JSON.parse(json.stdout).nodes.length, 2);
});
