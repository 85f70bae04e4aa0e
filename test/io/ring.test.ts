import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRing } from '../../src/io/ring.ts';
import { openRingCalls } from '../../src/io/ring-calls.ts';
import { createLedgerMemory, openLedger, settleLedger } from '../../src/io/ring-ledger.ts';
import { isRingThere } from './ring-there.ts';

const opened = openRingCalls();

if (opened.ok && isRingThere()) {
  test('a ring of which the kernel takes nothing any more says so, and does not try for ever', () => {
    const memory = createLedgerMemory();
    let refuses = false;
    const calls: typeof opened.calls = {
      ...opened.calls,
      enter: (...parameters) => (refuses ? -1 : opened.calls.enter(...parameters)),
    };
    const ring = createRing(calls, 8, openLedger(memory));
    for (let entry = 0; entry < 20; entry += 1) ring.entry();
    refuses = true;
    assert.throws(() => {
      for (let entry = 0; entry < 20; entry += 1) ring.entry();
    }, /io_uring_enter fails/);
    refuses = false;
    ring.entry();
    ring.shut();
    assert.equal(ring.entry(), 0);
    settleLedger(memory, opened.calls);
  });
}
