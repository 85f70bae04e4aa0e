import assert from 'node:assert/strict';
import { once } from 'node:events';
import { fstatSync, openSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type {
  Connection,
  ConnectionHandlers,
  Listener,
  StreamEngine,
} from '../../src/io/stream.ts';

const SMALL_WRITES = 60;
/** No more than waits for a reader who has just come. */
const SAID_BYTES = 50_000;
/** More than the kernels of both sides take. */
const WRITTEN_BYTES = 16 * 1024 * 1024;
/** Linux acknowledges what it has nothing to say to so much later; RFC 896 would wait for that. */
const ACK_DELAY_MS = 40;

/** Around the sizes from which on memory is another. */
const SIZES = [1, 100, 4095, 4096, 4097, 16_384, 16_385, 65_535, 65_536, 65_537, 1_048_577];

/** What every stream engine promises (`src/io/stream.ts`). Call it from one test file per engine. */
export function testStreamEngine(create: () => StreamEngine): void {
  const engine = create();

  test(`${engine.name}: closes a descriptor that it was handed and cannot listen on`, async () => {
    const fd = openSync(fileURLToPath(import.meta.url), 'r');
    await assert.rejects(
      engine.listen({ fd }, () => recorder().handlers),
      { code: 'ENOTSOCK' },
    );
    assert.throws(() => fstatSync(fd), { code: 'EBADF' });
  });

  test(`${engine.name}: carries bytes both ways and closes when both sides have finished`, async () => {
    const { server, listener, accepted, client, connection } = await dial(engine);
    await client.until((events) => events.includes('open'));
    connection.write(Buffer.from('ping'));
    await server.until(() => server.text() === 'ping');
    const other = await accepted;
    assert.equal(other.remoteAddress, '127.0.0.1');
    assert.equal(connection.remotePort, listener.port);
    other.write(Buffer.from('pong'));
    other.end();
    await client.until((events) => events.includes('end'));
    assert.equal(client.text(), 'pong');
    connection.write(Buffer.from('!'));
    connection.end();
    await server.until((events) => events.includes('close:'));
    await client.until((events) => events.includes('close:'));
    assert.equal(server.text(), 'ping!');
    assert.deepEqual(
      client.events.filter((event) => event !== 'data'),
      ['open', 'end', 'close:'],
    );
    await listener.close();
  });

  test(`${engine.name}: lets the caller reuse what was given to write`, async () => {
    const { server, listener, connection } = await dial(engine);
    const bytes = new Uint8Array(200_000);
    for (let round = 0; round < 20; round++) {
      bytes.fill(0x61 + round);
      connection.write(bytes);
    }
    bytes.fill(0);
    connection.end();
    await server.until((events) => events.includes('end'));
    const text = server.text();
    assert.equal(text.length, 20 * 200_000);
    for (let round = 0; round < 20; round++) {
      const part = text.slice(round * 200_000, (round + 1) * 200_000);
      assert.equal(part, String.fromCharCode(0x61 + round).repeat(200_000));
    }
    connection.destroy();
    await listener.close();
  });

  test(`${engine.name}: writes of every size come as they were, read at once or slowly`, async () => {
    const { server, listener, accepted, client, connection } = await dial(engine);
    await client.until((events) => events.includes('open'));
    const bytes = new Uint8Array(SIZES.at(-1)!);
    const sent: Buffer[] = [];
    for (const [turn, size] of [...SIZES, ...SIZES.toReversed()].entries()) {
      // Some are written while nobody reads, and some when all before has gone.
      const other = await accepted;
      if (turn % 3 === 0) other.pause();
      else other.resume();
      for (let at = 0; at < size; at++) bytes[at] = (turn * 31 + at) % 251;
      sent.push(Buffer.from(bytes.subarray(0, size)));
      connection.write(bytes, size);
      bytes.fill(0xff);
      if (turn % 4 === 0) await new Promise(setImmediate);
    }
    connection.end();
    (await accepted).resume();
    await server.until((events) => events.includes('end'));
    assert.equal(server.text(), Buffer.concat(sent).toString('latin1'));
    connection.destroy();
    await listener.close();
  });

  test(`${engine.name}: holds bytes and the end back while paused, and signals back-pressure`, async () => {
    const { server, listener, accepted, client, connection } = await dial(engine);
    connection.write(Buffer.from('a'));
    const other = await accepted;
    await server.until((events) => events.includes('data'));
    other.pause();
    const before = server.text().length;
    let written = 1;
    const block = new Uint8Array(256 * 1024).fill(0x62);
    for (let more = true; more; written += block.length) more = connection.write(block);
    connection.end();
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    assert.equal(server.text().length, before, 'nothing comes while paused');
    other.resume();
    await server.until((events) => events.includes('end'));
    assert.equal(server.text().length, written);
    await client.until((events) => events.includes('drain'));
    connection.destroy();
    other.destroy();
    await listener.close();
  });

  test(`${engine.name}: holds the end back while paused when nothing else is left`, async () => {
    const { server, listener, accepted, client, connection } = await dial(engine);
    connection.write(Buffer.from('a'));
    const other = await accepted;
    await server.until((events) => events.includes('data'));
    other.pause();
    connection.end();
    // What the server writes now has come after the end could be read.
    other.write(Buffer.from('b'));
    await client.until((events) => events.includes('data'));
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    assert.ok(!server.events.includes('end'), 'the end waits');
    other.resume();
    await server.until((events) => events.includes('end'));
    assert.equal(server.events.filter((event) => event === 'end').length, 1);
    connection.destroy();
    other.destroy();
    await listener.close();
  });

  test(`${engine.name}: says nothing more after destroy, and the peer hears of it`, async () => {
    const { server, listener, accepted, client, connection } = await dial(engine);
    const other = await accepted;
    await client.until((events) => events.includes('open'));
    other.write(Buffer.from('x'));
    connection.destroy();
    await server.until((events) => events.some((event) => /^(end|close)/.test(event)));
    assert.deepEqual(client.events, ['open']);
    other.destroy();
    await listener.close();
  });

  test(`${engine.name}: shows a reset as a problem`, async () => {
    const { listener, accepted, client, connection } = await dial(engine);
    connection.write(Buffer.from('x'));
    (await accepted).reset();
    await client.until((events) => events.some((event) => event.startsWith('close')));
    assert.equal(client.events.at(-1), 'close:ECONNRESET');
    await listener.close();
  });

  test(`${engine.name}: gives all that a server had said before it broke off`, async (t) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.write('a'));
      t.after(() => socket.destroy());
    });
    t.after(() => server.close());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const client = recorder();
    const taker = once(server, 'connection') as Promise<[Socket]>;
    const connection = engine.connect({ address: '127.0.0.1', port }, client.handlers);
    connection.write(Buffer.from('x'));
    await client.until(() => client.text() === 'a');
    connection.pause();
    const [socket] = await taker;
    socket.write(Buffer.alloc(SAID_BYTES, 'b'));
    socket.resetAndDestroy();
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    assert.equal(client.text(), 'a');
    connection.resume();
    await client.until((events) => events.some((event) => event.startsWith('close')));
    assert.equal(client.text().length, 1 + SAID_BYTES);
    assert.deepEqual(client.events, ['open', 'data', 'close:ECONNRESET']);
  });

  test(`${engine.name}: tells of what was written how much is taken`, async () => {
    const { listener, accepted, client, connection } = await dial(engine);
    const other = await accepted;
    await client.until((events) => events.includes('open'));
    other.pause();
    while (connection.write(new Uint8Array(WRITTEN_BYTES)));
    const stuck = await whenSteady(() => connection.taken());
    assert.ok(!client.events.includes('drain'));
    other.resume();
    while (connection.taken() === stuck) await new Promise(setImmediate);
    assert.ok(!client.events.includes('drain'), 'before anything is said of it');
    connection.destroy();
    other.destroy();
    assert.equal(connection.taken(), 0, 'of what is closed nothing');
    await listener.close();
  });

  test(`${engine.name}: tells the round-trip time to the peer, from the handshake on`, async () => {
    const { listener, accepted, client, connection } = await dial(engine);
    const other = await accepted;
    await client.until((events) => events.includes('open'));
    for (const end of [other, connection]) {
      const ms = end.roundTripMs();
      assert.ok(ms > 0 && ms < 1000, `${ms}`);
    }
    connection.destroy();
    other.destroy();
    assert.equal(connection.roundTripMs(), 0, 'of what is closed none');
    await listener.close();
  });

  test(`${engine.name}: tells why a connection could not be made`, async () => {
    const { listener } = await listen(engine, recorder());
    await listener.close();
    const client = recorder();
    engine.connect({ address: '127.0.0.1', port: listener.port }, client.handlers);
    assert.deepEqual(client.events, [], 'never from within the call');
    await client.until((events) => events.length > 0);
    assert.deepEqual(client.events, ['close:ECONNREFUSED']);
  });

  test(`${engine.name}: rejects when the address is taken and connects from a local address`, async () => {
    const server = recorder();
    const { listener, accepted } = await listen(engine, server);
    await assert.rejects(
      engine.listen({ address: '127.0.0.1', port: listener.port }, () => recorder().handlers),
      { code: 'EADDRINUSE' },
    );
    const connection = engine.connect(
      { address: '127.0.0.1', port: listener.port, localAddress: '127.0.0.2' },
      recorder().handlers,
    );
    assert.equal((await accepted).remoteAddress, '127.0.0.2');
    connection.destroy();
    await listener.close();
  });

  test(`${engine.name}: small writes wait for no acknowledgement, on neither side`, async () => {
    const server = recorder();
    const { accepted, listener } = await listen(engine, server);
    const client = recorder();
    const connection = engine.connect(
      { address: '127.0.0.1', port: listener.port },
      client.handlers,
    );
    const other = await accepted;
    const medians: number[] = [];
    const came = (): number => server.text().length + client.text().length;
    for (const [from, to] of [
      [connection, other],
      [other, connection],
    ] as const) {
      const took: number[] = [];
      for (let round = 0; round < SMALL_WRITES; round++) {
        const before = came();
        // Who answers acknowledges along with the answer, and from then on acknowledges late.
        to.write(Buffer.from('?'));
        await Promise.race([server, client].map(({ until }) => until(() => came() > before)));
        const beganMs = performance.now();
        for (let piece = 2; piece <= 4; piece++) {
          from.write(Buffer.from('x'));
          await Promise.race(
            [server, client].map(({ until }) => until(() => came() >= before + piece)),
          );
        }
        took.push(performance.now() - beganMs);
      }
      const median = took.sort((a, b) => a - b)[SMALL_WRITES / 2]!;
      medians.push(median);
    }
    connection.destroy();
    await listener.close();
    for (const median of medians) {
      assert.ok(median < ACK_DELAY_MS / 2, `${median} ms for three octets`);
    }
  });

  test(`${engine.name}: a closed listener accepts nothing and leaves its connections alone`, async () => {
    const { listener, accepted, client, connection } = await dial(engine);
    const other = await accepted;
    await listener.close();
    other.write(Buffer.from('still here'));
    await client.until(() => client.text() === 'still here');
    connection.destroy();
    other.destroy();
  });
}

/** When it has not changed in many turns. */
async function whenSteady(read: () => number): Promise<number> {
  let last = read();
  for (let same = 0; same < 10; same++) {
    await new Promise(setImmediate);
    const now = read();
    if (now !== last) same = 0;
    last = now;
  }
  return last;
}

type Recorder = {
  readonly handlers: ConnectionHandlers;
  readonly events: string[];
  text(): string;
  until(condition: (events: readonly string[]) => boolean): Promise<void>;
};

function recorder(): Recorder {
  const events: string[] = [];
  const parts: Buffer[] = [];
  let wake = (): void => {};
  const note = (event: string): void => {
    if (events.at(-1) !== event) events.push(event);
    wake();
  };
  return {
    events,
    text: () => Buffer.concat(parts).toString('latin1'),
    async until(condition) {
      while (!condition(events)) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
    },
    handlers: {
      onOpen: () => note('open'),
      onData(bytes) {
        parts.push(Buffer.from(bytes));
        note('data');
      },
      onEnd: () => note('end'),
      onDrain: () => note('drain'),
      onClose: (problem) => note(`close:${problem}`),
    },
  };
}

/** A listener, and a connection to it. */
async function dial(engine: StreamEngine) {
  const [server, client] = [recorder(), recorder()];
  const { listener, accepted } = await listen(engine, server);
  const there = { address: '127.0.0.1', port: listener.port };
  return { server, client, listener, accepted, connection: engine.connect(there, client.handlers) };
}

async function listen(
  engine: StreamEngine,
  server: Recorder,
): Promise<{ readonly listener: Listener; readonly accepted: Promise<Connection> }> {
  const { promise, resolve } = Promise.withResolvers<Connection>();
  const listener = await engine.listen({ address: '127.0.0.1', port: 0 }, (connection) => {
    resolve(connection);
    return server.handlers;
  });
  return { listener, accepted: promise };
}
