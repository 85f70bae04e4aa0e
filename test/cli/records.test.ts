import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCli } from './cli-harness.ts';

test('records add, list and remove say what was done, and where', async (t) => {
  const { run } = await openCli(t);
  const name = 'blue.gslb.example';
  const added = await run('records', 'add', name, 'A', '192.0.2.80', '--ttl', '5s', '--for', '10m');
  assert.equal(
    added.stdout,
    'blue.gslb.example A 192.0.2.80 is added.\nAll nodes answer so (node-1, node-2); the serial is 2026112002.\n',
  );
  const { stdout } = await run('records', 'list');
  assert.match(stdout, /^blue\.gslb\.example +5 +A +192\.0\.2\.80 +2026-11-20 13:10:00Z$/m);
  assert.equal((await run('records', 'remove', name, 'A', '192.0.2.81')).code, 1);
  assert.match((await run('records', 'remove', name, 'A')).stdout, /192\.0\.2\.80 is removed\./);
  assert.equal((await run('records', 'list')).stdout, 'No records were added.\n');
  assert.equal((await run('records', 'add', 'a.other.example', 'A', '192.0.2.1')).code, 1);
});
