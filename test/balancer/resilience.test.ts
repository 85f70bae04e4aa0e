import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { createBalancer } from '../../src/balancer/balancer.ts';
import { counterBytes } from '../../src/balancer/counters.ts';
import type { Wire } from '../../src/balancer/wire.ts';
import { closedPort } from '../closed-port.ts';
import { connectRaw, type RawClient, snapshotOf, startRawOrigin, startRig, talk } from './rig.ts';

/** Servers that die, clients that misbehave, clocks that run, regions that drain. */

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const LAST_GET = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const answering = () =>
  startRawOrigin((socket, text) => {
    if (text.endsWith('\r\n\r\n')) socket.write(OK);
  });

test('a server that refuses connections is passed over, whatever the method', async () => {
  const origin = await answering();
  const rig = await startRig({ servers: [await closedPort(), origin.port] });
  for (const method of ['GET', 'DELETE', 'PATCH']) {
    const { text } = await talk(
      rig.port,
      `${method} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    assert.match(text, /^HTTP\/1.1 200 OK/);
  }
  const post = connectRaw(rig.port);
  post.send('POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\n\r\n\r\n');
  assert.match((await post.ended()).text, /^HTTP\/1.1 200 OK/);
  const [dead, alive] = rig.counters().servers;
  assert.ok(dead!.failures > 0 && dead!.retries === dead!.failures, JSON.stringify(dead));
  assert.equal(alive!.failures, 0);
  assert.deepEqual([dead!.active, alive!.active], [0, 0]);
  await rig.close();
  origin.close();
});

test('no server at all is 503, and servers that are down are not asked', async () => {
  const origin = await answering();
  const rig = await startRig({ servers: [origin.port] });
  const server = rig.snapshot.upstreams[0]!.servers[0]!.name;
  rig.balancer.setServers([{ upstream: 'web', server, usable: false }]);
  const client = connectRaw(rig.port);
  client.send(GET);
  await client.until(
    (text) => /^HTTP\/1.1 503 [\s\S]*\n$/.test(text) && text.endsWith('available\n'),
  );
  assert.equal(origin.connections(), 0);
  rig.balancer.setServers([{ upstream: 'web', server, usable: true }]);
  client.send(LAST_GET);
  assert.match((await client.ended()).text, /HTTP\/1.1 200 OK[\s\S]*ok$/);
  await rig.close();
  origin.close();
});

test('only a dead server is 502', async () => {
  const rig = await startRig({ servers: [await closedPort()] });
  assert.match((await talk(rig.port, LAST_GET)).text, /^HTTP\/1.1 502 Bad Gateway/);
  await rig.close();
});

/** An origin that answers the first request of a connection and drops the connection at the second. */
const forgetful = () =>
  startRawOrigin((socket, text, connection) => {
    if (text.split('\r\n\r\n').length === 2 || connection > 0) socket.write(OK);
    else socket.destroy();
  });

test('an idle connection that proves dead is replaced for an idempotent request', async () => {
  const origin = await forgetful();
  const rig = await startRig({ servers: [origin.port] });
  const client = connectRaw(rig.port);
  client.send(GET);
  await client.until((text) => text.endsWith('ok'));
  client.send(LAST_GET);
  const { text } = await client.ended();
  assert.equal(text.match(/200 OK/g)?.length, 2, text);
  assert.equal(origin.connections(), 2);
  await rig.close();
  origin.close();
});

test('a request that is not idempotent is never repeated', async () => {
  const origin = await forgetful();
  const rig = await startRig({ servers: [origin.port] });
  const client = connectRaw(rig.port);
  client.send(GET);
  await client.until((text) => text.endsWith('ok'));
  client.send('POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx');
  const { text } = await client.ended();
  assert.match(text, /HTTP\/1.1 502 Bad Gateway/);
  assert.equal(origin.connections(), 1);
  await rig.close();
  origin.close();
});

test('a response that breaks off breaks off for the client too, in every framing', async () => {
  for (const [head, part] of [
    ['Content-Length: 10', 'half'],
    ['Transfer-Encoding: chunked', '4\r\nhalf\r\n'],
    ['Transfer-Encoding: chunked', '4\r\nhalf\r\nxyz'],
  ] as const) {
    const origin = await startRawOrigin((socket, text) => {
      if (!text.endsWith('\r\n\r\n')) return;
      socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n`);
      setImmediate(() => socket.end(part));
    });
    const rig = await startRig({ servers: [origin.port] });
    const client = connectRaw(rig.port);
    client.send(GET);
    const { text, reset } = await client.ended();
    assert.ok(reset, 'the client sees a reset');
    assert.ok(!text.endsWith('\r\n0\r\n\r\n'), text);
    assert.equal(rig.counters().servers[0]!.failures, 1);
    await rig.close();
    origin.close();
  }
});

test('responses that two parsers could read in two ways are 502', async () => {
  for (const response of [
    'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx',
    'HTTP/1.1 200 OK\r\nX : y\r\n\r\n',
    'HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n',
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
    `${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(40)}${OK}`,
    `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(40_000)}\r\n\r\n`,
    '',
  ]) {
    const origin = await startRawOrigin((socket) => socket.end(response));
    const rig = await startRig({ servers: [origin.port] });
    const { text } = await talk(rig.port, LAST_GET);
    assert.match(text, /HTTP\/1.1 502 Bad Gateway/, response.slice(0, 60));
    await rig.close();
    origin.close();
  }
});

test('bytes after a response poison the connection, and never answer another client', async () => {
  const origin = await startRawOrigin((socket, _text, connection) => {
    socket.write(connection === 0 ? `${OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil` : OK);
  });
  const rig = await startRig({ servers: [origin.port] });
  const first = connectRaw(rig.port);
  first.send(GET);
  await first.until((text) => text.endsWith('ok'));
  const { text } = await talk(rig.port, LAST_GET);
  assert.ok(!text.includes('evil'));
  assert.equal(origin.connections(), 2);
  first.socket.destroy();
  await rig.close();
  origin.close();
});

test('a length beside a transfer coding is dropped and the connection not reused', async () => {
  const origin = await startRawOrigin((socket, text) => {
    if (text.endsWith('\r\n\r\n')) {
      socket.write(
        'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
      );
    }
  });
  const rig = await startRig({ servers: [origin.port] });
  for (let round = 0; round < 2; round++) {
    const { text } = await talk(rig.port, LAST_GET);
    assert.ok(!text.includes('Content-Length') && text.endsWith('2\r\nok\r\n0\r\n\r\n'), text);
  }
  assert.equal(origin.connections(), 2);
  await rig.close();
  origin.close();
});

test('a body that ends with the connection is passed on in chunks, or as it is to HTTP/1.0', async () => {
  const origin = await startRawOrigin((socket, text) => {
    if (text.endsWith('\r\n\r\n')) socket.end('HTTP/1.1 200 OK\r\n\r\nall of it');
  });
  const rig = await startRig({ servers: [origin.port] });
  const modern = await talk(rig.port, LAST_GET);
  assert.match(
    modern.text,
    /\r\nTransfer-Encoding: chunked\r\n[\s\S]*9\r\nall of it\r\n0\r\n\r\n$/,
  );
  const old = await talk(rig.port, 'GET / HTTP/1.0\r\n\r\n');
  assert.match(old.text, /\r\n\r\nall of it$/);
  await rig.close();
  origin.close();
});

test('draining finishes what is in flight and asks clients to leave, without an error', async () => {
  let release = (): void => {};
  const origin = await startRawOrigin((socket, text) => {
    if (!text.endsWith('\r\n\r\n')) return;
    if (text.lastIndexOf('/slow') > text.lastIndexOf('GET ')) release = () => void socket.write(OK);
    else socket.write(OK);
  });
  const rig = await startRig({ servers: [origin.port] });
  const idle = connectRaw(rig.port);
  idle.send(GET);
  await idle.until((text) => text.endsWith('ok'));
  const busy = connectRaw(rig.port);
  busy.send('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
  while (!origin.received.some((text) => text.includes('/slow'))) await new Promise(setImmediate);
  rig.balancer.drain(['http'], true);
  const late = await talk(rig.port, GET);
  assert.match(late.text, /^HTTP\/1.1 200 OK[\s\S]*\r\nConnection: close\r\n[\s\S]*ok$/);
  idle.send(GET);
  assert.match((await idle.ended()).text, /ok[\s\S]*Connection: close[\s\S]*ok$/);
  release();
  assert.match((await busy.ended()).text, /Connection: close[\s\S]*ok$/);
  rig.balancer.drain(['http'], false);
  const back = connectRaw(rig.port);
  back.send(GET);
  assert.ok(!(await back.until((text) => text.endsWith('ok'))).includes('Connection: close'));
  back.socket.destroy();
  await rig.close();
  origin.close();
});

test('time-outs: each has its answer', async () => {
  const silent = await startRawOrigin(() => {});
  const rig = await startRig({ servers: [silent.port] });
  const never = connectRaw(rig.port);
  const slowHead = connectRaw(rig.port);
  slowHead.send('GET / HT');
  const slowBody = connectRaw(rig.port);
  slowBody.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx');
  const waiting = connectRaw(rig.port);
  waiting.send(GET);
  while (silent.received.filter((text) => text !== '').length < 2) await new Promise(setImmediate);
  while (rig.counters().listeners[0]!.connectionsActive < 4) await new Promise(setImmediate);
  rig.pass(4_900);
  assert.equal(waiting.text(), '');
  rig.pass(200);
  assert.match(
    await waiting.until((text) => text.includes('\n\r\n')),
    /^HTTP\/1.1 504 Gateway Timeout/,
  );
  rig.pass(5_000);
  assert.match((await slowHead.ended()).text, /^HTTP\/1.1 408 [\s\S]*Connection: close/);
  assert.equal((await never.ended()).text, '');
  rig.pass(20_000);
  assert.match((await slowBody.ended()).text, /^HTTP\/1.1 408 [\s\S]*Connection: close/);
  rig.pass(76_000);
  assert.equal((await waiting.ended()).reset, false);
  rig.pass(3_000);
  assert.equal(rig.counters().listeners[0]!.connectionsActive, 0);
  assert.equal(rig.counters().servers[0]!.active, 0);
  await rig.close();
  silent.close();
});

test('idle server connections are closed after their time, or earlier when the server says so', async () => {
  const origin = await startRawOrigin((socket, text) => {
    if (text.endsWith('\r\n\r\n'))
      socket.write(OK.replace('\r\n\r\n', '\r\nKeep-Alive: timeout=5\r\n\r\n'));
  });
  const rig = await startRig({ servers: [origin.port] });
  await talk(rig.port, LAST_GET);
  rig.pass(3_000);
  await talk(rig.port, LAST_GET);
  assert.equal(origin.connections(), 1);
  rig.pass(4_950);
  await talk(rig.port, LAST_GET);
  assert.equal(origin.connections(), 2);
  await rig.close();
  origin.close();
});

test('idle connections are retired before the age at which a server has been seen to close them', async () => {
  let newest: Socket | undefined;
  const origin = await startRawOrigin((socket) => {
    newest = socket;
    socket.write(OK);
  });
  const rig = await startRig({ servers: [origin.port] });
  const { idle } = rig.balancer.accounts().upstreams[0]!.servers[0]!;
  for (let seen = 0; seen < 3; seen++) {
    await talk(rig.port, LAST_GET);
    rig.pass(2_000);
    assert.equal(idle.length, 1);
    newest!.end();
    while (idle.length > 0) await new Promise(setImmediate);
  }
  await talk(rig.port, LAST_GET);
  rig.pass(1_890);
  assert.equal(idle.length, 1);
  rig.pass(20);
  assert.equal(idle.length, 0);
  // Found down and up again it may be another one.
  const server = rig.snapshot.upstreams[0]!.servers[0]!.name;
  for (const usable of [false, true]) {
    rig.balancer.setServers([{ upstream: 'web', server, usable }]);
  }
  await talk(rig.port, LAST_GET);
  rig.pass(10_000);
  assert.equal(idle.length, 1);
  await rig.close();
  origin.close();
});

test('a connection that dies under a request teaches the same', async () => {
  const origin = await startRawOrigin((socket, text) => {
    // Each connection serves one request, and the next one finds it closed.
    if (text.split('\r\n\r\n').length === 2) socket.write(OK);
    else socket.resetAndDestroy();
  });
  const rig = await startRig({ servers: [origin.port] });
  const { idle } = rig.balancer.accounts().upstreams[0]!.servers[0]!;
  await talk(rig.port, LAST_GET);
  for (let seen = 0; seen < 3; seen++) {
    rig.pass(3_000);
    assert.match((await talk(rig.port, LAST_GET)).text, /200 OK/);
  }
  assert.equal(origin.connections(), 4);
  rig.pass(2_800);
  assert.equal(idle.length, 1);
  rig.pass(150);
  assert.equal(idle.length, 0);
  assert.equal(rig.counters().servers[0]!.failures, 0, 'it is no fault of the server');
  await rig.close();
  origin.close();
});

test('a body beyond the limit is 413, announced or not', async () => {
  const origin = await startRawOrigin(() => {});
  const rig = await startRig({ servers: [origin.port], limits: { requestBodyBytesMax: 10 } });
  const announced = await talk(
    rig.port,
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n',
  );
  assert.match(announced.text, /^HTTP\/1.1 413 Content Too Large/);
  const chunked = await talk(
    rig.port,
    'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n',
  );
  assert.match(chunked.text, /^HTTP\/1.1 413 Content Too Large/);
  await rig.close();
  origin.close();
});

test('connections beyond the limit are closed, and counted', async () => {
  const origin = await answering();
  const rig = await startRig({ servers: [origin.port], limits: { connectionsMax: 1 } });
  const first = connectRaw(rig.port);
  first.send(GET);
  await first.until((text) => text.endsWith('ok'));
  assert.equal((await talk(rig.port, '')).text, '');
  assert.equal(rig.counters().listeners[0]?.dropped, 1);
  first.socket.destroy();
  await rig.close();
  origin.close();
});

for (const [how, leave] of [
  ['reset', ({ socket }: RawClient) => void socket.resetAndDestroy()],
  ['in order', ({ socket }: RawClient) => void socket.destroy()],
] as const) {
  for (const [when, begun] of [
    ['before the answer', ''],
    ['in the middle of it', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n'],
  ] as const) {
    test(`a client that leaves, ${how}, takes its request to the server with it, ${when}`, async () => {
      let closed = false;
      const origin = await startRawOrigin((socket, text) => {
        if (!text.endsWith('\r\n\r\n')) return;
        socket.write(begun);
        socket.on('close', () => {
          closed = true;
        });
      });
      const rig = await startRig({ servers: [origin.port] });
      const client = connectRaw(rig.port);
      client.send(GET);
      while (!origin.received[0]?.endsWith('\r\n\r\n')) await new Promise(setImmediate);
      await client.until((text) => text.endsWith(begun.slice(-4)));
      leave(client);
      while (!closed) await new Promise(setImmediate);
      assert.deepEqual(
        [rig.counters().servers[0]!.active, rig.counters().servers[0]!.failures],
        [0, 0],
      );
      await rig.close();
      origin.close();
    });
  }
}

test('an answer without a length that a stop cuts off does not end in order', async () => {
  const origin = await startRawOrigin(
    (socket) => void socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of'),
  );
  const rig = await startRig({ servers: [origin.port] });
  const client = connectRaw(rig.port);
  client.send('GET / HTTP/1.0\r\n\r\n');
  await client.until((text) => text.endsWith('half of'));
  rig.balancer.stop(1_700_000_000_000, 1000);
  rig.pass(1001);
  assert.equal((await client.ended()).reset, true);
  await rig.close();
  origin.close();
});

test('stop() lets idle clients go, waits for the others, and cuts what is left', async () => {
  let release = (): void => {};
  const origin = await startRawOrigin((socket, text) => {
    if (text.includes('/hang')) return;
    if (text.includes('/slow')) release = () => void socket.write(OK);
    else socket.write(OK);
  });
  const rig = await startRig({ servers: [origin.port] });
  const idle = connectRaw(rig.port);
  idle.send(GET);
  await idle.until((text) => text.endsWith('ok'));
  const [slow, hung] = ['/slow', '/hang'].map((path) => {
    const client = connectRaw(rig.port);
    client.send(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    return client;
  });
  while (!['/slow', '/hang'].every((path) => origin.received.some((text) => text.includes(path)))) {
    await new Promise(setImmediate);
  }
  rig.balancer.stop(1_700_000_000_000, 10_000);
  assert.equal((await idle.ended()).reset, false);
  release();
  assert.match((await slow!.ended()).text, /Connection: close[\s\S]*ok$/);
  rig.pass(10_001);
  assert.equal((await hung!.ended()).text, '');
  assert.equal(rig.balancer.sessions(), 0);
  await rig.close();
  origin.close();
});

test('a new snapshot keeps clients and server connections, and moves requests to the new servers', async () => {
  const [first, second] = [await answering(), await answering()];
  const rig = await startRig({ servers: [first.port] });
  const client = connectRaw(rig.port);
  client.send(GET);
  await client.until((text) => text.endsWith('ok'));
  const same = { ...snapshotOf({ servers: [first.port] }), generation: 2 };
  rig.balancer.serve(same, new SharedArrayBuffer(counterBytes(same)));
  client.send(GET);
  await client.until((text) => text.endsWith('ok') && text.split('200 OK').length === 3);
  assert.equal(first.connections(), 1);
  const other = { ...snapshotOf({ servers: [second.port] }), generation: 3 };
  rig.balancer.serve(other, new SharedArrayBuffer(counterBytes(other)));
  client.send(LAST_GET);
  assert.equal((await client.ended()).text.split('200 OK').length, 4);
  assert.equal(second.connections(), 1);
  await rig.close();
  first.close();
  second.close();
});

test('filters and wires are never called back after the client has gone', () => {
  // A wire that reports what the balancer does with it, without any engine.
  const snapshot = snapshotOf({ servers: [1] });
  const log: string[] = [];
  const wire = (name: string): Wire => ({
    remoteAddress: '192.0.2.1',
    remotePort: 1234,
    write: () => void log.push(`${name} write`) === undefined,
    end: () => void log.push(`${name} end`),
    destroy: () => void log.push(`${name} destroy`),
    reset: () => void log.push(`${name} reset`),
    pause: () => void log.push(`${name} pause`),
    resume: () => void log.push(`${name} resume`),
    taken: () => 0,
  });
  const balancer = createBalancer(
    () => wire('server'),
    () => 0,
    snapshot,
    new ArrayBuffer(counterBytes(snapshot)),
  );
  const handlers = balancer.accept('http', wire('client'), 0)!;
  handlers.onData(Buffer.from(GET), 1);
  handlers.onClose('ECONNRESET', 2);
  assert.deepEqual(log, ['server destroy', 'client destroy']);
  assert.equal(balancer.sessions(), 0);
});
