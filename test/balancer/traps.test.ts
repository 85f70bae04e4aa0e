import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { createBalancer } from '../../src/balancer/balancer.ts';
import { counterBytes } from '../../src/balancer/counters.ts';
import type { Wire, WireHandlers } from '../../src/balancer/wire.ts';
import { connectRaw, snapshotOf, startRawOrigin, startRig, talk } from './rig.ts';

/** What engines and pools of other proxies have fallen into. */

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const LAST_GET = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const BIG_OCTETS = 12 * 1024 * 1024;

test('a server connection that goes back to the pool while it is paused is read again', () => {
  const paused: boolean[] = [];
  let server: WireHandlers | undefined;
  const wire = (index: number, takes: boolean): Wire => ({
    remoteAddress: '192.0.2.1',
    remotePort: 1,
    write: () => takes,
    end() {},
    destroy() {},
    reset() {},
    pause() {
      paused[index] = true;
    },
    resume() {
      paused[index] = false;
    },
    taken: () => 0,
  });
  const snapshot = snapshotOf({ servers: [1] });
  const row = new ArrayBuffer(counterBytes(snapshot));
  let connections = 0;
  const connect = (_target: unknown, handlers: WireHandlers): Wire => {
    connections++;
    server = handlers;
    return wire(0, true);
  };
  const balancer = createBalancer(connect, () => 0.5, snapshot, row);
  const slow = balancer.accept('http', wire(1, false), 1)!;
  slow.onData(Buffer.from(GET), 2);
  server!.onOpen(3);
  // The client takes none of the head; the rest of the response came along with it.
  server!.onData(Buffer.from(OK), 4);
  assert.equal(paused[0], false);
  const other = balancer.accept('http', wire(2, true), 5)!;
  other.onData(Buffer.from(GET), 6);
  assert.equal(connections, 1, 'the connection was in the pool');
  balancer.stop(7, 0);
  balancer.tick(8);
});

test('clients that stop and go leave a pool in which every connection answers', async (t) => {
  const body = Buffer.alloc(BIG_OCTETS, 'x');
  const origin = await startRawOrigin((socket, text) => {
    if (!text.endsWith('\r\n\r\n')) return;
    if (text.lastIndexOf('/big') > text.lastIndexOf('GET ')) {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${BIG_OCTETS}\r\n\r\n`);
      socket.write(body);
    } else socket.write(OK);
  });
  const rig = await startRig({ servers: [origin.port] });
  t.after(() => Promise.all([rig.close(), origin.close()]));
  for (let round = 0; round < 5; round++) {
    const socket = net.connect(rig.port, '127.0.0.1');
    socket.write('GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    let came = 0;
    socket.on('data', (bytes: Buffer) => {
      came += bytes.length;
      socket.pause();
      setImmediate(() => socket.resume());
    });
    await once(socket, 'end');
    socket.destroy();
    assert.ok(came > BIG_OCTETS);
    assert.match((await talk(rig.port, LAST_GET)).text, /ok$/);
  }
  assert.equal(origin.connections(), 1);
});

test('an answer never reaches a connection that came in place of another', async (t) => {
  const origin = await startRawOrigin((socket, text) => {
    if (!text.endsWith('\r\n\r\n')) return;
    const [, path = ''] = /GET (\S+) /.exec(text.slice(text.lastIndexOf('GET '))) ?? [];
    const body = path.padEnd(200, '.');
    setImmediate(() => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n${body}`));
  });
  const rig = await startRig({ servers: [origin.port], idleMax: 64 });
  t.after(() => Promise.all([rig.close(), origin.close()]));
  const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  for (let round = 0; round < 30; round++) {
    const leaving = Array.from({ length: 20 }, (_, index) => {
      const client = connectRaw(rig.port);
      client.send(request(`/gone-${round}-${index}`));
      return client;
    });
    await leaving[round % 20]!.until((text) => text.length > 0);
    // All at once: their places are taken within the tick in which they go.
    for (const { socket } of leaving) socket.resetAndDestroy();
    const coming = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const path = `/here-${round}-${index}`;
        const client = connectRaw(rig.port);
        client.send(request(path));
        const text = await client.until((all) => all.includes('\r\n\r\n') && all.endsWith('.'));
        client.socket.destroy();
        return text.includes(`\n\r\n${path}.`);
      }),
    );
    assert.ok(coming.every(Boolean));
  }
});

test('many pipelined requests are all answered, also when their client reads late', async (t) => {
  const COUNT = 3_000;
  const body = 'y'.repeat(4_000);
  let asked = 0;
  const origin = await startRawOrigin((socket, text) => {
    if (!text.endsWith('\r\n\r\n')) return;
    asked++;
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  });
  const rig = await startRig({ servers: [origin.port] });
  t.after(() => Promise.all([rig.close(), origin.close()]));
  const socket = net.connect(rig.port, '127.0.0.1');
  socket.pause();
  socket.write(GET.repeat(COUNT - 1) + LAST_GET);
  let before = -1;
  while (before !== asked || asked === 0) {
    before = asked;
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  }
  let came = 0;
  socket.on('data', (bytes: Buffer) => {
    came += bytes.toString('latin1').split(body[0]!).length - 1;
  });
  socket.resume();
  await once(socket, 'end');
  socket.destroy();
  assert.equal(came, COUNT * body.length);
});

test('an early response comes whole to a client that goes on sending, within the limit', async (t) => {
  const answer = 'n'.repeat(100_000);
  const origin = await startRawOrigin((socket, text) => {
    if (!text.includes('\r\n\r\n') || socket.writableEnded) return;
    socket.end(`HTTP/1.1 403 Forbidden\r\nContent-Length: ${answer.length}\r\n\r\n${answer}`);
  });
  const lingerBytesMax = 4 * 1024 * 1024;
  const rig = await startRig({ servers: [origin.port], limits: { lingerBytesMax } });
  t.after(() => Promise.all([rig.close(), origin.close()]));
  const upload = (octets: number) => {
    const client = connectRaw(rig.port);
    client.send(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n`);
    client.socket.write(Buffer.alloc(octets, 'u'));
    return client;
  };
  const within = await upload(lingerBytesMax / 2).ended();
  assert.match(within.text, /^HTTP\/1.1 403 [\s\S]*\r\nConnection: close\r\n[\s\S]*nnn$/);
  assert.equal(within.text.length - within.text.indexOf('\r\n\r\n') - 4, answer.length);
  assert.equal(within.reset, false);
  const beyond = upload(10 * lingerBytesMax);
  await new Promise<void>((done) => void beyond.socket.on('close', done));
  const { bytesIn } = rig.counters().listeners[0]!;
  assert.ok(bytesIn < 4 * lingerBytesMax, `${bytesIn} octets were read`);
  // The balancer hears of the end a moment after the client, or never, and the test fails by its time limit.
  while (rig.counters().listeners[0]!.connectionsActive > 0) await new Promise(setImmediate);
});

test('interim responses and the final one in one read go on one by one, also for HEAD', async (t) => {
  const three =
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n';
  const origin = await startRawOrigin((socket, text) => {
    if (!text.endsWith('\r\n\r\n')) return;
    socket.write(text.lastIndexOf('HEAD ') > text.lastIndexOf('GET ') ? three : `${three}ok`);
  });
  const rig = await startRig({ servers: [origin.port] });
  t.after(() => Promise.all([rig.close(), origin.close()]));
  const client = connectRaw(rig.port);
  for (const [method, end] of [
    ['GET', 'ok'],
    ['HEAD', '\r\n\r\n'],
    ['GET', 'ok'],
  ] as const) {
    const from = client.text().length;
    client.send(`${method} / HTTP/1.1\r\nHost: x\r\n\r\n`);
    const text = (
      await client.until((all) => all.slice(from).includes('200 OK') && all.endsWith(end))
    ).slice(from);
    const heads = [...text.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status);
    assert.deepEqual(heads, ['103', '100', '200']);
  }
  client.socket.destroy();
  assert.equal(origin.connections(), 1);
});
