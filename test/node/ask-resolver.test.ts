import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { TYPE_A } from '../../src/dns/constants.ts';
import { parseName } from '../../src/dns/name.ts';
import {
  createAskResolver,
  RESOLVER_TIMEOUT_MS,
  realSockets,
} from '../../src/node/ask-resolver.ts';
import { freePort, loopbackAddress } from './free-addresses.ts';

const question = { name: parseName('web.internal.example.')!, type: TYPE_A };

/** The reply to a query: the question as it came, and an address. */
function answer(query: Uint8Array, last: number): Buffer {
  const end = 12 + question.name.length + 4;
  const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, last];
  const reply = Buffer.from([...query.subarray(0, end), ...record]);
  reply.set([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0], 2);
  return reply;
}

type Send = (bytes: Uint8Array) => void;

/** A resolver that answers as it is told; over TCP always well, with the address 192.0.2.9. */
async function startResolver(t: TestContext, hear: (query: Buffer, send: Send) => void) {
  const address = loopbackAddress();
  const port = await freePort(address);
  const udp = createSocket('udp4');
  const sources = new Set<number>();
  udp.on('message', (query: Buffer, { address: from, port: source }: RemoteInfo) => {
    sources.add(source);
    hear(query, (bytes) => udp.send(bytes, source, from));
  });
  const bound = once(udp, 'listening');
  udp.bind(port, address);
  const tcp = createServer((socket: Socket) => {
    socket.on('error', () => {});
    socket.once('data', (bytes) => {
      const reply = answer((bytes as Buffer).subarray(2), 9);
      socket.end(Buffer.concat([Buffer.of(reply.length >> 8, reply.length), reply]));
    });
  });
  tcp.listen(port, address);
  await Promise.all([bound, once(tcp, 'listening')]);
  t.after(() => {
    udp.close();
    tcp.close();
  });
  return { resolver: { address, port }, sources };
}

/** Timers that a test rings. */
function movedTimers() {
  const rings = new Map<() => void, number>();
  return {
    rings,
    setTimer(ms: number, run: () => void) {
      rings.set(run, ms);
      return () => void rings.delete(run);
    },
  };
}

const asker = (timers = movedTimers()) =>
  createAskResolver({ ...realSockets, ...timers, drawBytes: randomBytes });
const records = (last: number) => ({
  ...{ kind: 'records', ttlSeconds: 60 },
  rdata: [Uint8Array.of(192, 0, 2, last)],
});

test('forged replies are waited past; each question has a port, an id and a case of its own', async (t) => {
  const ids = new Set<number>();
  const spellings = new Set<string>();
  const { resolver, sources } = await startResolver(t, (query, send) => {
    ids.add(query.readUInt16BE(0));
    spellings.add(query.toString('latin1', 12, 12 + question.name.length));
    const otherId = answer(query, 66);
    otherId[1]! ^= 1;
    const otherName = answer(query, 66);
    otherName[13] = 0x78;
    const noReply = answer(query, 66);
    noReply[2] = 0x01;
    for (const forged of [otherId, otherName, noReply]) send(forged);
    send(answer(query, 1));
  });
  const ask = asker();
  for (let times = 0; times < 8; times += 1) {
    assert.deepEqual(await ask(resolver, question), records(1));
  }
  for (const seen of [ids, spellings, sources]) assert.ok(seen.size > 4, `${seen.size}`);
});

test('what is cut short, or comes back in another case, is asked for over TCP', async (t) => {
  const cut = await startResolver(t, (query, send) => {
    const reply = answer(query, 1);
    reply[2]! |= 0x02;
    send(reply);
  });
  assert.deepEqual(await asker()(cut.resolver, question), records(9));
  const careless = await startResolver(t, (query, send) => {
    send(answer(Buffer.from(query.map((octet, at) => (at > 12 ? flipped(octet) : octet))), 1));
  });
  assert.deepEqual(await asker()(careless.resolver, question), records(9));
});

test('silence ends at the time-out, a closed port at once', async (t) => {
  const timers = movedTimers();
  const { promise: heard, resolve } = Promise.withResolvers<void>();
  const { resolver } = await startResolver(t, () => resolve());
  const asked = asker(timers)(resolver, question);
  await heard;
  assert.deepEqual([...timers.rings.values()], [RESOLVER_TIMEOUT_MS]);
  for (const ring of timers.rings.keys()) ring();
  assert.deepEqual(await asked, { kind: 'failed', reason: 'no answer within 2 s' });
  assert.equal(timers.rings.size, 0, 'no timer is left');
  const nobody = { address: resolver.address, port: await freePort(resolver.address) };
  assert.equal((await asker()(nobody, question)).kind, 'failed');
});

/** A letter in the other case. */
const flipped = (octet: number): number => {
  const lower = octet | 0x20;
  return lower >= 0x61 && lower <= 0x7a ? octet ^ 0x20 : octet;
};
