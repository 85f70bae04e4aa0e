import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { MIRROR_BODY_BYTES_MAX, MIRROR_GATHER_MS, MIRRORS_MAX } from '../../src/balancer/mirror.ts';
import { closedPort } from '../closed-port.ts';
import { connectRaw, type RawOrigin, type Rig, startRawOrigin, startRig, talk } from './rig.ts';

/** Copies of requests over real sockets: what the shadow gets, and that it is nothing to the client. */

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** How many requests of a connection have come whole. */
function wholeRequests(text: string): number {
  let [at, count] = [0, 0];
  for (;;) {
    const headEnd = text.indexOf('\r\n\r\n', at) + 4;
    if (headEnd < 4) return count;
    const head = text.slice(at, headEnd);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    const last = text.indexOf('\r\n0\r\n\r\n', headEnd) + 7;
    at = /chunked/i.test(head) ? last : headEnd + length;
    if (at < headEnd || at > text.length) return count;
    count++;
  }
}

type World = {
  readonly rig: Rig;
  readonly origin: RawOrigin;
  readonly shadow: RawOrigin;
  /** Settles once what the two have received satisfies the condition. */
  until(condition: () => boolean): Promise<void>;
};

async function openWorld(
  t: TestContext,
  answer: string | undefined,
  percent = 100,
): Promise<World> {
  let heard = (): void => {};
  const answered = new Map<number, number>();
  const origin = await startRawOrigin((socket, text, connection) => {
    const count = wholeRequests(text);
    socket.write(OK.repeat(count - (answered.get(connection) ?? 0)));
    answered.set(connection, count);
    heard();
  });
  const shadow = await startRawOrigin((socket, text) => {
    heard();
    if (answer !== undefined && wholeRequests(text) === 1) socket.end(answer);
  });
  const route = { hosts: [], pathPrefix: '/', filters: [], upstream: 0 };
  const routes = [{ ...route, mirror: { upstream: 1, percent } }];
  const rig = await startRig({ servers: [origin.port], shadows: [shadow.port], routes });
  t.after(async () => {
    await rig.close();
    origin.close();
    shadow.close();
  });
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        heard = resolve;
      });
    }
  };
  return { rig, origin, shadow, until };
}

/** What the shadow got, once it is so much. */
async function copiesOf({ shadow, until }: World, count: number): Promise<readonly string[]> {
  const whole = () => shadow.received.filter((text) => wholeRequests(text) === 1);
  await until(() => whole().length >= count);
  return whole().sort();
}

const countsOf = (rig: Rig) => {
  const [{ mirrored, mirrorsDropped } = { mirrored: -1, mirrorsDropped: -1 }] =
    rig.counters().listeners;
  return { mirrored, mirrorsDropped };
};

for (const answer of ['HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n', 'nonsense', '']) {
  test(`a copy is sent and its answer dropped: ${JSON.stringify(answer)}`, async (t) => {
    const world = await openWorld(t, answer);
    const { rig } = world;
    const request =
      'GET /a?b HTTP/1.1\r\nHost: x.example\r\nX-A: 1\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n';
    const { text } = await talk(rig.port, request);
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nok$/);
    const [copy = ''] = await copiesOf(world, 1);
    assert.match(copy, /^GET \/a\?b HTTP\/1\.1\r\nHost: x\.example\r\nX-A: 1\r\n/);
    assert.match(copy, /\r\nConnection: close\r\n\r\n$/);
    assert.equal(copy.match(/^(connection|te):/gim)?.length, 1);
    assert.deepEqual(countsOf(rig), { mirrored: 1, mirrorsDropped: 0 });
  });
}

test('a body is copied whole, whatever its framing and pieces', async (t) => {
  const world = await openWorld(t, OK);
  const { rig } = world;
  const client = connectRaw(rig.port);
  client.send('POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n');
  for (const piece of ['01', '234', '56789']) client.send(piece);
  await client.until((text) => text.endsWith('ok'));
  client.send('POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r');
  client.send('\n2\r\nde\r\n0\r\n\r\n');
  await client.until((text) => text.split('ok').length === 3);
  const [first = '', second = ''] = await copiesOf(world, 2);
  assert.match(first, /\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789$/);
  assert.doesNotMatch(first, /expect/i);
  const body = second.split('\r\n\r\n').slice(1).join('\r\n\r\n');
  assert.equal(body, '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n');
  client.socket.destroy();
});

test('a body that is too long goes to the server and has no copy', async (t) => {
  const { origin, rig, shadow } = await openWorld(t, OK);
  const body = 'x'.repeat(MIRROR_BODY_BYTES_MAX + 1);
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n';
  const length = await talk(rig.port, `${head}Content-Length: ${body.length}\r\n\r\n${body}`);
  assert.match(length.text, /^HTTP\/1\.1 200/);
  const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  const chunked = await talk(rig.port, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}`);
  assert.match(chunked.text, /^HTTP\/1\.1 200/);
  assert.equal(origin.connections(), 1);
  assert.equal(shadow.connections(), 0);
  assert.deepEqual(countsOf(rig), { mirrored: 0, mirrorsDropped: 2 });
});

test('a shadow that never answers holds up nobody, and copies are bounded', async (t) => {
  const { rig } = await openWorld(t, undefined);
  const client = connectRaw(rig.port);
  for (let count = 1; count <= MIRRORS_MAX + 5; count++) {
    client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await client.until((text) => text.split('ok').length > count);
  }
  assert.deepEqual(countsOf(rig), { mirrored: MIRRORS_MAX, mirrorsDropped: 5 });
  const active = () => rig.counters().servers.find(({ upstream }) => upstream === 'shadow')?.active;
  assert.equal(active(), MIRRORS_MAX);
  rig.pass(5_000);
  assert.equal(active(), 0);
  client.socket.destroy();
});

test('a shadow that refuses connections is no matter of the client', async (t) => {
  const origin = await startRawOrigin((socket) => socket.write(OK));
  const route = { hosts: [], pathPrefix: '/', filters: [], upstream: 0 };
  const rig = await startRig({
    servers: [origin.port],
    shadows: [await closedPort()],
    routes: [{ ...route, mirror: { upstream: 1, percent: 100 } }],
  });
  t.after(async () => {
    await rig.close();
    origin.close();
  });
  for (let count = 0; count < 3; count++) {
    const { text } = await talk(rig.port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    assert.match(text, /^HTTP\/1\.1 200/);
  }
  assert.equal(countsOf(rig).mirrored, 3);
});

test('only the share that is asked for is copied', async (t) => {
  // The rig draws one half every time.
  for (const [percent, mirrored] of [
    [50, 0],
    [51, 1],
  ] as const) {
    const { rig } = await openWorld(t, OK, percent);
    await talk(rig.port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    assert.deepEqual(countsOf(rig), { mirrored, mirrorsDropped: 0 });
  }
});

test('a client that leaves in the middle of its body leaves no copy behind', async (t) => {
  const { origin, rig, shadow, until } = await openWorld(t, OK);
  const client = connectRaw(rig.port);
  client.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234');
  await until(() => origin.received.join('').includes('01234'));
  const closed = once(client.socket, 'close');
  client.socket.destroy();
  await closed;
  rig.pass(MIRROR_GATHER_MS);
  assert.deepEqual(countsOf(rig), { mirrored: 0, mirrorsDropped: 1 });
  assert.equal(shadow.connections(), 0);
});
