import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../workers/fixtures/many-short-lived.ts', import.meta.url));

// Elsewhere no thread calls the kernel itself.
if (process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)) {
  test('a thread that ends while its calls are compiled takes nobody along', () => {
    const node = ['--disable-warning=ExperimentalWarning', SCRIPT];
    const { signal, stderr, stdout } = spawnSync(process.execPath, node, { encoding: 'utf8' });
    assert.equal(signal, null, stderr);
    assert.equal(stdout, '240');
  });
}
