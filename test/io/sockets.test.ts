import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { openUdpSockets } from '../../src/io/sockets.ts';
import { openSyscalls } from '../../src/io/syscall.ts';
import { openPortableUdp } from '../../src/io/udp-portable.ts';

const WILDCARD = { address: '0.0.0.0', port: 0 };
const WILDCARD_BYTES = new Uint8Array(4);
/** A second loopback address, as every Linux has; elsewhere sockets are opened by their workers. */
const SECOND = '127.0.2.1';
const found = openSyscalls();
const syscalls = found.ok ? found.calls : undefined;

async function serve(t: TestContext, count: number, local: readonly string[]) {
  const opened = openUdpSockets(syscalls, WILDCARD, WILDCARD_BYTES, count, () => local);
  assert.ok(opened.ok);
  t.after(() => opened.value.flat().forEach((socket) => void socket.close()));
  const engines = await Promise.all(
    opened.value.flat().map((socket) =>
      openPortableUdp(
        socket.hand(),
        {
          source: { family: 4, address: new Uint8Array(16), port: 0 },
          serve(packet, length, _nowMs, reply) {
            reply.set(packet.subarray(0, length));
            return length;
          },
        },
        { received() {}, dropped() {}, unsent() {} },
      ),
    ),
  );
  t.after(() => Promise.all(engines.map((engine) => engine.close())));
  return { opened: opened.value, port: engines[0]!.port };
}

/** The address that the answer to a packet to `address` comes from. */
async function answeredFrom(t: TestContext, address: string, port: number): Promise<string> {
  const client = dgram.createSocket('udp4');
  t.after(() => client.close());
  client.send('query', port, address);
  const [, from] = (await once(client, 'message')) as [Buffer, dgram.RemoteInfo];
  return from.address;
}

test('openUdpSockets() lets a wildcard answer from the address that was asked', async (t) => {
  const local = syscalls ? ['127.0.0.1', SECOND] : [];
  const { port } = await serve(t, syscalls ? 2 : 1, local);
  for (const address of ['127.0.0.1', ...local]) {
    assert.equal(await answeredFrom(t, address, port), address);
  }
});

test('openUdpSockets() gives every worker one socket on each address, and one on the wildcard', async (t) => {
  const { opened, port } = await serve(t, syscalls ? 3 : 1, ['127.0.0.1', '192.0.2.1', SECOND]);
  const expected = syscalls ? ['0.0.0.0', '127.0.0.1', SECOND] : ['0.0.0.0'];
  for (const sockets of opened) {
    assert.deepEqual(
      sockets.map(({ address }) => address),
      expected,
    );
    if (syscalls) assert.ok(sockets.every((socket) => socket.port === port));
  }
});

test('openUdpSockets() opens a single address as it is', () => {
  const at = { address: '127.0.0.1', port: 0 };
  const opened = openUdpSockets(syscalls, at, Uint8Array.of(127, 0, 0, 1), 2, () => [SECOND]);
  assert.ok(opened.ok);
  const addresses = opened.value.map((sockets) => sockets.map(({ address }) => address));
  for (const socket of opened.value.flat()) socket.close();
  assert.deepEqual(addresses, [['127.0.0.1'], ['127.0.0.1']]);
});
