import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { hangBell, heard, hush, isOver, ring } from '../../src/io/bell.ts';
import { openSyscalls } from '../../src/io/syscall.ts';

const found = openSyscalls();
const options = { skip: process.platform === 'linux' ? false : 'eventfd is of Linux' };

test(
  'a bell counts how often it was rung, and can be rung however often nobody hears',
  options,
  (t) => {
    assert.ok(found.ok);
    const { bell, close } = hangBell(found.calls);
    t.after(close);
    assert.equal(heard(bell), 0);
    for (let at = 0; at < 1000; at += 1) ring(bell);
    assert.equal(heard(bell), 1000);
    hush(bell);
    hush(bell);
    ring(bell);
    assert.equal(heard(bell), 1001);
    assert.equal(isOver(bell), false);
  },
);

test('a process ends at once though a thread of it sleeps', options, () => {
  assert.ok(found.ok);
  const script = `
    import { Worker } from 'node:worker_threads';
    import { hangBell } from './src/io/bell.ts';
    import { openBatchSockets } from './src/io/sockets.ts';
    import { openSyscalls } from './src/io/syscall.ts';
    const { calls } = openSyscalls();
    const { bell } = hangBell(calls);
    const at = { address: '127.0.0.1', port: 0 };
    const sockets = openBatchSockets(calls, at, Uint8Array.of(127, 0, 0, 1), 1).value.flat();
    const workerData = { sockets: sockets.map((socket) => socket.hand()), bell };
    const thread = new Worker('./test/io/fixtures/udp-echo.ts', { workerData, execArgv: [] });
    thread.once('message', () => setTimeout(() => process.exit(7), 100));
  `;
  const words = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script];
  // Without the ring it would take as long as a sleep at most: 10 s.
  const { status, stderr } = spawnSync(process.execPath, words, {
    timeout: 8000,
    encoding: 'utf8',
  });
  assert.equal(status, 7, stderr);
});
