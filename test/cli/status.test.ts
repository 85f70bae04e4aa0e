import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interruptKey, openCli } from './cli-harness.ts';

test('status --watch repaints on a terminal until it is interrupted', async (t) => {
  const { runIn, plane, url } = await openCli(t);
  const key = interruptKey();
  let waits = 0;
  const { code, stdout } = await runIn(
    {
      env: { MERIDIAN_ADMIN: url, NO_COLOR: '1' },
      isTTY: true,
      onInterrupt: key.onInterrupt,
      async sleep() {
        waits += 1;
        plane.change({ queriesTotal: 3000 + waits });
        if (waits === 3) key.press();
      },
    },
    'status',
    '--watch',
  );
  assert.equal(code, 0);
  const screens = stdout.split('\x1b[H\x1b[J').slice(1);
  assert.equal(screens.length, 3);
  assert.match(screens[2]!, /3002 queries/);
});

test('status says when the node is not ready or its last reload failed', async (t) => {
  const { run, plane } = await openCli(t);
  plane.change({
    ready: false,
    store: { kind: 'redis', ok: false },
    lastReload: { ok: false, atMs: 0, generation: 12, revision: 7, changes: [], issues: [] },
  });
  const { stdout } = await run('status');
  assert.match(stdout, /^node-1 \(not ready\)/);
  assert.match(stdout, /store redis, not reachable/);
  assert.match(stdout, /The last reload failed/);
});
