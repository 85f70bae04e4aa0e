import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import {
  type DatagramHandler,
  openPortableUdp,
  REPLY_SLOTS,
  type UdpEngine,
} from '../../src/io/udp-portable.ts';

const LOOPBACK = { address: '127.0.0.1', port: 0, fd: undefined };
const QUERY = Buffer.from('a query of some bytes');

/** Repeats the packet; one that begins with `-` gets silence. */
const echo: DatagramHandler = (packet, _address, _port, _isIpv6, reply) => {
  if (packet[0] === 0x2d) return 0;
  reply.set(packet);
  return packet.length;
};

async function serve(
  t: TestContext,
  handler: DatagramHandler,
  onDrop = (): void => {},
): Promise<UdpEngine> {
  const engine = await openPortableUdp(LOOPBACK, handler, onDrop);
  t.after(() => engine.close());
  return engine;
}

/** The engine's own socket, so that packets can come to it which no unprivileged program may send. */
async function serveInside(
  t: TestContext,
  handler: DatagramHandler,
  onDrop = (): void => {},
): Promise<dgram.Socket> {
  const bind = t.mock.method(dgram.Socket.prototype, 'bind');
  await serve(t, handler, onDrop);
  return bind.mock.calls[0]!.this as dgram.Socket;
}

function packetFrom(port: number): [Buffer, dgram.RemoteInfo] {
  return [QUERY, { address: '127.0.0.1', family: 'IPv4', port, size: QUERY.length }];
}

test('openPortableUdp() sends what the handler wrote, and nothing for 0', async (t) => {
  const engine = await serve(t, echo);
  const client = dgram.createSocket('udp4');
  t.after(() => client.close());
  client.send('-silence', engine.port, engine.address);
  client.send('an answer', engine.port, engine.address);
  const [answer] = (await once(client, 'message')) as [Buffer];
  assert.equal(answer.toString(), 'an answer');
});

test('openPortableUdp() rejects when the address is not of this machine', async () => {
  const elsewhere = { address: '192.0.2.1', port: 0, fd: undefined };
  await assert.rejects(
    openPortableUdp(elsewhere, echo, () => {}),
    { code: 'EADDRNOTAVAIL' },
  );
});

test('openPortableUdp() asks for a large receive buffer, and lives without one', async (t) => {
  const setSize = t.mock.method(dgram.Socket.prototype, 'setRecvBufferSize');
  await serve(t, echo);
  assert.ok(setSize.mock.calls[0]!.arguments[0]! >= 1024 * 1024);
  setSize.mock.mockImplementation(() => {
    throw new Error('ENOBUFS');
  });
  await serve(t, echo);
});

test('openPortableUdp() says nothing to port 0, to which nothing can be sent', async (t) => {
  let heard = 0;
  let drops = 0;
  const socket = await serveInside(
    t,
    (...call) => {
      heard += 1;
      return echo(...call);
    },
    () => {
      drops += 1;
    },
  );
  assert.doesNotThrow(() => socket.emit('message', ...packetFrom(0)));
  assert.deepEqual([heard, drops], [0, 1], 'and it is counted');
});

test('openPortableUdp() drops queries while every reply waits for the kernel', async (t) => {
  let drops = 0;
  const socket = await serveInside(t, echo, () => {
    drops += 1;
  });
  const waiting: (() => void)[] = [];
  t.mock.method(socket, 'send', (...call: unknown[]) => waiting.push(call.at(-1) as () => void));
  for (let i = 0; i < REPLY_SLOTS + 3; i++) socket.emit('message', ...packetFrom(5353));
  assert.deepEqual([waiting.length, drops], [REPLY_SLOTS, 3]);
  waiting[0]!();
  socket.emit('message', ...packetFrom(5353));
  assert.deepEqual([waiting.length, drops], [REPLY_SLOTS + 1, 3]);
});
