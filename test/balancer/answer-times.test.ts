import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { counterBytes } from '../../src/balancer/counters.ts';
import { drawAt } from '../balancing/state.ts';
import {
  connectRaw,
  type RawClient,
  type RawOrigin,
  type Rig,
  type RigOptions,
  startRawOrigin,
  startRig,
} from './rig.ts';

/** Algorithms that look at how servers answer, at work: what was in flight, and who was slow. */

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n.';
const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const upload = (path: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n`;
const HOUR_MS = 3_600_000;
const HEDGED_MS = 40;
const HEDGING = { quantile: 0.95, leastMs: HEDGED_MS };

/** A server that answers when it is told to. */
type Held = RawOrigin & { readonly asked: Socket[] };

async function startHeld(): Promise<Held> {
  const asked: Socket[] = [];
  const origin = await startRawOrigin((socket, text) => {
    const isUpload = text.lastIndexOf('POST /upload') > text.lastIndexOf('GET ');
    if (isUpload ? text.endsWith('body') : text.endsWith('\r\n\r\n')) asked.push(socket);
  });
  return Object.assign(origin, { asked });
}

type Pair = { readonly rig: Rig; readonly servers: readonly Held[] };

async function withPair(options: Partial<RigOptions>, run: (pair: Pair) => Promise<void>) {
  const servers = [await startHeld(), await startHeld()];
  const rig = await startRig({
    servers: servers.map(({ port }) => port),
    algorithm: 'least-time',
    ...options,
  });
  try {
    await run({ rig, servers });
  } finally {
    await rig.close();
    for (const server of servers) server.close();
  }
}

const askedOf = ({ servers }: Pair): number =>
  servers.reduce((sum, { asked }) => sum + asked.length, 0);

async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

/** Sends it, and waits until a server has it. */
async function send(pair: Pair, client: RawClient, request: string): Promise<void> {
  const wanted = askedOf(pair) + 1;
  client.send(request);
  await eventually(() => askedOf(pair) === wanted);
}

function answer({ servers }: Pair): void {
  for (const { asked } of servers) for (const socket of asked.splice(0)) socket.write(OK);
}

function switchTo({ rig }: Pair, kind: string): void {
  const upstreams = rig.snapshot.upstreams.map((upstream) => ({
    ...upstream,
    algorithm: { kind, options: {} },
  }));
  const snapshot = { ...rig.snapshot, upstreams };
  rig.balancer.serve(snapshot, new SharedArrayBuffer(counterBytes(snapshot)));
}

/** What each server gets of 80 requests, four at a time, each answered after 5 ms. */
async function sharesOf(pair: Pair): Promise<readonly number[]> {
  const counts = pair.servers.map(() => 0);
  const clients = Array.from({ length: 4 }, () => connectRaw(pair.rig.port));
  for (let round = 1; round <= 20; round += 1) {
    for (const client of clients) await send(pair, client, GET);
    for (const [index, { asked }] of pair.servers.entries()) counts[index]! += asked.length;
    pair.rig.pass(5);
    answer(pair);
    for (const client of clients)
      await client.until((text) => text.split('200 OK').length === round + 1 && text.endsWith('.'));
  }
  for (const { socket } of clients) socket.destroy();
  return counts;
}

const isEven = (shares: readonly number[]): boolean => shares.every((share) => share >= 25);
/** Octets of requests that have reached servers. */
const received = ({ servers }: Pair): number =>
  servers.reduce((sum, { received }) => sum + received.join('').length, 0);
const answered = (client: RawClient): Promise<string> => client.until((text) => text.endsWith('.'));

const SCENES: Readonly<Record<string, (pair: Pair, client: RawClient) => Promise<void>>> = {
  async 'a request that was in flight when it took over'(pair, client) {
    switchTo(pair, 'round-robin');
    await send(pair, client, GET);
    switchTo(pair, 'least-time');
    answer(pair);
    await answered(client);
  },
  async 'a request that was in flight when another took over and it came back'(pair, client) {
    await send(pair, client, GET);
    switchTo(pair, 'round-robin');
    pair.rig.pass(7);
    switchTo(pair, 'least-time');
    pair.rig.pass(7);
    answer(pair);
    await answered(client);
  },
  async 'a request that ended while another had taken over'(pair, client) {
    await send(pair, client, GET);
    switchTo(pair, 'round-robin');
    answer(pair);
    await answered(client);
    switchTo(pair, 'least-time');
  },
  async 'requests that ended in another order than they had begun'(pair, client) {
    const other = connectRaw(pair.rig.port);
    switchTo(pair, 'round-robin');
    await send(pair, client, GET);
    await send(pair, other, GET);
    switchTo(pair, 'least-time');
    const last = pair.servers[0]!.asked.splice(0);
    pair.rig.pass(3);
    answer(pair);
    await eventually(() => client.text() !== '' || other.text() !== '');
    pair.rig.pass(9);
    for (const socket of last) socket.write(OK);
    await Promise.all([answered(client), answered(other)]);
    other.socket.destroy();
  },
  async 'an upload'(pair, client) {
    client.send(upload('/upload'));
    await eventually(() => received(pair) > 0);
    pair.rig.pass(2000);
    await send(pair, client, 'body');
    answer(pair);
    await answered(client);
  },
  async 'an upload that is answered before it is whole'(pair, client) {
    await send(pair, client, upload('/early'));
    const [socket] = pair.servers.flatMap(({ asked }) => asked.splice(0));
    socket!.write(OK.slice(0, -1));
    await client.until((text) => text !== '');
    client.send('body');
    await eventually(() => pair.servers.some(({ received }) => received.join('').endsWith('body')));
    socket!.write('.');
    await answered(client);
  },
  async 'an upload that the client breaks off'(pair, client) {
    client.send(upload('/upload'));
    await eventually(() => received(pair) > 0);
    client.socket.resetAndDestroy();
    await eventually(() => pair.rig.counters().servers.every(({ active }) => active === 0));
  },
  async 'a client that leaves'(pair, client) {
    await send(pair, client, GET);
    client.socket.resetAndDestroy();
    await eventually(() => pair.rig.counters().servers.every(({ active }) => active === 0));
    for (const { asked } of pair.servers) asked.length = 0;
  },
  async 'a request that two servers had'(pair, client) {
    // So many answers make a quantile.
    for (const _ of [1, 2]) await sharesOf(pair);
    await send(pair, client, GET);
    const slow = pair.servers.flatMap(({ asked }) => asked.splice(0));
    pair.rig.pass(HEDGED_MS);
    await eventually(() => askedOf(pair) === 1);
    answer(pair);
    await answered(client);
    await eventually(() => slow.every(({ closed }) => closed));
  },
  async 'an idle connection that the server had closed'(pair, client) {
    const ended = (count: number) =>
      client.until((text) => text.split('200 OK').length > count && text.endsWith('.'));
    for (const count of [1, 2]) {
      await send(pair, client, GET);
      answer(pair);
      await ended(count);
    }
    await send(pair, client, GET);
    for (const { asked } of pair.servers) asked.splice(0)[0]?.destroy();
    await eventually(() => askedOf(pair) === 1);
    answer(pair);
    await ended(3);
  },
};

for (const [name, play] of Object.entries(SCENES)) {
  test(`least-time: ${name} leaves nothing behind`, async () => {
    await withPair({ upstream: { hedging: HEDGING } }, async (pair) => {
      const client = connectRaw(pair.rig.port);
      await play(pair, client);
      client.socket.destroy();
      pair.rig.pass(HOUR_MS);
      const shares = await sharesOf(pair);
      assert.ok(isEven(shares), `${shares}`);
    });
  });
}

/** A server has sent the head of its answer, and the rest does not pass. */
async function beginAnswer(pair: Pair, client: RawClient): Promise<Socket> {
  await send(pair, client, GET);
  const [socket] = pair.servers.flatMap(({ asked }) => asked.splice(0));
  socket!.write(OK.slice(0, -1));
  await client.until((text) => text !== '');
  return socket!;
}

for (const kind of ['least-time', 'peak-ewma']) {
  test(`${kind}: how long clients take to send and to read is not their servers' slowness`, async () => {
    let draws = 0;
    await withPair({ algorithm: kind, draw: () => drawAt(draws++) }, async (pair) => {
      await sharesOf(pair);
      const [reader, sender] = [connectRaw(pair.rig.port), connectRaw(pair.rig.port)];
      const socket = await beginAnswer(pair, reader);
      pair.rig.pass(4000);
      assert.ok(isEven(await sharesOf(pair)), 'beside the reader');
      socket.write('.');
      await answered(reader);
      assert.ok(isEven(await sharesOf(pair)), 'after the reader');
      const before = received(pair);
      sender.send(upload('/upload'));
      await eventually(() => received(pair) > before);
      pair.rig.pass(4000);
      assert.ok(isEven(await sharesOf(pair)), 'beside the sender');
      await send(pair, sender, 'body');
      answer(pair);
      await answered(sender);
      assert.ok(isEven(await sharesOf(pair)), 'after the sender');
      for (const client of [reader, sender]) client.socket.destroy();
    });
  });
}
