import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSyscalls } from '../../src/io/syscall.ts';
import { runCommand } from '../node/program.ts';

/** Memory is tidied up between any two steps; what was let go of is soon something else. */
const SCRIPT = `
  import { openSyscalls } from './src/io/syscall.ts';
  const { calls } = openSyscalls();
  const fds = [Uint8Array.of(127, 0, 0, 1), new Uint8Array(16)].map((any) => calls.udpSocket(any, 0, true));
  const look = () => JSON.stringify(fds.map((fd) => [calls.localPort(fd), calls.receiveQueue(fd)]));
  const first = look();
  const litter = [];
  for (let round = 0; round < 50000; round += 1) {
    litter[round % 64] = new Uint8Array(28).fill(255);
    calls.sendWhole(fds[round % 2], round % 2 === 0 ? 4 : 6);
    if (look() !== first) throw new Error(look() + ' was ' + first);
  }
  console.log('the same');
`;

// Elsewhere there are none.
if (openSyscalls().ok) {
  test('what the kernel reads and writes is there for as long as a call takes', async (t) => {
    const flags = ['--disable-warning=ExperimentalWarning', '--random-gc-interval=60'];
    const words = [...flags, '--input-type=module-typescript', '-e', SCRIPT];
    const { code, signal, stderr, stdout } = await runCommand(t, process.execPath, words);
    assert.deepEqual(
      { code, signal, stdout },
      { code: 0, signal: null, stdout: 'the same\n' },
      stderr,
    );
  });
}
