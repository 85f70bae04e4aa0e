import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { giveBackMemory } from '../../src/io/syscall.ts';

const SCRIPT = fileURLToPath(new URL('./fixtures/held-memory.ts', import.meta.url));
/** What the buffers that stay take. */
const KEPT_MB = 25;

/** MB that a process holds more than at its start, after each round. */
function held(...words: string[]): readonly number[] {
  const flags = ['--expose-gc', '--disable-warning=ExperimentalWarning'];
  const { stderr, stdout } = spawnSync(process.execPath, [...flags, SCRIPT, ...words], {
    encoding: 'utf8',
  });
  assert.notEqual(stdout, '', stderr);
  const [start = 0, ...rounds] = (JSON.parse(stdout) as { told: number[] }).told;
  return rounds.map((mb) => mb - start);
}

const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
const hasGlibc = header.glibcVersionRuntime !== undefined;

test('memory is given back by the C library that would keep it', () => {
  assert.equal(giveBackMemory(), hasGlibc);
});

// Others have no such heap.
if (hasGlibc) test('large buffers that are replaced leave nothing behind', leavesNothing);

function leavesNothing(): void {
  const given = held('give-back');
  assert.ok(Math.max(...given) < 2 * KEPT_MB, given.join(', '));
  const left = held();
  assert.ok(left.at(-1)! > 4 * KEPT_MB, `it is of no use any more: ${left.join(', ')}`);
}
