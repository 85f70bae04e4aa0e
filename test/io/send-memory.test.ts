import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { setTimeout as passed } from 'node:timers/promises';
import { createReceiveSlab } from '../../src/io/receive-slab.ts';
import { createRing, DONE_BUFFER } from '../../src/io/ring.ts';
import { openRingCalls, type RingCalls } from '../../src/io/ring-calls.ts';
import { createLedgerMemory, openLedger, settleLedger } from '../../src/io/ring-ledger.ts';
import { complete, type Hub, Line, PURPOSE } from '../../src/io/ring-line.ts';
import { createRingScratch } from '../../src/io/ring-scratch.ts';
import { createSendMemory, createSendQueue } from '../../src/io/send-queue.ts';
import type { Connection } from '../../src/io/stream.ts';
import { createRingEngine } from '../../src/io/stream-ring.ts';
import { openSyscalls } from '../../src/io/syscall.ts';
import { compileBeforeExit } from '../../src/workers/compiling.ts';
import { isRingThere } from './ring-there.ts';

/** What waits to be sent has a bound, and what a burst needed goes back. */

const MB = 1024 * 1024;
const opened = openRingCalls();
const syscalls = openSyscalls();

/** A ring with its memory, and nothing that runs it. */
function createParts(calls: RingCalls, bytesMax: number) {
  const ledgerMemory = createLedgerMemory();
  const ledger = openLedger(ledgerMemory);
  const ring = createRing(calls, 8, ledger);
  const slab = createReceiveSlab(calls, ring.fd);
  return { ledger, ledgerMemory, ring, slab, memory: createSendMemory(calls, slab, bytesMax) };
}

if (opened.ok && syscalls.ok && isRingThere()) {
  const { calls } = opened;

  test('memory of a burst is given back when nobody has used it for a while, and comes again', () => {
    const { ledgerMemory, memory, ring } = createParts(calls, 32 * MB);
    const burst = 48;
    const bytes = new Uint8Array(MB).fill(7);
    const queues = Array.from({ length: burst }, createSendQueue);
    const before = process.memoryUsage.rss();
    for (let round = 0; round < 2; round += 1) {
      for (const [index, queue] of queues.entries()) {
        assert.equal(memory.isShort(), index >= 32, `${index} MiB`);
        memory.put(queue, bytes, bytes.length);
      }
      assert.ok(process.memoryUsage.rss() - before > (burst - 8) * MB);
      for (const queue of queues) memory.clear(queue);
      assert.ok(!memory.isShort());
      memory.tidyUp(round * 10_000);
      assert.ok(process.memoryUsage.rss() - before > (burst - 8) * MB, 'it was used just now');
      memory.tidyUp(round * 10_000 + 5_000);
      const left = process.memoryUsage.rss() - before;
      assert.ok(left < 12 * MB, `${left} octets are left in round ${round}`);
    }
    ring.shut();
    settleLedger(ledgerMemory, calls);
  });

  test('an end that comes with a piece is an end, and the piece goes back', () => {
    const { ledger, ledgerMemory, memory, ring, slab } = createParts(calls, MB);
    const hub: Hub = {
      ...{ calls, ledger, memory, ring, slab, scratch: createRingScratch(calls, 8) },
      ...{ nextId: 1, nowMs: 0, pending: 0, dirty: [], later: [], starved: [] },
      readEnds: () => ({ address: '', port: 0 }),
      wake() {},
      gone() {},
    };
    const heard: string[] = [];
    const line = new Line(hub, 1, 1, {
      onData: () => void heard.push('data'),
      onEnd: () => void heard.push('end'),
      onDrain() {},
      onClose() {},
    });
    line.state = 'open';
    line.receiving = true;
    line.pending = 1;
    complete(line, PURPOSE.receive, 0, DONE_BUFFER | (3 << 16));
    assert.deepEqual(heard, ['end']);
    assert.ok(!line.receiving);
    memory.hold(3);
    memory.release(3);
    ring.shut();
    settleLedger(ledgerMemory, calls);
  });

  test('beyond the limit each connection may leave a little, and everything comes when it is read', async () => {
    compileBeforeExit();
    const bytesMax = MB;
    const engine = createRingEngine(calls, syscalls.calls, { sendBytesMax: bytesMax });
    const readers = 48;
    const wanted = 8 * MB;
    const part = new Uint8Array(4096);
    const sent = new Map<Connection, number>();
    /** Written since `write` gave false: nothing, if the writer keeps to it. */
    let waiting = 0;
    let waitingMost = 0;
    const queued = new Map<Connection, number>();
    const pump = (connection: Connection): void => {
      for (;;) {
        const done = sent.get(connection) ?? 0;
        if (done === wanted) {
          connection.end();
          return;
        }
        sent.set(connection, done + part.length);
        if (connection.write(part)) {
          queued.set(connection, (queued.get(connection) ?? 0) + part.length);
          waiting += part.length;
        } else return;
        waitingMost = Math.max(waitingMost, waiting);
      }
    };
    const listener = await engine.listen({ address: '127.0.0.1', port: 0 }, (connection) => {
      queueMicrotask(() => pump(connection));
      return {
        onData() {},
        onEnd() {},
        onDrain() {
          waiting -= queued.get(connection) ?? 0;
          queued.set(connection, 0);
          pump(connection);
        },
        onClose() {},
      };
    });
    const came = new Array<number>(readers).fill(0);
    const clients = came.map((_, index) => {
      const client = net.connect(listener.port, '127.0.0.1');
      client.pause();
      client.on('data', (bytes: Buffer) => {
        came[index]! += bytes.length;
      });
      return client;
    });
    let before = -1;
    const total = (): number => [...sent.values()].reduce((sum, each) => sum + each, 0);
    // Until the kernel has taken what it takes for those who do not read.
    while (total() !== before) {
      before = total();
      await passed(200);
    }
    assert.equal(sent.size, readers);
    assert.ok(waiting <= bytesMax, `${waiting} octets wait`);
    assert.ok(waitingMost <= bytesMax + readers * part.length, `${waitingMost} octets waited`);
    await Promise.all(
      clients.map((client) => {
        client.resume();
        return new Promise((resolve) => client.once('end', resolve));
      }),
    );
    assert.deepEqual(
      came,
      came.map(() => wanted),
    );
    for (const client of clients) client.destroy();
    await listener.close();
    engine.close();
  });
}
