import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counterBytes } from '../../src/balancer/counters.ts';
import { readCounters } from '../../src/balancer/counts.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';
import {
  askedOf,
  asking,
  assertNeverHedged,
  DELAY_MS,
  endPair,
  eventually,
  GET,
  type Held,
  makeHedged,
  makeSlow,
  OK,
  type Pair,
  requestOf,
  startPair,
  sumOf,
} from './hedged-pair.ts';
import type { RigOptions } from './rig.ts';
import { startSilent } from './silent-program.ts';

/** Requests that are slow and go to a second server, byte by byte. */

/** Of the rig. */
const CONNECT_TIMEOUT_MS = 1000;
const { retries: RETRIES, limits: LIMITS } = DEFAULT_RESILIENCE;

/** What has failed at its server, by kind. */
const failuresOf = ({ rig, first }: Pair, held: Held) =>
  rig.counters().servers[held === first ? 0 : 1]!.failed;

/** Part of an answer, which the balancer has read. */
async function say({ rig }: Pair, held: Held, text: string): Promise<void> {
  const bytesIn = (): number => rig.counters().servers.reduce((sum, each) => sum + each.bytesIn, 0);
  const wanted = bytesIn() + text.length;
  held.asked[0]!.socket.write(text);
  await eventually(() => bytesIn() === wanted);
}

/** The end of a connection that was idle would be nobody's failure; within an answer it is one. */
async function breakOff(pair: Pair, held: Held): Promise<void> {
  await say(pair, held, 'HTTP');
  held.asked[0]!.socket.destroy();
}

test('a slow request goes to a second server, whose answer is the client’s; the first is let go', async () => {
  const pair = await startPair();
  const client = asking(pair, GET);
  const [slow, fast] = await makeSlow(pair);
  pair.rig.pass(DELAY_MS - 5);
  assert.equal(sumOf(pair.rig, 'hedges'), 0, 'not before its time');
  pair.rig.pass(5);
  await eventually(() => fast.asked.length === 1);
  assert.match(fast.asked[0]!.text, /\r\nX-Meridian-Attempt: 2\r\n\r\n$/);
  fast.asked[0]!.socket.write(OK);
  const { text } = await client.ended();
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
  assert.equal(text.split('HTTP/1.1').length, 2, 'one response');
  await eventually(() => slow.lost === 1);
  assert.equal(fast.lost, 0, 'the connection that answered is kept');
  assert.deepEqual(
    (['hedges', 'hedgesWon', 'retries', 'failures'] as const).map((key) => sumOf(pair.rig, key)),
    [1, 1, 1, 0],
  );
  await endPair(pair);
});

test('one timer for all who wait, which ends when nobody does', async () => {
  const asked: number[] = [];
  const pair = await startPair({ wakeAfter: (ms) => void asked.push(ms) });
  const clients = [asking(pair, GET)];
  await eventually(() => askedOf(pair) === 1);
  assert.deepEqual(asked.splice(0), [DELAY_MS]);
  pair.rig.wake(10);
  clients.push(asking(pair, GET));
  await eventually(() => askedOf(pair) === 2);
  assert.deepEqual(asked, []);
  pair.rig.wake(DELAY_MS - 10);
  await eventually(() => askedOf(pair) === 3);
  assert.deepEqual(asked.splice(0), [10]);
  pair.rig.wake(10);
  await eventually(() => askedOf(pair) === 4);
  assert.deepEqual(asked, []);
  for (const { socket } of [...pair.first.asked, ...pair.second.asked]) socket.write(OK);
  for (const client of clients) assert.match((await client.ended()).text, /200 OK/);
  clients.push(asking(pair, GET));
  await eventually(() => asked.length === 1);
  clients[2]!.socket.resetAndDestroy();
  await eventually(() => pair.rig.balancer.sessions() === 0);
  pair.rig.wake(DELAY_MS);
  assert.equal(sumOf(pair.rig, 'hedges'), 2);
  assert.equal(asked.length, 1);
  await endPair(pair);
});

test('the first server may still be the first to answer', async () => {
  const pair = await startPair();
  const { client, slow, fast } = await makeHedged(pair);
  slow.asked[0]!.socket.write(OK);
  assert.match((await client.ended()).text, /^HTTP\/1\.1 200 OK[\s\S]*ok$/);
  await eventually(() => fast.lost === 1);
  assert.deepEqual([sumOf(pair.rig, 'hedges'), sumOf(pair.rig, 'hedgesWon')], [1, 0]);
  await endPair(pair);
});

for (const order of ['first', 'second'] as const) {
  test(`an answer that would be retried is none while the other is under way (${order})`, async () => {
    const pair = await startPair();
    const client = asking(pair, GET);
    const [slow, fast] = await makeSlow(pair);
    pair.rig.pass(DELAY_MS);
    await eventually(() => fast.asked.length === 1);
    const [bad, good] = order === 'first' ? [slow, fast] : [fast, slow];
    bad.asked[0]!.socket.write('HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n');
    await eventually(() => bad.lost === 1);
    assert.equal(client.text(), '');
    // Its head in two parts.
    good.asked[0]!.socket.write(OK.slice(0, 20));
    await eventually(() => sumOf(pair.rig, 'failures') === 1);
    good.asked[0]!.socket.write(OK.slice(20));
    assert.match((await client.ended()).text, /^HTTP\/1\.1 200 OK[\s\S]*ok$/);
    assert.equal(askedOf(pair), 2, 'nobody is asked a third time');
    await endPair(pair);
  });
}

test('both speak at once, in parts: the head that is whole first wins', async () => {
  const pair = await startPair();
  const { client, slow, fast } = await makeHedged(pair);
  await say(pair, slow, 'HTTP/1.1 200 OK\r\nX-From: slow\r\n');
  await say(pair, fast, 'HTTP/1.1 200 OK\r\nX-From: fast\r\n');
  await say(pair, slow, 'X-More: s\r\n');
  fast.asked[0]!.socket.write('Content-Length: 1\r\n\r\nf');
  const { text } = await client.ended();
  assert.match(text, /X-From: fast\r\n[\s\S]*f$/);
  assert.doesNotMatch(text, /slow|X-More/);
  await eventually(() => slow.lost === 1);
  await endPair(pair);
});

test('both fail: one answer, and no more attempts than may be', async () => {
  const pair = await startPair({ upstream: { retries: { ...RETRIES, attempts: 2 } } });
  const { client, slow, fast } = await makeHedged(pair);
  await breakOff(pair, slow);
  await eventually(() => sumOf(pair.rig, 'failures') === 1);
  await breakOff(pair, fast);
  const { text } = await client.ended();
  assert.match(text, /^HTTP\/1\.1 502 Bad Gateway/);
  assert.equal(text.split('HTTP/1.1').length, 2, 'one response');
  assert.equal(askedOf(pair), 2);
  await endPair(pair);
});

test('the one aside fails: the first is waited for', async () => {
  const pair = await startPair();
  const { client, slow, fast } = await makeHedged(pair);
  await say(pair, fast, 'HTTP');
  await say(pair, slow, 'HTTP');
  fast.asked[0]!.socket.destroy();
  await eventually(() => sumOf(pair.rig, 'failures') === 1);
  pair.rig.pass(1000);
  assert.equal(client.text(), '');
  slow.asked[0]!.socket.write(OK.slice(4));
  assert.match((await client.ended()).text, /^HTTP\/1\.1 200 OK/);
  assert.equal(askedOf(pair), 2, 'once per request');
  await endPair(pair);
});

test('the client leaves: both attempts are let go, and nobody has failed', async () => {
  const pair = await startPair();
  const { client, slow, fast } = await makeHedged(pair);
  client.socket.resetAndDestroy();
  await eventually(() => slow.lost === 1 && fast.lost === 1);
  assert.equal(sumOf(pair.rig, 'failures'), 0);
  await endPair(pair);
});

test('no answer in the time for all attempts: 504, and both are let go', async () => {
  const pair = await startPair({ upstream: { totalTimeoutMs: 300 } });
  const { client, slow, fast } = await makeHedged(pair);
  pair.rig.pass(300);
  assert.match((await client.ended()).text, /^HTTP\/1\.1 504 /);
  await eventually(() => slow.lost === 1 && fast.lost === 1);
  await endPair(pair);
});

test('each attempt has its own time', async () => {
  const upstream = { retries: { ...RETRIES, attempts: 2, attemptTimeoutMs: 100 } };
  const pair = await startPair({ upstream });
  const { client, slow, fast } = await makeHedged(pair);
  pair.rig.pass(60);
  await eventually(() => slow.lost === 1);
  assert.equal(sumOf(pair.rig, 'failures'), 1, 'it was too late');
  fast.asked[0]!.socket.write(OK);
  assert.match((await client.ended()).text, /^HTTP\/1\.1 200 OK/);
  await endPair(pair);
});

test('the one that stands aside may be late by itself', async () => {
  const upstream = { retries: { ...RETRIES, attempts: 2, attemptTimeoutMs: 100 } };
  const pair = await startPair({ upstream });
  const { client, slow, fast } = await makeHedged(pair);
  await say(pair, fast, 'HTTP');
  pair.rig.pass(60);
  await eventually(() => slow.lost === 1);
  assert.deepEqual(failuresOf(pair, slow), { connect: 0, closed: 0, timeout: 1, status: 0 });
  fast.asked[0]!.socket.write(OK.slice(4));
  assert.match((await client.ended()).text, /^HTTP\/1\.1 200 OK/);
  await endPair(pair);
});

test('the one that stands aside never gets a connection', async (t) => {
  const pair = await startPair();
  const { first, second } = pair;
  // Whoever comes there now waits for ever.
  second.close();
  const silent = await startSilent(second.port);
  t.after(() => silent.close());
  const client = asking(pair, GET);
  const tried = (): number =>
    pair.rig.counters().servers.reduce((sum, { active }) => sum + active, 0);
  await eventually(() => tried() === 1);
  pair.rig.pass(DELAY_MS);
  await eventually(() => tried() === 2 && first.asked.length === 1);
  await say(pair, first, 'HTTP');
  pair.rig.pass(CONNECT_TIMEOUT_MS);
  assert.deepEqual(failuresOf(pair, second), { connect: 1, closed: 0, timeout: 0, status: 0 });
  first.asked[0]!.socket.write(OK.slice(4));
  assert.match((await client.ended()).text, /^HTTP\/1\.1 200 OK/);
  await endPair(pair);
});

test('how long connecting takes is counted of the one aside, too', async () => {
  const pair = await startPair();
  const connects = (): number =>
    pair.rig.counters().servers.reduce((sum, { connect }) => sum + (connect?.count ?? 0), 0);
  assert.equal(connects(), 2);
  const clients = [asking(pair, GET), asking(pair, GET)];
  await eventually(() => pair.first.asked.length === 1 && pair.second.asked.length === 1);
  // Each has the only idle connection of its server, so that the other needs another.
  pair.rig.pass(DELAY_MS);
  await eventually(() => askedOf(pair) === 4);
  assert.equal(connects(), 4);
  for (const { socket } of [...pair.first.asked, ...pair.second.asked]) socket.write(OK);
  for (const client of clients) assert.match((await client.ended()).text, /^HTTP\/1\.1 200 OK/);
  await endPair(pair);
});

test('the log says when the answer began, whatever the other one said meanwhile', async () => {
  const pair = await startPair({ accessLog: {} });
  const { rig } = pair;
  const { client, slow, fast } = await makeHedged(pair);
  rig.balancer.takeLog();
  rig.pass(5);
  await say(pair, slow, 'HTTP/1.1 200 OK\r\n');
  rig.pass(7);
  await say(pair, fast, 'HTTP/1.1 200 OK\r\n');
  rig.pass(11);
  await say(pair, slow, 'X-More: s\r\n');
  rig.pass(13);
  fast.asked[0]!.socket.write('Content-Length: 1\r\n\r\nf');
  await client.ended();
  const line = JSON.parse(Buffer.from(rig.balancer.takeLog()?.bytes ?? []).toString());
  assert.deepEqual([line.server, line.firstByteMs], [`127.0.0.1:${fast.port}`, 5 + 7]);
  await endPair(pair);
});

test('a body that is at hand is sent again, whole', async () => {
  const pair = await startPair();
  // A PUT is of the same route.
  const client = asking(pair, requestOf('PUT', '', 'body of it'));
  const [slow, fast] = await makeSlow(pair);
  pair.rig.pass(DELAY_MS);
  await eventually(() => fast.asked.length === 1);
  const bodyOf = (text: string): string => text.slice(text.indexOf('\r\n\r\n'));
  assert.equal(bodyOf(fast.asked[0]!.text), bodyOf(slow.asked[0]!.text));
  fast.asked[0]!.socket.write(OK);
  assert.match((await client.ended()).text, /^HTTP\/1\.1 200 OK/);
  await endPair(pair);
});

test('the time runs from when the request was whole', async () => {
  const pair = await startPair();
  const client = asking(pair, requestOf('PUT', '', 'half of it').slice(0, -5));
  await eventually(() => pair.rig.counters().servers.some(({ active }) => active === 1));
  pair.rig.pass(3 * DELAY_MS);
  client.send('of it');
  const [slow] = await makeSlow(pair);
  pair.rig.pass(DELAY_MS - 5);
  assert.equal(sumOf(pair.rig, 'hedges'), 0);
  pair.rig.pass(DELAY_MS);
  await eventually(() => askedOf(pair) === 2);
  slow.asked[0]!.socket.write(OK);
  assert.match((await client.ended()).text, /^HTTP\/1\.1 200 OK/);
  await endPair(pair);
});

const NEVER: Readonly<Record<string, readonly [string, Partial<RigOptions>]>> = {
  'what is not idempotent': [requestOf('POST', '', 'x'), {}],
  'what another balancer sends': [requestOf('GET', 'X-Meridian-Attempt: 2\r\n'), {}],
  'what may become a tunnel': [
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    {},
  ],
  'what is not to be retried': [GET, { upstream: { retries: { ...RETRIES, attempts: 1 } } }],
  'what there is no budget for': [
    GET,
    { upstream: { retries: { ...RETRIES, budgetShare: 0, reservePerSecond: 0 } } },
  ],
  'what the limit of retries forbids': [GET, { upstream: { limits: { ...LIMITS, retries: 0 } } }],
};
for (const [name, [request, options]] of Object.entries(NEVER)) {
  test(`never hedged: ${name}`, () => assertNeverHedged(request, options));
}

test('never hedged: what has begun to be answered', async () => {
  const pair = await startPair();
  const client = asking(pair, GET);
  const [slow] = await makeSlow(pair);
  await say(pair, slow, 'HTTP/1.1 200 OK\r\n');
  pair.rig.pass(5 * DELAY_MS);
  assert.equal(sumOf(pair.rig, 'hedges'), 0);
  slow.asked[0]!.socket.write('Content-Length: 2\r\n\r\nok');
  assert.match((await client.ended()).text, /ok$/);
  await endPair(pair);
});

test('budget that is spent is not spent twice: of ten slow requests two are hedged', async () => {
  // A retry for each five of 110 requests; the moved clock makes no reserve.
  const retries = { ...RETRIES, budgetShare: 0.019, reservePerSecond: 0 };
  const pair = await startPair({ upstream: { retries } });
  const clients = Array.from({ length: 10 }, () => asking(pair, GET));
  await eventually(() => askedOf(pair) === 10);
  pair.rig.pass(DELAY_MS);
  await eventually(() => askedOf(pair) === 12);
  pair.rig.pass(10 * DELAY_MS);
  assert.equal(sumOf(pair.rig, 'hedges'), 2);
  for (const { socket } of [...pair.first.asked, ...pair.second.asked]) socket.write(OK);
  for (const client of clients) assert.match((await client.ended()).text, /200 OK/);
  await endPair(pair);
});

test('what is known of a route outlives a reload, and so does a request that waits', async () => {
  const pair = await startPair();
  const client = asking(pair, GET);
  const [, fast] = await makeSlow(pair);
  const next = { ...pair.rig.snapshot, generation: 2 };
  const counters = new SharedArrayBuffer(counterBytes(next));
  pair.rig.balancer.serve(next, counters);
  pair.rig.pass(DELAY_MS);
  await eventually(() => fast.asked.length === 1);
  fast.asked[0]!.socket.write(OK);
  assert.match((await client.ended()).text, /^HTTP\/1\.1 200 OK/);
  const again = asking(pair, GET);
  await eventually(() => askedOf(pair) === 3);
  pair.rig.pass(DELAY_MS);
  await eventually(() => askedOf(pair) === 4);
  for (const { socket } of [...pair.first.asked, ...pair.second.asked]) socket.write(OK);
  assert.match((await again.ended()).text, /^HTTP\/1\.1 200 OK/);
  const row = readCounters(next, counters).servers;
  assert.deepEqual(
    row.map(({ active }) => active),
    [0, 0],
  );
  assert.equal(row[0]!.hedges + row[1]!.hedges, 2);
  await pair.rig.close();
  pair.first.close();
  pair.second.close();
});
