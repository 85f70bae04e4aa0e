import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { decodeMessage } from '../../src/dns/decode.ts';
import type { RunningNode } from '../../src/node/start-node.ts';
import { fuzzSeed } from '../fuzz/effort.ts';
import { answerTo, writeQuery } from '../node/dns-client.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { type Place, place } from '../node/three-regions.ts';
import { seconds, until } from '../node/until.ts';

/** What a nameserver bears of impolite clients, on real sockets. */
const DEADLINE_MS = 20_000;
const TYPE_TXT = 16;
const STATIC = 'static.gslb.example';
const LONG = 'long.gslb.example';
/** About 30 kB in one answer. */
const LONG_RECORDS = 140;
const LONG_TEXT = 'x'.repeat(200);

test('limits of DNS over TCP', { concurrency: true }, async (t) => {
  const roomy = await start(t, { idleTimeout: '1m', connectionsMax: 6, perClientMax: 4 });
  const impatient = await start(t, { idleTimeout: '500ms' });

  await Promise.all([
    t.test('connections are limited per client and in all', async (t) => {
      const [one, other] = [loopbackAddress(), loopbackAddress()];
      const ones = await Promise.all(Array.from({ length: 4 }, () => open(t, roomy.at, one)));
      for (const [id, client] of ones.entries()) await served(client, id);
      await refused(t, roomy.at, one);
      const others = await Promise.all(Array.from({ length: 2 }, () => open(t, roomy.at, other)));
      for (const [id, client] of others.entries()) await served(client, id);
      for (const [id, client] of [...ones, ...others].entries()) await served(client, 100 + id);
      const next = await open(t, roomy.at, other);
      await served(next, 7);
      await until(
        ones[0]!.isClosed,
        DEADLINE_MS,
        'the one that said nothing for longest made room',
      );
      for (const [id, client] of [...ones.slice(1), ...others, next].entries()) {
        await served(client, 200 + id);
      }
      for (const { socket } of [...ones, ...others, next]) socket.destroy();
    }),
    t.test('a connection without a query is closed, one with queries is not', async (t) => {
      const busy = await open(t, impatient.at);
      const idle = await open(t, impatient.at);
      const timer = setInterval(() => busy.send(1), 100);
      t.after(() => clearInterval(timer));
      const ms = await until(idle.isClosed, DEADLINE_MS, 'the idle one is closed');
      t.diagnostic(`closed after ${seconds(ms)}`);
      assert.equal(busy.isClosed(), false);
      const before = busy.replies().length;
      await until(() => busy.replies().length > before, DEADLINE_MS, 'the busy one is served');
    }),
    t.test('one that sends a query in single bytes is closed, others are served', async (t) => {
      const slow = await open(t, impatient.at);
      const query = frame(writeQuery(1, { name: STATIC }));
      let next = 0;
      const timer = setInterval(() => slow.socket.write(query.subarray(next, ++next)), 100);
      t.after(() => clearInterval(timer));
      await until(slow.isClosed, DEADLINE_MS, 'it is closed');
      assert.deepEqual(slow.replies(), []);
      assert.ok(next < query.length, 'it had not come to the end');
      await served(await open(t, impatient.at), 2);
    }),
    t.test('a length that no query has ends the connection', async (t) => {
      for (const prefix of [
        [0, 0],
        [0, 11],
        [0xff, 0xff],
      ]) {
        const client = await open(t, roomy.at, loopbackAddress());
        client.socket.write(Uint8Array.from(prefix));
        const ms = await until(client.isClosed, DEADLINE_MS, `closed after ${prefix}`);
        assert.ok(ms < DEADLINE_MS);
        assert.deepEqual(client.replies(), []);
      }
    }),
  ]);

  await t.test('queries at once are answered in order', async (t) => {
    const client = await open(t, roomy.at);
    const ids = Array.from({ length: 100 }, (_, id) => id);
    client.socket.write(Buffer.concat(ids.map((id) => frame(writeQuery(id, { name: STATIC })))));
    await until(() => client.replies().length === ids.length, DEADLINE_MS, 'all answers');
    assert.deepEqual(
      client.replies().map(({ id }) => id),
      ids,
    );
    client.socket.destroy();
  });
  await t.test('a query and the end of the stream at once is answered', async (t) => {
    const client = await open(t, roomy.at);
    client.socket.end(frame(writeQuery(77, { name: STATIC })));
    await until(client.isClosed, DEADLINE_MS, 'the server ends its side');
    assert.deepEqual(client.replies(), [{ id: 77, data: ['192.0.2.80'] }]);
  });
  await t.test('who takes no answers gets no more, until he does', (t) => slowReader(t, roomy));
});

test('a flood of garbage over UDP stops no query', async (t) => {
  const { at, node } = await start(t, {});
  const seed = fuzzSeed(1);
  t.diagnostic(`seed ${seed}`);
  const random = createRandom(seed);
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  for (let sent = 0; sent < 4000; sent += 1) {
    const packet = Uint8Array.from({ length: Math.floor(random() * 600) }, () => random() * 256);
    // Half of them look like queries at first sight.
    if (sent % 2 === 0 && packet.length > 12) packet.set([1, 0, 0, 1, 0, 0, 0, 0, 0, 1], 2);
    socket.send(packet, at.port, at.address);
    if (sent % 100 === 0) await new Promise(setImmediate);
  }
  assert.deepEqual(await answerTo(at, { name: STATIC }), ['192.0.2.80']);
  const { queriesTotal, workers } = node.plane.status();
  t.diagnostic(`${queriesTotal} of 4000 packets read`);
  assert.deepEqual(
    workers.map(({ restarts }) => restarts),
    workers.map(() => 0),
  );
});

type Nameserver = { readonly at: Place; readonly node: RunningNode };

async function start(t: TestContext, tcp: Readonly<Record<string, unknown>>): Promise<Nameserver> {
  const at = await place();
  const { node, stop } = await startNodeFixture({
    node: { roles: ['nameserver'], workers: { dns: 1 } },
    zones: {
      'gslb.example': {
        nameservers: ['ns1'],
        soa: { rname: 'hostmaster', serial: 1 },
        records: {
          ns1: { A: '192.0.2.53' },
          static: { A: '192.0.2.80' },
          long: { TXT: Array.from({ length: LONG_RECORDS }, (_, at) => `"${at} ${LONG_TEXT}"`) },
        },
      },
    },
    dns: { listeners: [at], tcp },
  });
  t.after(stop);
  return { at, node };
}

/** Sends much more than the buffers between both ends hold, and reads nothing for a while. */
async function slowReader(t: TestContext, { at, node }: Nameserver): Promise<void> {
  const count = 1500;
  const client = await open(t, at);
  client.socket.pause();
  const before = node.plane.status().queriesTotal;
  const ids = Array.from({ length: count }, (_, id) => id);
  const query = (id: number) => frame(writeQuery(id, { name: LONG, type: TYPE_TXT }));
  client.socket.end(Buffer.concat(ids.map(query)));
  let answered = -1;
  const isSettled = async (): Promise<boolean> => {
    const last = answered;
    await delay(200);
    answered = node.plane.status().queriesTotal - before;
    return answered > 0 && answered === last;
  };
  await until(isSettled, DEADLINE_MS, 'the server stops');
  t.diagnostic(`${answered} of ${count} answers of 30 kB before it stopped`);
  assert.ok(answered < count, 'it does not answer on into its memory');
  client.socket.resume();
  await until(client.isClosed, DEADLINE_MS, 'all is answered');
  assert.deepEqual(
    client.replies().map(({ id }) => id),
    ids,
  );
}

type Client = {
  readonly socket: Socket;
  send(id: number): void;
  replies(): readonly { readonly id: number; readonly data: readonly string[] }[];
  isClosed(): boolean;
};

async function open(
  t: TestContext,
  { address, port }: Place,
  localAddress = '127.0.0.1',
): Promise<Client> {
  const socket = connect({ host: address, port, localAddress });
  t.after(() => socket.destroy());
  const replies: { id: number; data: string[] }[] = [];
  let rest: Buffer = Buffer.alloc(0);
  let closed = false;
  socket.on('data', (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      const end = 2 + rest.readUInt16BE(0);
      const decoded = decodeMessage(rest.subarray(2, end));
      assert.ok(decoded.ok);
      const { answer, id } = decoded.message;
      replies.push({ id, data: answer.length > 1 ? [] : answer.map(({ text }) => text) });
      rest = rest.subarray(end);
    }
  });
  socket.on('error', () => {});
  for (const event of ['end', 'close']) {
    socket.on(event, () => {
      closed = true;
    });
  }
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve);
    socket.once('error', () => resolve());
  });
  return {
    socket,
    send: (id) => void socket.write(frame(writeQuery(id, { name: STATIC }))),
    replies: () => replies,
    isClosed: () => closed,
  };
}

async function served(client: Client, id: number): Promise<void> {
  client.send(id);
  const isThere = (): boolean => client.replies().at(-1)?.id === id;
  await until(() => isThere() || client.isClosed(), DEADLINE_MS, 'an answer');
  assert.ok(isThere(), 'served, not closed');
}

/** A connection too many: accepted by the kernel, ended by the server, never answered. */
async function refused(t: TestContext, at: Place, localAddress: string): Promise<void> {
  const client = await open(t, at, localAddress);
  client.send(1);
  await until(client.isClosed, DEADLINE_MS, 'one too many is closed');
  assert.deepEqual(client.replies(), []);
}

function frame(message: Uint8Array): Uint8Array {
  return Uint8Array.from([message.length >> 8, message.length & 0xff, ...message]);
}

/** mulberry32: floats below 1. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
