import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { hangBell, ring } from '../../src/io/bell.ts';
import { DATAGRAM_BYTES_MAX, REPLY_BYTES } from '../../src/io/datagram.ts';
import { openBatchSockets, openUdpSockets } from '../../src/io/sockets.ts';
import { openSyscalls, type ReceiveQueue, type Syscalls } from '../../src/io/syscall.ts';
import { BATCH_MAX } from '../../src/io/udp-batch.ts';
import { parseAddress } from '../../src/ip/address.ts';
import type { EchoSetting, FromEcho, ToEcho, Told } from './fixtures/udp-echo.ts';

/** What both engines of UDP have to do, each in a thread of its own and asked over real sockets. */

const found = openSyscalls();
const syscalls: Syscalls | undefined = found.ok ? found.calls : undefined;
const FIXTURE = new URL('./fixtures/udp-echo.ts', import.meta.url);
const FLOOD = new URL('./fixtures/udp-flood.ts', import.meta.url);
/** What the kernel, too, knows the thread by that serves. */
export const ECHO_NAME = 'udp echo';
/**
 * Datagrams that may be served before a message that was left earlier: those of the batch under way. The portable
 * engine's loop takes as many in a round, and comes to the message a round or two later.
 */
const OVERTAKING_MAX = { batch: BATCH_MAX, portable: 3 * BATCH_MAX } as const;

export type Engine = 'batch' | 'portable';
type Echo = {
  readonly ports: readonly number[];
  readonly thread: Worker;
  /** Of the first socket. */
  queue(): ReceiveQueue | undefined;
  post(message: ToEcho): void;
  told(): Promise<Told>;
};

/** @param addresses the first one twice = two sockets for one thread */
export async function startEcho(
  t: TestContext,
  engine: Engine,
  addresses: readonly string[],
): Promise<Echo> {
  const owned = addresses.flatMap((address) => {
    const at = { address, port: 0 };
    const bytes = parseAddress(address)!.bytes;
    const opened =
      engine === 'batch'
        ? openBatchSockets(syscalls!, at, bytes, 1)
        : openUdpSockets(syscalls, at, bytes, 1);
    assert.ok(opened.ok, `${address} can be opened`);
    return opened.value.flat();
  });
  const hung = engine === 'batch' ? hangBell(syscalls!) : undefined;
  const left = new Int32Array(new SharedArrayBuffer(4));
  const workerData: EchoSetting = {
    sockets: owned.map((socket) => socket.hand()),
    bell: hung?.bell,
    left,
  };
  const thread = new Worker(FIXTURE, { workerData, name: ECHO_NAME });
  const wake = (): void => {
    if (hung) ring(hung.bell);
  };
  t.after(async () => {
    const ended = thread.terminate();
    wake();
    await ended;
    for (const socket of owned) socket.close();
    hung?.close();
  });
  const [ready] = (await once(thread, 'message')) as [FromEcho & { type: 'ready' }];
  const post = (message: ToEcho): void => {
    thread.postMessage(message);
    wake();
    Atomics.add(left, 0, 1);
  };
  return {
    ports: ready.ports,
    thread,
    queue: () => owned[0]!.queue(),
    post,
    async told() {
      post('told');
      const [message] = (await once(thread, 'message')) as [FromEcho & { type: 'told' }];
      return message.told;
    },
  };
}

export function client(t: TestContext, family: 4 | 6 = 4): dgram.Socket {
  const socket = dgram.createSocket(family === 4 ? 'udp4' : 'udp6');
  socket.bind(0, family === 4 ? '127.0.0.1' : '::1');
  t.after(() => socket.close());
  return socket;
}

async function ask(socket: dgram.Socket, text: string, port: number, address: string) {
  await bound(socket);
  socket.send(text, port, address);
  const [bytes, from] = (await once(socket, 'message')) as [Buffer, dgram.RemoteInfo];
  return { text: bytes.toString('latin1'), from };
}

async function bound(socket: dgram.Socket): Promise<void> {
  try {
    socket.address();
  } catch {
    await once(socket, 'listening');
  }
}

export function udpConformance(engine: Engine): void {
  const named = (what: string): string => `${engine}: ${what}`;

  test(named('the reply goes to whoever asked, and the handler sees who it is'), async (t) => {
    const { ports, told } = await startEcho(t, engine, ['127.0.0.1']);
    for (const socket of [client(t), client(t)]) {
      const { from, text } = await ask(socket, 'hello', ports[0]!, '127.0.0.1');
      assert.equal((await told()).answered, socket.address().port);
      assert.equal(text, `127.0.0.1 ${socket.address().port} hello`);
      assert.deepEqual([from.address, from.port], ['127.0.0.1', ports[0]]);
    }
  });

  test(named('IPv6, too'), async (t) => {
    const { ports } = await startEcho(t, engine, ['::1']);
    const socket = client(t, 6);
    const { from, text } = await ask(socket, 'hello', ports[0]!, '::1');
    assert.equal(text, `::1 ${socket.address().port} hello`);
    assert.deepEqual([from.address, from.port], ['::1', ports[0]]);
  });

  test(named('silence is silence, and does not take the place of another reply'), async (t) => {
    const { ports, told } = await startEcho(t, engine, ['127.0.0.1']);
    const socket = client(t);
    await bound(socket);
    const heard: string[] = [];
    const done = new Promise<void>((resolve) => {
      socket.on('message', (bytes) => {
        heard.push(bytes.toString('latin1').replace(/^\S+ \S+ /, ''));
        if (heard.length === 60) resolve();
      });
    });
    for (let at = 0; at < 60; at += 1) {
      socket.send(`-${at}`, ports[0]!, '127.0.0.1');
      socket.send(`yes ${at}`, ports[0]!, '127.0.0.1');
    }
    await done;
    const expected = Array.from({ length: 60 }, (_, at) => `yes ${at}`);
    assert.deepEqual(heard.toSorted(), expected.toSorted());
    const { batches, datagrams, unsent } = await told();
    assert.deepEqual([datagrams, unsent], [120, 0]);
    assert.ok(batches >= 1 && batches <= 120);
  });

  test(named('clients that ask at one moment each get their own'), async (t) => {
    const { ports } = await startEcho(t, engine, ['127.0.0.1']);
    const sockets = Array.from({ length: 20 }, () => client(t));
    await Promise.all(sockets.map(bound));
    const answers = await Promise.all(
      sockets.map((socket, index) => ask(socket, `mine ${index}`, ports[0]!, '127.0.0.1')),
    );
    for (const [index, { text }] of answers.entries()) {
      assert.equal(text, `127.0.0.1 ${sockets[index]!.address().port} mine ${index}`);
    }
  });

  test(
    named('the longest datagram and the longest reply go, a longer datagram is dropped'),
    async (t) => {
      const { ports, told } = await startEcho(t, engine, ['127.0.0.1']);
      const socket = client(t);
      const [port] = ports as [number];
      assert.equal((await ask(socket, 'long', port, '127.0.0.1')).text.length, REPLY_BYTES);
      socket.send('-'.repeat(DATAGRAM_BYTES_MAX), port, '127.0.0.1');
      socket.send('x'.repeat(DATAGRAM_BYTES_MAX + 1), port, '127.0.0.1');
      socket.send('', port, '127.0.0.1');
      const { from } = await ask(socket, 'after', port, '127.0.0.1').then(async (first) =>
        // The empty one is echoed, too.
        first.text.endsWith('after') ? first : ask(socket, 'after', port, '127.0.0.1'),
      );
      assert.equal(from.port, port);
      assert.equal((await told()).dropped, 1);
    },
  );

  test(named('a late reply leaves when it is there, from where the query came to'), async (t) => {
    const { ports, post, told } = await startEcho(t, engine, ['127.0.0.1']);
    const sockets = [client(t), client(t)];
    await Promise.all(sockets.map(bound));
    for (const [index, socket] of sockets.entries()) {
      socket.send(`later ${index}`, ports[0]!, '127.0.0.1');
    }
    while ((await told()).datagrams < 2);
    const heard = sockets.map((socket) => once(socket, 'message') as Promise<[Buffer, unknown]>);
    post('late');
    for (const [index, promise] of heard.entries()) {
      const [bytes] = await promise;
      const { port } = sockets[index]!.address();
      assert.equal(bytes.toString('latin1'), `127.0.0.1 ${port} later ${index}`);
    }
  });

  test(named('one thread serves several sockets'), async (t) => {
    const { ports } = await startEcho(t, engine, ['127.0.0.1', '::1', '127.0.0.1']);
    const [four, six] = [client(t), client(t, 6)];
    for (let round = 0; round < 3; round += 1) {
      assert.match((await ask(four, 'a', ports[0]!, '127.0.0.1')).text, /^127\.0\.0\.1 \d+ a$/);
      assert.match((await ask(six, 'b', ports[1]!, '::1')).text, /^::1 \d+ b$/);
      assert.match((await ask(four, 'c', ports[2]!, '127.0.0.1')).text, /^127\.0\.0\.1 \d+ c$/);
    }
  });

  test(named('messages are met while nothing comes, and under load'), async (t) => {
    const { ports, queue, told } = await startEcho(t, engine, ['127.0.0.1']);
    assert.equal((await told()).datagrams, 0);
    const flood = new Worker(FLOOD, { workerData: ports[0] });
    t.after(() => flood.terminate());
    for (let round = 0; round < 20; round += 1) {
      await overflow(queue);
      const { overtook } = await told();
      assert.ok(overtook <= OVERTAKING_MAX[engine], `${overtook} datagrams overtook a message`);
    }
    assert.ok((await told()).datagrams > 0);
  });

  test(named('a thread that dies takes no socket along'), async (t) => {
    const { ports, thread } = await startEcho(t, engine, ['127.0.0.1']);
    const socket = client(t);
    await bound(socket);
    const died = once(thread, 'error');
    socket.send('boom', ports[0]!, '127.0.0.1');
    const [error] = await died;
    assert.match(String(error), /boom/);
    if (syscalls === undefined) return;
    // Still bound: nobody else can have it alone.
    assert.throws(() => syscalls.udpSocket(Uint8Array.of(127, 0, 0, 1), ports[0]!, false), {
      code: 'EADDRINUSE',
    });
  });
}

/** Resolves when the kernel has just thrown datagrams away, where it tells: there is more than can be served. */
async function overflow(queue: () => ReceiveQueue | undefined): Promise<void> {
  const before = queue();
  while (before !== undefined && queue()?.drops === before.drops) await delay(1);
}
