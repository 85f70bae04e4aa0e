import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connectRaw, type RawClient, startRawOrigin, startRig } from './rig.ts';
import { echoWebSocket } from './websocket-server.ts';

/** What comes in pieces goes on in pieces: nothing waits for the next one, and nothing for the end. */

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const EVENTS = 20;

for (const [framing, head, frame, last] of [
  [
    'chunks',
    'Transfer-Encoding: chunked',
    (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`,
    '0\r\n\r\n',
  ],
  ['a body without a length', 'Connection: close', (text: string) => text, ''],
] as const) {
  test(`each server-sent event is seen before the next is sent, in ${framing}`, async (t) => {
    const sockets: net.Socket[] = [];
    const origin = await startRawOrigin((socket) => void sockets.push(socket));
    const rig = await startRig({ servers: [origin.port] });
    t.after(() => Promise.all([rig.close(), origin.close()]));
    const client = connectRaw(rig.port);
    client.send(GET);
    while (sockets.length === 0) await new Promise(setImmediate);
    const [socket] = sockets;
    socket!.write(`HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n${head}\r\n\r\n`);
    // The head comes alone too: a page that listens knows that it is heard.
    await client.until((text) => text.endsWith('\r\n\r\n'));
    for (let event = 1; event <= EVENTS; event++) {
      socket!.write(frame(`data: ${event}\n\n`));
      await client.until((text) => text.includes(`data: ${event}\n\n`));
      rig.pass(1_000);
    }
    socket!.end(last);
    await client.until((text) => text.endsWith('0\r\n\r\n'));
    client.socket.destroy();
  });
}

test('a stream of events may be silent as long as a tunnel, any other body only as its upstream says', async (t) => {
  const sockets: net.Socket[] = [];
  const origin = await startRawOrigin((socket) => void sockets.push(socket));
  const rig = await startRig({
    servers: [origin.port],
    upstream: { bodyIdleTimeoutMs: 60_000, responseTimeoutMs: 5_000 },
    limits: { tunnelIdleTimeoutMs: 3_600_000 },
  });
  t.after(() => Promise.all([rig.close(), origin.close()]));
  const begin = async (type: string): Promise<RawClient> => {
    const client = connectRaw(rig.port);
    client.send(GET);
    const before = sockets.length;
    while (sockets.length === before) await new Promise(setImmediate);
    sockets
      .at(-1)!
      .write(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`);
    await client.until((text) => text.endsWith('\r\n\r\n'));
    return client;
  };
  const events = await begin('Text/Event-Stream; charset=utf-8');
  const other = await begin('text/event-streams');
  rig.pass(59_900);
  assert.equal(rig.balancer.sessions(), 2);
  rig.pass(100);
  assert.ok((await other.ended()).reset);
  assert.equal(rig.counters().servers[0]!.failures, 1);
  rig.pass(3_600_000 - 60_100);
  assert.equal(rig.balancer.sessions(), 1);
  rig.pass(100);
  assert.ok((await events.ended()).reset);
  assert.equal(rig.counters().servers[0]!.failures, 1, 'nobody is to blame for silence');
});

test('a long poll waits within the time of its upstream, and its answer comes at once', async (t) => {
  let answer = (): void => {};
  const origin = await startRawOrigin((socket) => {
    answer = () => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnews');
  });
  const rig = await startRig({ servers: [origin.port] });
  t.after(() => Promise.all([rig.close(), origin.close()]));
  const client = connectRaw(rig.port);
  for (let poll = 1; poll <= 3; poll++) {
    client.send(GET);
    while ((origin.received[0] ?? '').split('GET ').length <= poll) await new Promise(setImmediate);
    rig.pass(4_000);
    assert.equal(client.text().split('news').length, poll);
    answer();
    await client.until((text) => text.split('news').length === poll + 1);
  }
  assert.equal(origin.connections(), 1);
  client.socket.destroy();
});

test('each piece of an upload is at the server before the next is sent', async (t) => {
  const origin = await startRawOrigin((socket, text) => {
    if (text.endsWith('0\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  const rig = await startRig({ servers: [origin.port] });
  t.after(() => Promise.all([rig.close(), origin.close()]));
  const client = connectRaw(rig.port);
  client.send('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
  for (let piece = 10; piece < 10 + EVENTS; piece++) {
    client.send(`8\r\npiece ${piece}\r\n`);
    while (!origin.received[0]?.includes(`piece ${piece}\r\n`)) await new Promise(setImmediate);
    rig.pass(1_000);
  }
  client.send('0\r\n\r\n');
  await client.until((text) => text.endsWith('ok'));
  client.socket.destroy();
});

test('WebSocket messages of any size come back whole, and the close is clean', async (t) => {
  const server = http.createServer();
  server.on('upgrade', echoWebSocket);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const rig = await startRig({ servers: [(server.address() as AddressInfo).port] });
  t.after(() => Promise.all([rig.close(), server.close()]));
  const socket = new WebSocket(`ws://127.0.0.1:${rig.port}/`);
  socket.binaryType = 'arraybuffer';
  await once(socket, 'open');
  const messages = [0, 125, 126, 65_535, 65_536, 16 * 1024 * 1024].map((size) =>
    Buffer.alloc(size, `${size} octets `),
  );
  const came: Buffer[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.onmessage = ({ data }) => {
    if (came.push(Buffer.from(data)) === messages.length) resolve();
  };
  // All at once: the last one is under way long before the first has come back.
  for (const message of messages) socket.send(message);
  await promise;
  for (const [at, message] of messages.entries()) {
    assert.ok(came[at]!.equals(message), `${message.length} octets`);
  }
  socket.close(1000);
  const [closed] = (await once(socket, 'close')) as [CloseEvent];
  assert.deepEqual([closed.code, closed.wasClean], [1000, true]);
});

const UPGRADE = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n';
const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n';
const MUCH = 4 * 1024 * 1024;

test('a tunnel whose client has finished goes on in the other direction, to its end', async (t) => {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.once('data', () => socket.write(SWITCHED));
    socket.on('end', () => socket.end(Buffer.alloc(MUCH, 'x')));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const rig = await startRig({ servers: [(server.address() as AddressInfo).port] });
  t.after(() => Promise.all([rig.close(), server.close()]));
  const client = connectRaw(rig.port);
  client.send(UPGRADE);
  await client.until((text) => text.endsWith('\r\n\r\n'));
  client.socket.end();
  const { reset, text } = await client.ended();
  assert.equal(reset, false);
  assert.equal(text.length - text.indexOf('\r\n\r\n') - 4, MUCH);
});

test('a tunnel whose server has finished still hears the client', async (t) => {
  let heard = 0;
  let ended = false;
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.once('data', () => socket.end(SWITCHED));
    socket.on('data', (bytes) => {
      heard += bytes.length;
    });
    socket.on('end', () => {
      ended = true;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const rig = await startRig({ servers: [(server.address() as AddressInfo).port] });
  t.after(() => Promise.all([rig.close(), server.close()]));
  const client = connectRaw(rig.port);
  client.send(UPGRADE);
  assert.equal((await client.until((text) => text.endsWith('\r\n\r\n'))).slice(9, 12), '101');
  const before = heard;
  client.socket.end(Buffer.alloc(MUCH, 'y'));
  while (!ended) await new Promise(setImmediate);
  assert.equal(heard - before, MUCH);
});

test('a client that finishes before the 101 has its end passed on with the tunnel', async (t) => {
  let ended = false;
  const sockets: net.Socket[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.once('data', () => sockets.push(socket));
    socket.on('end', () => {
      ended = true;
      socket.end('bye');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const rig = await startRig({
    servers: [(server.address() as AddressInfo).port],
    abortOnClose: false,
  });
  t.after(() => Promise.all([rig.close(), server.close()]));
  const client = connectRaw(rig.port);
  client.send(UPGRADE);
  client.socket.end();
  while (sockets.length === 0) await new Promise(setImmediate);
  sockets[0]!.write(SWITCHED);
  const { text } = await client.ended();
  assert.ok(text.endsWith('bye'), text);
  assert.ok(ended);
});
