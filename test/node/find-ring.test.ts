import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openRingCalls } from '../../src/io/ring-calls.ts';
import { probeRing } from '../../src/io/ring-probe.ts';
import { openSyscalls } from '../../src/io/syscall.ts';
import { findRing } from '../../src/node/find-ring.ts';
import { isRingThere } from '../io/ring-there.ts';

const found = openSyscalls();
const opened = openRingCalls();
const lines: string[] = [];
const log = {
  info: (event: string, message: string) => void lines.push(`info ${event} ${message}`),
  warn: (event: string, message: string) => void lines.push(`warn ${event} ${message}`),
};
const said = (): readonly string[] => lines.splice(0);

// Elsewhere there is nothing to choose.
if (found.ok && opened.ok && isRingThere()) {
  const { calls: syscalls } = found;
  const { calls } = opened;

  test('findRing() has nothing to say where rings are what they should be', async () => {
    const open = () => ({ ok: true, calls: { ...calls, isDirect: true } }) as const;
    assert.ok(await findRing(syscalls, 'auto', log, open));
    assert.deepEqual(said(), []);
  });

  test('findRing() tells of a Node that makes every call dearer, and uses the ring still', async () => {
    const open = () => ({ ok: true, calls: { ...calls, isDirect: false } }) as const;
    assert.ok(await findRing(syscalls, 'auto', log, open));
    const [line, ...others] = said();
    assert.match(String(line), /^warn sockets\.indirect Each call to io_uring costs more/);
    assert.deepEqual(others, []);
  });

  test('findRing() tells why streams do not run on a ring', async () => {
    const open = () => ({ ok: false, reason: 'not here' }) as const;
    assert.equal(await findRing(syscalls, 'auto', log, open), undefined);
    assert.equal(await findRing(syscalls, 'portable', log), undefined);
    const words = 'info sockets.without-ring Balancer workers read and write by node:net:';
    assert.deepEqual(said(), [`${words} not here.`, `${words} balancer.engine is portable.`]);
  });

  test('probeRing() finds a kernel that forbids rings, and one that lays structs out otherwise', async () => {
    const forbids = () => {
      throw new Error('io_uring_setup: EPERM');
    };
    const forbidden = { ok: true, calls: { ...calls, setup: forbids } } as const;
    assert.equal(await probeRing(syscalls, forbidden), 'io_uring_setup: EPERM');
    const moved = (entries: number, parameters: Uint8Array): number => {
      const fd = calls.setup(entries, parameters);
      // Where completions begin, moved by one.
      parameters[100] = parameters[100]! ^ 16;
      return fd;
    };
    const wrong = { ok: true, calls: { ...calls, setup: moved } } as const;
    assert.match(String(await probeRing(syscalls, wrong)), /^the self-test of io_uring failed: /);
  });
}
