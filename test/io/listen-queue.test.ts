import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { createPortableEngine } from '../../src/io/stream-portable.ts';
import { openSyscalls } from '../../src/io/syscall.ts';

const opened = openSyscalls();
const ADDRESSES = [
  ['127.0.0.1', Uint8Array.of(127, 0, 0, 1)],
  ['::1', Uint8Array.of(...new Array<number>(15).fill(0), 1)],
] as const;
/** A connect over loopback that is answered is answered within this time. */
const ANSWERED_MS = 100;

for (const [address, bytes] of opened.ok ? ADDRESSES : []) {
  test(`a socket that takes nobody new keeps those who wait, ${address}`, async (t) => {
    if (!opened.ok) return;
    const { calls } = opened;
    let fd: number;
    try {
      fd = calls.tcpSocket(bytes, 0, 0);
    } catch {
      t.skip(`no ${address} here`);
      return;
    }
    const port = calls.localPort(fd);
    const clients = [0, 1, 2].map(() => net.connect(port, address));
    await Promise.all(clients.map((client) => once(client, 'connect')));
    assert.equal(calls.waitingClients(fd), 3);
    const other = calls.duplicate(fd);
    calls.refuseNewClients(other);
    calls.close(other);
    const late = net.connect(port, address);
    late.on('error', () => {});
    const { promise, resolve } = Promise.withResolvers<string>();
    late.once('connect', () => resolve('connected'));
    setTimeout(resolve, ANSWERED_MS, 'unanswered');
    assert.equal(await promise, 'unanswered', 'whichever descriptor it was said of');
    assert.equal(calls.waitingClients(fd), 3);
    late.destroy();
    const listener = await createPortableEngine().listen({ fd }, (connection) => ({
      onData: (octets) => void connection.write(octets),
      onEnd: () => connection.end(),
      onDrain() {},
      onClose() {},
    }));
    for (const client of clients) {
      client.write('x');
      const [answer] = (await once(client, 'data')) as [Buffer];
      assert.equal(String(answer), 'x');
      client.destroy();
    }
    assert.equal(calls.waitingClients(fd), 0);
    await listener.close();
  });
}
