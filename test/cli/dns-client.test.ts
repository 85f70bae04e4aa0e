import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { askDns } from '../../src/cli/dns-client.ts';

const QUESTION = { name: 'example.com', type: 1, subnet: undefined };

test('askDns() gives up after its time over UDP and TCP', async (t) => {
  const udp = createSocket('udp4');
  await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
  t.after(() => udp.close());
  const tcp = createServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  t.after(() => tcp.close());
  const ports = [udp.address().port, (tcp.address() as AddressInfo).port];
  for (const [index, port] of ports.entries()) {
    const server = { address: '127.0.0.1', port };
    const reply = await askDns(server, QUESTION, { tcp: index === 1, timeoutMs: 30 });
    assert.deepEqual(reply, { ok: false, reason: 'no reply within 0.03 s' });
  }
});

test('askDns() says so when this machine cannot send there', async () => {
  // The broadcast address is for sockets that ask for it.
  const reply = await askDns({ address: '255.255.255.255', port: 53 }, QUESTION);
  assert.ok(!reply.ok);
  assert.equal(reply.code, 'EACCES');
});

test('askDns() waits past datagrams of another query, and reports a malformed reply', async (t) => {
  const udp = createSocket('udp4');
  await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
  t.after(() => udp.close());
  udp.on('message', (query, from) => {
    const forged = Buffer.from(query);
    forged.writeUInt16BE((query.readUInt16BE(0) + 1) & 0xffff, 0);
    udp.send(forged, from.port, from.address);
    udp.send(query.subarray(0, 14), from.port, from.address);
  });
  const reply = await askDns({ address: '127.0.0.1', port: udp.address().port }, QUESTION);
  assert.ok(!reply.ok);
  assert.match(reply.reason, /malformed/);
});
