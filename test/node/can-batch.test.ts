import assert from 'node:assert/strict';
import { test } from 'node:test';
import { probeBatches } from '../../src/io/batch-probe.ts';
import { openBatchCalls, openSyscalls } from '../../src/io/syscall.ts';
import { canBatch } from '../../src/node/can-batch.ts';

const found = openSyscalls();
const opened = openBatchCalls();
const lines: string[] = [];
const log = {
  info: (event: string, message: string) => void lines.push(`info ${event} ${message}`),
  warn: (event: string, message: string) => void lines.push(`warn ${event} ${message}`),
};
const said = (): readonly string[] => lines.splice(0);

// Elsewhere there is nothing to choose.
if (found.ok && opened.ok && probeBatches(found.calls, opened) === undefined) {
  const { calls: syscalls } = found;
  const { calls } = opened;

  test('canBatch() has nothing to say where batches are what they should be', () => {
    const open = () => ({ ok: true, calls: { ...calls, isDirect: true } }) as const;
    assert.equal(canBatch(syscalls, 'auto', log, open), true);
    assert.deepEqual(said(), []);
  });

  test('canBatch() tells of a Node that makes every call dearer, and uses batches still', () => {
    const open = () => ({ ok: true, calls: { ...calls, isDirect: false } }) as const;
    assert.equal(canBatch(syscalls, 'auto', log, open), true);
    const [line, ...others] = said();
    assert.match(
      String(line),
      /^warn sockets\.indirect Each batch over UDP costs more than it should: Node \d/,
    );
    assert.deepEqual(others, []);
  });

  test('canBatch() tells why UDP is not read by the batch', () => {
    const open = () => ({ ok: false, reason: 'not here' }) as const;
    assert.equal(canBatch(syscalls, 'auto', log, open), false);
    assert.equal(canBatch(syscalls, 'portable', log), false);
    const words = 'info sockets.one-by-one UDP is read one datagram after the other:';
    assert.deepEqual(said(), [`${words} not here.`, `${words} dns.udpEngine is portable.`]);
  });
}
