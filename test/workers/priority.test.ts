import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('./fixtures/go-first.ts', import.meta.url));

/** @param words what the program is started by */
function run(...words: readonly string[]): unknown {
  const [command = '', ...others] = [...words, process.execPath, PROGRAM];
  const { stderr, stdout } = spawnSync(command, others, { encoding: 'utf8' });
  assert.match(stdout, /^\[/, stderr);
  return JSON.parse(stdout);
}

const isLinux = process.platform === 'linux';

test('goFirst() is for the thread that calls it, where it may', { skip: !isLinux }, () => {
  const mayDo = spawnSync('nice', ['-n', '-5', 'true']).stderr.length === 0;
  assert.deepEqual(run(), mayDo ? [true, -5, 0] : [false, 0, 0]);
});

test('goFirst() leaves a process that is nice as it is', { skip: !isLinux }, () => {
  assert.deepEqual(run('nice', '-n', '3'), [false, 3, 3]);
});
