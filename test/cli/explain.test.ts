import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STARTED_AT_MS } from '../admin/fixture-plane.ts';
import { openCli } from './cli-harness.ts';

const NAME = 'www.gslb.example';

test('explain shows every endpoint with its numbers, and marks the one that answers', async (t) => {
  const { run } = await openCli(t);
  const { code, stdout } = await run('explain', NAME, '--client', '203.0.113.0/24');
  assert.equal(code, 0);
  const rows = stdout.split('\n').map((line) => line.trim().replaceAll(/\s{2,}/g, '|'));
  assert.ok(
    rows.includes('>|web/singapore|1|+ up|1|5300 km|100.0 %|30s|3 of 3 groups see it up'),
    stdout,
  );
  assert.ok(
    rows.includes(
      'web/frankfurt|2|= drained|1|9300 km|-|600s|drained by alice (kernel update); judged up',
    ),
    stdout,
  );
  assert.match(stdout, /^draw +one outcome: nothing to draw$/m);
  assert.match(
    stdout,
    /^served +by fixture, generation 3, revision 7, configuration abababababab$/m,
  );
  assert.doesNotMatch(stdout, /as it was at/);
});

test('explain --at asks for that instant and says which it is', async (t) => {
  const { run } = await openCli(t);
  const hourAgo = STARTED_AT_MS;
  for (const at of ['1h', '-1h', '1h ago', '12:00', String(hourAgo / 1000), '2026-11-20T12:00Z']) {
    const { code, stdout, stderr } = await run('explain', NAME, '--at', at);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^as it was at 2026-11-20 12:00:00Z, 1h00m ago$/m, at);
  }
  const json = await run('explain', NAME, '--at', '90s', '-o', 'json');
  assert.equal(JSON.parse(json.stdout).atMs, STARTED_AT_MS + 3_600_000 - 90_000);
});

test('explain --at ends with 2 when the time cannot be understood', async (t) => {
  const { run } = await openCli(t);
  const { code, stderr } = await run('explain', NAME, '--at', 'yesterday');
  assert.equal(code, 2);
  assert.match(stderr, /Give a time such as 5m \(ago\), 03:12/);
});
