import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { roundTripMs } from '../../src/latency/round-trip.ts';
import { icmp } from '../../src/probe/icmp.ts';
import { closedPort } from '../closed-port.ts';

/** Against real sockets. What times are is left to the machine. */
const HOST = '127.0.0.1';
const isTime = (ms: number | undefined): boolean => ms !== undefined && ms > 0 && ms < 2000;

test('a connection is a round trip, also one that is refused', async (t) => {
  const server = net.createServer((socket) => socket.on('error', () => {}).resume());
  t.after(() => server.close());
  server.listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  assert.ok(isTime(await roundTripMs({ kind: 'tcp', port }, HOST, undefined)));
  const closed = await closedPort(HOST);
  assert.ok(isTime(await roundTripMs({ kind: 'tcp', port: closed }, HOST, HOST)));
});

for (const rcode of ['NOERROR', 'REFUSED', 'SERVFAIL']) {
  test(`a query that is answered ${rcode} is a round trip, and asks for nothing to be looked for`, async (t) => {
    const server = createSocket('udp4');
    t.after(() => server.close());
    let query: Buffer = Buffer.alloc(0);
    server.on('message', (message, { address, port }) => {
      query = message;
      const reply = Buffer.from(message.subarray(0, 17));
      reply[2]! |= 0x80;
      reply[3] = { NOERROR: 0, SERVFAIL: 2 }[rcode] ?? 5;
      reply.writeUInt16BE(0, 10);
      server.send(reply, port, address);
    });
    server.bind(0, HOST);
    await once(server, 'listening');
    assert.ok(
      isTime(await roundTripMs({ kind: 'dns', port: server.address().port }, HOST, undefined)),
    );
    assert.equal(query[2]! & 1, 0, 'no recursion is wanted');
    assert.equal(query.subarray(12, 17).toString('hex'), '0000060001', '. SOA');
    assert.ok(query.length < 60);
  });
}

test('an echo is a round trip, where this host may ask for one', async () => {
  const signal = AbortSignal.timeout(2000);
  const { ok } = await icmp.run({ address: HOST, port: 0 }, {}, signal);
  const rttMs = await roundTripMs({ kind: 'icmp', port: 0 }, HOST, undefined);
  assert.equal(isTime(rttMs), ok);
});

test('nobody there is no time', async () => {
  const port = await closedPort(HOST);
  assert.equal(await roundTripMs({ kind: 'dns', port }, HOST, undefined), undefined);
  // There is no way from there.
  assert.equal(await roundTripMs({ kind: 'tcp', port }, HOST, '192.0.2.77'), undefined);
});
