import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import type { Connection } from '../../src/io/stream.ts';
import { createPortableEngine } from '../../src/io/stream-portable.ts';
import { testStreamEngine } from './stream-conformance.ts';

testStreamEngine(createPortableEngine);

test('gives its socket away while a connection is handed over, and tells of its end alone', async () => {
  const heard: string[] = [];
  const taken = Promise.withResolvers<net.Socket>();
  const gone = Promise.withResolvers<void>();
  const where = { address: '127.0.0.1', port: 0 };
  const listener = await createPortableEngine().listen(where, (connection) => {
    taken.resolve(connection.takeSocket!()!);
    return {
      onData: () => void heard.push('data'),
      onEnd: () => void heard.push('end'),
      onDrain: () => void heard.push('drain'),
      onClose: () => gone.resolve(),
    };
  });
  const client = net.connect(listener.port, '127.0.0.1');
  client.write('for the other');
  const [bytes] = await once(await taken.promise, 'data');
  assert.equal(String(bytes), 'for the other');
  client.resetAndDestroy();
  await gone.promise;
  assert.deepEqual(heard, []);
  await listener.close();
});

test('keeps a socket once it reads it', async (t) => {
  const accepted = Promise.withResolvers<Connection>();
  const where = { address: '127.0.0.1', port: 0 };
  const listener = await createPortableEngine().listen(where, (connection) => ({
    onData: () => accepted.resolve(connection),
    onEnd() {},
    onDrain() {},
    onClose() {},
  }));
  const client = net.connect(listener.port, '127.0.0.1');
  t.after(() => {
    client.destroy();
    return listener.close();
  });
  client.write('first');
  assert.equal((await accepted.promise).takeSocket!(), undefined);
});

test('says and hears at once what is said while a connection is handed over', async (t) => {
  const heard: string[] = [];
  const where = { address: '127.0.0.1', port: 0 };
  const listener = await createPortableEngine().listen(where, (connection) => {
    connection.write(Buffer.from('welcome'));
    return {
      onData: (bytes) => void heard.push(Buffer.from(bytes).toString()),
      onEnd: () => connection.end(),
      onDrain() {},
      onClose: (problem) => void heard.push(`closed:${problem}`),
    };
  });
  t.after(() => listener.close());
  const client = net.connect(listener.port, '127.0.0.1');
  client.end('hello');
  let text = '';
  for await (const bytes of client) text += bytes;
  assert.equal(text, 'welcome');
  while (heard.length < 2) await new Promise(setImmediate);
  assert.deepEqual(heard, ['hello', 'closed:']);
});

test('one that is paused while it is handed over waits, and one that is destroyed then is gone', async (t) => {
  const kept: Connection[] = [];
  const heard: string[] = [];
  const where = { address: '127.0.0.1', port: 0 };
  const listener = await createPortableEngine().listen(where, (connection) => {
    if (kept.length > 0) connection.destroy();
    else connection.pause();
    kept.push(connection);
    return {
      onData: (bytes) => void heard.push(Buffer.from(bytes).toString()),
      onEnd: () => connection.end(),
      onDrain() {},
      onClose() {},
    };
  });
  t.after(() => listener.close());
  const patient = net.connect(listener.port, '127.0.0.1');
  patient.end('waits');
  const refused = net.connect(listener.port, '127.0.0.1');
  refused.on('error', () => {});
  await once(refused, 'close');
  assert.deepEqual(heard, []);
  assert.equal(kept[0]!.remotePort, patient.localPort);
  kept[0]!.resume();
  patient.resume();
  await once(patient, 'close');
  assert.deepEqual(heard, ['waits']);
});

test('what node’s handles do not have any more is done with its sockets', async (t) => {
  const heard: string[] = [];
  const where = { address: '127.0.0.1', port: 0 };
  const listener = await createPortableEngine().listen(where, (connection) => {
    heard.push(connection.remoteAddress);
    return {
      onData(bytes) {
        heard.push(Buffer.from(bytes).toString());
        connection.write(bytes);
      },
      onEnd: () => connection.end(),
      onDrain() {},
      onClose: () => void heard.push('closed'),
    };
  });
  t.after(() => listener.close());
  const other = net.createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { _handle: handle } = other as unknown as { readonly _handle: object };
  const handles = Object.getPrototypeOf(handle) as object;
  other.close();
  Object.defineProperty(handles, 'useUserBuffer', { value: undefined, configurable: true });
  t.after(() => Reflect.deleteProperty(handles, 'useUserBuffer'));
  const made = (): void => void heard.push('a socket of node’s');
  subscribe('net.server.socket', made);
  t.after(() => unsubscribe('net.server.socket', made));
  const client = net.connect(listener.port, '127.0.0.1');
  client.end('ping');
  let text = '';
  for await (const bytes of client) text += bytes;
  assert.equal(text, 'ping');
  while (heard.length < 4) await new Promise(setImmediate);
  assert.deepEqual(heard.sort(), ['127.0.0.1', 'a socket of node’s', 'closed', 'ping']);
});

test('connections whose ends are asked for as they come read into the buffer that all share', async (t) => {
  const buffers: ArrayBufferLike[] = [];
  const ends: unknown[] = [];
  const where = { address: '127.0.0.1', port: 0 };
  const listener = await createPortableEngine().listen(where, (connection) => {
    const { localAddress, localPort, remoteAddress, remotePort } = connection;
    ends.push({ localAddress, localPort, remoteAddress, remotePort });
    return {
      onData: (bytes) => void buffers.push(bytes.buffer),
      onEnd: () => connection.end(),
      onDrain() {},
      onClose() {},
    };
  });
  t.after(() => listener.close());
  for (const turn of [0, 1]) {
    const client = net.connect(listener.port, '127.0.0.1');
    await once(client, 'connect');
    const remotePort = client.localPort;
    client.resume().end('ping');
    await once(client, 'close');
    const there = { localAddress: '127.0.0.1', localPort: listener.port };
    assert.deepEqual(ends[turn], { ...there, remoteAddress: '127.0.0.1', remotePort });
  }
  assert.equal(buffers.length, 2);
  assert.equal(buffers[0], buffers[1]);
});
