import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { type TestContext, test } from 'node:test';
import type { DatagramHandler, DatagramMeter, UdpEngine } from '../../src/io/datagram.ts';
import { openPortableUdp, REPLY_SLOTS } from '../../src/io/udp-portable.ts';
import { udpConformance } from './udp-conformance.ts';

udpConformance('portable');

const LOOPBACK = { address: '127.0.0.1', port: 0, fd: undefined };
const QUERY = Buffer.from('a query of some bytes');
const SILENT: DatagramMeter = { received() {}, dropped() {}, unsent() {} };

/** Repeats the packet. */
function echo(onServe = (): void => {}): DatagramHandler {
  return {
    source: { family: 4, address: new Uint8Array(16), port: 0 },
    serve(packet, length, _nowMs, reply) {
      onServe();
      reply.set(packet.subarray(0, length));
      return length;
    },
  };
}

async function serve(t: TestContext, handler = echo(), meter = SILENT): Promise<UdpEngine> {
  const engine = await openPortableUdp(LOOPBACK, handler, meter);
  t.after(() => engine.close());
  return engine;
}

/** The engine's own socket, so that packets can come to it which no unprivileged program may send. */
async function serveInside(
  t: TestContext,
  handler?: DatagramHandler,
  meter?: DatagramMeter,
): Promise<dgram.Socket> {
  const bind = t.mock.method(dgram.Socket.prototype, 'bind');
  await serve(t, handler, meter);
  return bind.mock.calls[0]!.this as dgram.Socket;
}

function packetFrom(port: number): [Buffer, dgram.RemoteInfo] {
  return [QUERY, { address: '127.0.0.1', family: 'IPv4', port, size: QUERY.length }];
}

test('openPortableUdp() rejects when the address is not of this machine', async () => {
  const elsewhere = { address: '192.0.2.1', port: 0, fd: undefined };
  await assert.rejects(openPortableUdp(elsewhere, echo(), SILENT), { code: 'EADDRNOTAVAIL' });
});

test('openPortableUdp() asks for a large receive buffer, and lives without one', async (t) => {
  const setSize = t.mock.method(dgram.Socket.prototype, 'setRecvBufferSize');
  await serve(t);
  assert.ok(setSize.mock.calls[0]!.arguments[0]! >= 1024 * 1024);
  setSize.mock.mockImplementation(() => {
    throw new Error('ENOBUFS');
  });
  await serve(t);
});

test('openPortableUdp() says nothing to port 0, to which nothing can be sent', async (t) => {
  let heard = 0;
  const handler = echo(() => {
    heard += 1;
  });
  let drops = 0;
  const meter = {
    ...SILENT,
    dropped() {
      drops += 1;
    },
  };
  const socket = await serveInside(t, handler, meter);
  assert.doesNotThrow(() => socket.emit('message', ...packetFrom(0)));
  assert.deepEqual([heard, drops], [0, 1], 'and it is counted');
});

test('openPortableUdp() drops queries while every reply waits for the kernel', async (t) => {
  let drops = 0;
  const meter = {
    ...SILENT,
    dropped() {
      drops += 1;
    },
  };
  const socket = await serveInside(t, echo(), meter);
  let waiting = 0;
  t.mock.method(socket, 'send', () => {
    waiting += 1;
  });
  t.mock.method(socket, 'getSendQueueCount', () => waiting);
  for (let i = 0; i < REPLY_SLOTS + 3; i++) socket.emit('message', ...packetFrom(5353));
  assert.deepEqual([waiting, drops], [REPLY_SLOTS, 3]);
  waiting -= 1;
  socket.emit('message', ...packetFrom(5353));
  assert.deepEqual([waiting, drops], [REPLY_SLOTS, 3]);
});

test('openPortableUdp() leaves replies alone that wait for the kernel', async (t) => {
  const socket = await serveInside(t);
  const waiting: [Uint8Array, string][] = [];
  t.mock.method(socket, 'send', (reply: Uint8Array) => {
    waiting.push([reply, Buffer.from(reply).toString()]);
  });
  t.mock.method(socket, 'getSendQueueCount', () => waiting.length);
  for (let i = 0; i < REPLY_SLOTS; i++) {
    const [, from] = packetFrom(5353);
    socket.emit('message', Buffer.from(`query ${i * i}`), from);
  }
  for (const [reply, text] of waiting) assert.equal(Buffer.from(reply).toString(), text);
});

test('a late reply after close() is silence', async () => {
  const late: ((reply: Uint8Array) => void)[] = [];
  const engine = await openPortableUdp(
    LOOPBACK,
    {
      ...echo(),
      serve(_packet, _length, _nowMs, _reply, later) {
        late.push(later());
        return 0;
      },
    },
    SILENT,
  );
  const client = dgram.createSocket('udp4');
  client.send('query', engine.port, engine.address);
  while (late.length === 0) await new Promise((done) => setImmediate(done));
  await engine.close();
  late[0]!(Uint8Array.of(1));
  client.close();
});
