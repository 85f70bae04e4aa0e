import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openBatchCalls } from '../../src/io/syscall.ts';

const SCRIPT = fileURLToPath(new URL('./fixtures/many-short-lived.ts', import.meta.url));
const ATTEMPTS = 3;

/** How many threads ended before the process did, and what of. */
function run(...words: string[]) {
  const node = ['--disable-warning=ExperimentalWarning', SCRIPT, ...words];
  const { signal, stdout } = spawnSync(process.execPath, node, { encoding: 'utf8' });
  return { ended: Number(stdout), signal };
}

test('a thread that ends while its calls are compiled takes nobody along', (t) => {
  if (!openBatchCalls().ok) return t.skip('only with node:ffi');
  assert.deepEqual(run('compile-before-exit'), { ended: 100, signal: null });
  // Without it the process crashes, sooner or later; when it does no more, workers/compiling.ts may go.
  const without = Array.from({ length: ATTEMPTS }, () => undefined).some(() => run().ended < 100);
  t.diagnostic(without ? 'needed by this Node' : 'not needed by this Node any more');
});
