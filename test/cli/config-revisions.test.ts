import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openCli } from './cli-harness.ts';

test('config push shares a file, history lists it, pull prints it', async (t) => {
  const { run } = await openCli(t);
  assert.equal((await run('config', 'history')).stdout, 'The nodes share no configuration yet.\n');
  assert.equal((await run('config', 'pull')).code, 2);
  const file = fileOf(t, 'regions: {}\n');
  const dry = await run('config', 'push', file, '--dry-run');
  assert.equal(dry.stdout, 'Revision 1 would be valid. It would change:\n  region tokyo: added\n');
  const pushed = await run('config', 'push', file, '--note', 'first');
  assert.equal(pushed.code, 0, pushed.stderr);
  assert.equal(
    pushed.stdout,
    'Published revision 1. Changed:\n  region tokyo: added\nNote: it is in force here; not yet shared.\n',
  );
  assert.match((await run('config', 'history')).stdout, /^\* +1 .* first *$/m);
  const pulled = (await run('config', 'pull')).stdout;
  assert.equal(pulled, '# revision 1 of the shared configuration\nregions: {}\n');
  // Edited while somebody else has published: one of the two is told.
  const edited = fileOf(t, `${pulled}zones: {}\n`);
  assert.match((await run('config', 'push', edited)).stdout, /^Published revision 2\./);
  const late = await run('config', 'push', edited);
  assert.deepEqual([late.code, /Somebody was faster/.test(late.stderr)], [1, true]);
  const back = await run('config', 'push', '--revision', '1', '--replaces', '2');
  assert.match(back.stdout, /^Published revision 3\./);
});

test('config push says what stands against it', async (t) => {
  const { run } = await openCli(t);
  const bad = await run('config', 'push', fileOf(t, 'bad'));
  assert.equal(bad.code, 78);
  assert.match(bad.stderr, /^meridian\.yaml:1:2: is bad\n/);
  const small = fileOf(t, 'small');
  assert.equal((await run('config', 'push', small)).code, 1);
  assert.equal((await run('config', 'push', small, '--force')).code, 0);
  assert.equal((await run('config', 'push', small, '--force', '--replaces', '9')).code, 1);
  for (const words of [[], [small, '--revision', '1'], ['/nowhere/m.yaml']]) {
    assert.equal((await run('config', 'push', ...words)).code, 2, words.join(' '));
  }
  assert.equal((await run('config', 'pull', '--revision', 'x')).code, 2);
});

function fileOf(t: TestContext, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-push-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'meridian.yaml');
  writeFileSync(file, text);
  return file;
}
