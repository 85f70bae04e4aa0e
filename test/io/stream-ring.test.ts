import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { PIECES } from '../../src/io/receive-slab.ts';
import { openRingCalls } from '../../src/io/ring-calls.ts';
import { probeRing } from '../../src/io/ring-probe.ts';
import type { Connection, Listener } from '../../src/io/stream.ts';
import { createRingEngine } from '../../src/io/stream-ring.ts';
import { openSyscalls } from '../../src/io/syscall.ts';
import { compileBeforeExit } from '../../src/workers/compiling.ts';
import { isRingThere } from './ring-there.ts';
import { testStreamEngine } from './stream-conformance.ts';

const opened = openRingCalls();
const syscalls = openSyscalls();

// Where the kernel forbids it there is nothing to try: the probe has tests of its own.
if (opened.ok && syscalls.ok && isRingThere()) {
  test('the ring is found good where there is one', async () => {
    assert.equal(await probeRing(syscalls.calls, opened), undefined);
  });
  compileBeforeExit();
  const create = () => createRingEngine(opened.calls, syscalls.calls);
  testStreamEngine(create);
  const engine = create();

  /** Sends back what it gets, from where it was received. */
  const echoing = (): Promise<Listener> =>
    engine.listen({ address: '127.0.0.1', port: 0 }, (connection) => ({
      onData: (bytes) => {
        if (!connection.write(bytes)) connection.pause();
      },
      onDrain: () => connection.resume(),
      onEnd: () => connection.end(),
      onClose() {},
    }));

  test('the ring sends on what it has received, however much, in order', async () => {
    const listener = await echoing();
    const sent = Buffer.from(Uint32Array.from({ length: 1_000_000 }, (_, at) => at).buffer);
    const client = net.connect(listener.port, '127.0.0.1');
    client.end(sent);
    const parts: Buffer[] = [];
    client.on('data', (part: Buffer) => parts.push(part));
    await once(client, 'close');
    assert.ok(Buffer.concat(parts).equals(sent));
    await listener.close();
  });

  test('the ring gives an early answer, though what is still written breaks off', async (t) => {
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      // What it has not read makes a reset of the end, as it does with servers that refuse an upload.
      socket.pause();
      socket.write('no', () => socket.destroy());
    });
    t.after(() => server.close());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as net.AddressInfo;
    const block = new Uint8Array(100_000);
    for (let round = 0; round < 50; round += 1) {
      const { promise, resolve } = Promise.withResolvers<string>();
      let said = '';
      let isOver = false;
      const over = (how: string): void => {
        isOver = true;
        resolve(`${said} ${how}`);
      };
      const line: Connection = engine.connect(
        { address: '127.0.0.1', port },
        {
          onOpen: () => void line.write(block),
          onData: (bytes) => {
            said += Buffer.from(bytes).toString();
          },
          onEnd: () => over('ended in order'),
          onDrain() {},
          onClose: over,
        },
      );
      while (!isOver) {
        line.write(block);
        await new Promise(setImmediate);
      }
      assert.match(await promise, /^no (EPIPE|ECONNRESET)$/);
    }
  });

  test('the ring tells nobody of what came for a connection that had the slot before', async () => {
    const listener = await echoing();
    let wrong = 0;
    for (let round = 0; round < 50; round += 1) {
      // All of them are destroyed with bytes on their way, and their slots used again at once.
      const lines = Array.from({ length: 20 }, (_, index) => {
        const mark = (round * 20 + index) & 0xff;
        const line: Connection = engine.connect(
          { address: '127.0.0.1', port: listener.port },
          {
            onOpen: () => void line.write(new Uint8Array(1000).fill(mark)),
            onData: (bytes) => {
              wrong += bytes.filter((octet) => octet !== mark).length;
              if (index % 2 === 0) line.destroy();
              else line.end();
            },
            onEnd() {},
            onDrain() {},
            onClose() {},
          },
        );
        return line;
      });
      await new Promise<void>((done) => setTimeout(done, 1));
      for (const line of lines) if (line.id % 3 === 0) line.destroy();
    }
    assert.equal(wrong, 0);
    await listener.close();
  });

  test('the ring goes on when it has had more connections than 32 bits can count', async () => {
    const old = createRingEngine(opened.calls, syscalls.calls, { firstId: 2 ** 32 - 3 });
    const listeners: Listener[] = [];
    const ids: number[] = [];
    for (let round = 0; round < 6; round += 1) {
      const listener = await old.listen({ address: '127.0.0.1', port: 0 }, (connection) => {
        ids.push(connection.id);
        return { onData() {}, onDrain() {}, onEnd: () => connection.end(), onClose() {} };
      });
      listeners.push(listener);
      const client = net.connect(listener.port, '127.0.0.1');
      client.end('x');
      client.resume();
      await once(client, 'close');
    }
    assert.ok(
      ids.every((id, at) => at === 0 || id > ids[at - 1]!),
      String(ids),
    );
    for (const listener of listeners) await listener.close();
    old.close();
  });

  test('the ring serves more connections at once than it tells of in one turn', async () => {
    const listener = await echoing();
    const count = 1500;
    let answered = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    const lines = Array.from({ length: count }, () =>
      engine.connect(
        { address: '127.0.0.1', port: listener.port },
        {
          onOpen() {},
          onData: () => {
            answered += 1;
            if (answered === count) resolve();
          },
          onEnd() {},
          onDrain() {},
          onClose() {},
        },
      ),
    );
    // What is written before the connection is there goes when it is.
    for (const line of lines) line.write(Uint8Array.of(1));
    await promise;
    for (const line of lines) line.destroy();
    await listener.close();
  });

  test('clients that read nothing do not keep the others from being served', async () => {
    const listener = await echoing();
    const idle = Array.from({ length: PIECES + 50 }, () => net.connect(listener.port, '127.0.0.1'));
    for (const socket of idle) {
      socket.pause();
      socket.on('error', () => {});
      socket.write(Buffer.alloc(1024 * 1024));
    }
    for (let round = 0; round < 20; round += 1) {
      const client = net.connect(listener.port, '127.0.0.1');
      client.end(Buffer.alloc(100_000, round));
      let came = 0;
      client.on('data', (part: Buffer) => {
        came += part.filter((octet) => octet === round).length;
      });
      await once(client, 'close');
      assert.equal(came, 100_000);
    }
    for (const socket of idle) socket.destroy();
    await listener.close();
  });

  test('no octets of others come where paused connections were destroyed', async () => {
    const paused: Connection[] = [];
    const listener = await engine.listen({ address: '127.0.0.1', port: 0 }, (connection) => {
      paused.push(connection);
      return { onData: () => connection.pause(), onEnd() {}, onDrain() {}, onClose() {} };
    });
    const echo = await echoing();
    for (let taken = 0; taken < 2 * PIECES; taken += 32) {
      const clients = Array.from({ length: 32 }, () => net.connect(listener.port, '127.0.0.1'));
      for (const client of clients) {
        client.on('error', () => {});
        client.write(Buffer.alloc(300_000));
      }
      const client = net.connect(echo.port, '127.0.0.1');
      client.end(Buffer.alloc(200_000, 7));
      let came = 0;
      client.on('data', (part: Buffer) => {
        came += part.filter((octet) => octet === 7).length;
      });
      await once(client, 'close');
      assert.equal(came, 200_000);
      for (const connection of paused.splice(0)) connection.destroy();
      for (const socket of clients) socket.destroy();
    }
    await Promise.all([listener.close(), echo.close()]);
  });

  test('an engine that is closed closes its connections and its listeners', async () => {
    const other = create();
    const listener = await other.listen({ address: '127.0.0.1', port: 0 }, () => ({
      onData() {},
      onEnd() {},
      onDrain() {},
      onClose() {},
    }));
    const client = net.connect(listener.port, '127.0.0.1');
    await once(client, 'connect');
    client.resume();
    client.on('error', () => {});
    client.write('x');
    await new Promise<void>((done) => setTimeout(done, 50));
    other.close();
    await once(client, 'close');
    // What its users still say goes nowhere: the memory may be somebody else's by now.
    await listener.close();
    const late = net.connect(listener.port, '127.0.0.1');
    const [error] = await once(late, 'error');
    assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED');
  });
}
