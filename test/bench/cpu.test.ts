import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { nanosecondsBetween, startCpuClock } from './cpu.ts';

test('nanosecondsBetween() counts what threads took, and nothing of those that are gone', () => {
  const before = new Map([
    [1, 1000],
    [2, 5000],
    [3, 70_000],
  ]);
  // Thread 2 is another one by now, 3 has ended, 4 is new.
  const after = new Map([
    [1, 1500],
    [2, 30],
    [4, 7],
  ]);
  assert.equal(nanosecondsBetween(before, after), 500 + 30 + 7);
});

const isLinux = process.platform === 'linux';

test('startCpuClock() sees less than a tick, and does not go back when a thread ends', {
  skip: !isLinux,
}, async () => {
  const thread = new Worker(
    'const end = performance.now() + 50; while (performance.now() < end); require("node:worker_threads").parentPort.once("message", () => {}); require("node:worker_threads").parentPort.postMessage(1);',
    { eval: true },
  );
  await once(thread, 'message');
  const cpuSoFar = startCpuClock(process.pid);
  await thread.terminate();
  const endMs = performance.now() + 5;
  while (performance.now() < endMs);
  // A system call or two later the kernel has written up what this thread took.
  await new Promise((done) => setTimeout(done, 20));
  const seconds = cpuSoFar();
  assert.ok(seconds > 0 && seconds < 1, `${seconds}`);
});
