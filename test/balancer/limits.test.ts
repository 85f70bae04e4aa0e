import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { counterBytes } from '../../src/balancer/counters.ts';
import { DEFAULT_ADMISSION } from '../../src/resilience/admission.ts';
import { DEFAULT_RESILIENCE, type LimitSettings } from '../../src/resilience/settings.ts';
import {
  connectRaw,
  type RawClient,
  type RawOrigin,
  type Rig,
  snapshotOf,
  startRawOrigin,
  startRig,
} from './rig.ts';

/** How much may be under way at a time, who waits for room, and what is refused. */

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const { limits: NO_LIMITS, retries } = DEFAULT_RESILIENCE;
const requestOf = (path: string): string =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;

/** Servers that answer a request when they are told to. */
async function startHeld(limits: Partial<LimitSettings>, servers = 1) {
  const held = new Map<string, Socket>();
  const order: string[] = [];
  const origins: RawOrigin[] = [];
  for (let each = 0; each < servers; each++) {
    origins.push(
      await startRawOrigin((socket, text) => {
        const path = text
          .split('\r\n')
          .findLast((line) => line.startsWith('GET '))!
          .split(' ')[1]!;
        held.set(path, socket);
        order.push(path);
      }),
    );
  }
  const settings = { ...NO_LIMITS, ...limits };
  const rig = await startRig({
    servers: origins.map(({ port }) => port),
    upstream: { limits: settings },
  });
  const asking = (path: string): RawClient => {
    const client = connectRaw(rig.port);
    client.send(requestOf(path));
    return client;
  };
  return {
    rig,
    order,
    asking,
    settings,
    ports: origins.map(({ port }) => port),
    /** Has the balancer heard of so many requests? */
    heard: (count: number) => eventually(() => rig.counters().listeners[0]!.requests >= count),
    reached: (...paths: string[]) => eventually(() => paths.every((path) => held.has(path))),
    answer: (path: string) => void held.get(path)!.write(OK),
    async close() {
      await rig.close();
      for (const origin of origins) origin.close();
    },
  };
}
async function eventually(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate);
}
const bothDone = (rig: Rig): readonly number[] =>
  rig.counters().servers.map(({ active }) => active);

test('requests beyond the limit of a server wait, and go on in order as others end', async () => {
  const held = await startHeld({ serverRequests: 1 });
  const clients = [];
  for (const [index, path] of ['/a', '/b', '/c'].entries()) {
    clients.push(held.asking(path));
    await held.heard(index + 1);
  }
  await held.reached('/a');
  assert.deepEqual(held.order, ['/a']);
  for (const [index, path] of ['/a', '/b', '/c'].entries()) {
    await held.reached(path);
    held.answer(path);
    assert.match((await clients[index]!.ended()).text, /200 OK[\s\S]*ok$/);
  }
  assert.deepEqual(held.order, ['/a', '/b', '/c']);
  assert.deepEqual(bothDone(held.rig), [0]);
  await held.close();
});

test('whoever waits too long, or finds the queue full, gets 503; who leaves is forgotten', async () => {
  const held = await startHeld({ requests: 1, queueMax: 2, queueTimeoutMs: 1000 });
  const first = held.asking('/a');
  await held.reached('/a');
  const leaving = held.asking('/b');
  await held.heard(2);
  const waiting = held.asking('/c');
  await held.heard(3);
  assert.match((await held.asking('/d').ended()).text, /^HTTP\/1.1 503 /, 'the queue is full');
  leaving.socket.destroy();
  await eventually(() => held.rig.balancer.sessions() === 2);
  held.rig.pass(900);
  const later = held.asking('/e');
  await held.heard(5);
  assert.equal(waiting.text(), '');
  held.rig.pass(200);
  assert.match((await waiting.ended()).text, /^HTTP\/1.1 503 [\s\S]*no server had room in time/);
  assert.equal(later.text(), '');
  held.answer('/a');
  await held.reached('/e');
  held.answer('/e');
  assert.match((await later.ended()).text, /200 OK/);
  assert.match((await first.ended()).text, /200 OK/);
  assert.deepEqual(held.order, ['/a', '/e']);
  await held.close();
});

test('a server without room is passed over; without a queue the rest is 503 at once', async () => {
  const held = await startHeld({ serverConnections: 1, queueMax: 0 }, 2);
  const [a, b] = [held.asking('/a'), held.asking('/b')];
  await held.reached('/a', '/b');
  assert.deepEqual(bothDone(held.rig), [1, 1]);
  assert.match((await held.asking('/c').ended()).text, /^HTTP\/1.1 503 /);
  held.answer('/a');
  held.answer('/b');
  await a.ended();
  await b.ended();
  await held.close();
});

test('a new snapshot takes over those who wait, whatever its limits are', async () => {
  for (const limits of [{ serverRequests: 2 }, {}]) {
    const held = await startHeld({ serverRequests: 1 });
    const clients = [held.asking('/a')];
    await held.reached('/a');
    clients.push(held.asking('/b'));
    await held.heard(2);
    const settings = { ...NO_LIMITS, ...limits };
    const next = { ...snapshotOf({ servers: held.ports, upstream: { limits: settings } }) };
    held.rig.balancer.serve(next, new SharedArrayBuffer(counterBytes(next)));
    held.rig.pass(100);
    await held.reached('/b');
    for (const path of ['/a', '/b']) held.answer(path);
    for (const client of clients) assert.match((await client.ended()).text, /200 OK/);
    await held.close();
  }
});

test('what is under way when a limit is lowered counts until it ends', async () => {
  const held = await startHeld({ serverRequests: 9 });
  const paths = ['/a', '/b', '/c', '/d', '/e'];
  const clients = paths.map((path) => held.asking(path));
  await held.reached(...paths);
  const settings = { ...NO_LIMITS, serverRequests: 2 };
  const next = snapshotOf({ servers: held.ports, upstream: { limits: settings } });
  held.rig.balancer.serve(next, new SharedArrayBuffer(counterBytes(next)));
  const end = async (path: string) => {
    held.answer(path);
    assert.match((await clients[paths.indexOf(path)]!.ended()).text, /200 OK/);
  };
  for (const path of ['/a', '/b', '/c']) await end(path);
  const late = held.asking('/late');
  await eventually(() => held.rig.balancer.sessions() === 3);
  held.rig.pass(100);
  await new Promise(setImmediate);
  assert.ok(!held.order.includes('/late'), 'two are under way');
  await end('/d');
  await held.reached('/late');
  await end('/e');
  held.answer('/late');
  assert.match((await late.ended()).text, /200 OK/);
  await held.close();
});

test('no more retries are under way than may be', async () => {
  const slow = new Set<Socket>();
  const bad = await startRawOrigin((socket) => {
    socket.write('HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n');
  });
  const good = await startRawOrigin((socket) => void slow.add(socket));
  const rig = await startRig({
    servers: [bad.port, good.port],
    upstream: { limits: { ...NO_LIMITS, retries: 1 }, retries },
  });
  const clients: RawClient[] = [];
  for (let each = 0; each < 4; each++) {
    const client = connectRaw(rig.port);
    client.send(requestOf('/'));
    clients.push(client);
    await eventually(() => rig.counters().listeners[0]!.requests > each);
  }
  // Round robin: two to each; of the two that failed one may be tried again.
  await eventually(() => {
    rig.pass(20);
    return slow.size === 3 && clients.some((client) => client.text().includes('503'));
  });
  assert.equal(rig.counters().servers[0]!.retries, 1);
  for (const socket of slow) socket.write(OK);
  const texts = await Promise.all(clients.map(async (client) => (await client.ended()).text));
  assert.equal(texts.filter((text) => text.includes('200 OK')).length, 3);
  await rig.close();
  bad.close();
  good.close();
});

test('an adaptive limit keeps a server that becomes slow from more than it can take', async () => {
  const held = await startHeld({ adaptive: true });
  const clients: RawClient[] = [];
  for (let each = 0; each < 30; each++) clients.push(held.asking(`/${each}`));
  await held.heard(30);
  await eventually(() => held.order.length >= 20);
  assert.equal(held.order.length, 20, 'what every server is thought to take at first');
  for (let each = 0; each < 30; each++) {
    await eventually(() => held.order.length > each);
    held.answer(held.order[each]!);
  }
  for (const client of clients) assert.match((await client.ended()).text, /200 OK/);
  await held.close();
});

test('an upstream that fails much is asked less, and more again when it is well', async () => {
  let status = 500;
  const origin = await startRawOrigin((socket) => {
    socket.write(`HTTP/1.1 ${status} X\r\nContent-Length: 2\r\n\r\nok`);
  });
  let draw = 0;
  const rig = await startRig({
    servers: [origin.port],
    upstream: { shedding: { ...DEFAULT_ADMISSION, ratePerSecondMin: 0, windowMs: 60_000 } },
    draw: () => {
      draw = (draw + 0.618_034) % 1;
      return draw;
    },
  });
  const client = connectRaw(rig.port);
  let answers = 0;
  const refusedOf100 = async (): Promise<number> => {
    const before = rig.counters().servers[0]!.requests;
    for (let each = 0; each < 100; each++) {
      answers++;
      client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await client.until(
        (text) => text.split('HTTP/1.1 ').length > answers && /ok$|failed\n$/.test(text),
      );
    }
    return 100 - (rig.counters().servers[0]!.requests - before);
  };
  assert.ok((await refusedOf100()) > 50);
  const refused = await refusedOf100();
  assert.ok(refused > 50 && refused < 95, `most, never all: ${refused}`);
  status = 200;
  rig.pass(61_000);
  assert.equal(await refusedOf100(), 0);
  client.socket.destroy();
  await rig.close();
  origin.close();
});
