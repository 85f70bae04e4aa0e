import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counterBytes } from '../../src/balancer/counters.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';
import { closedPort } from '../closed-port.ts';
import { connectRaw, type RawOrigin, snapshotOf, startRawOrigin, startRig, talk } from './rig.ts';

/** The table of what is retried when (docs/RESILIENCE.md), request by request. */

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const { outliers: OUTLIERS, retries: RETRIES } = DEFAULT_RESILIENCE;

const requestOf = (method: string, body = '', fields = ''): string =>
  `${method} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${fields}${body === '' ? '' : `Content-Length: ${body.length}\r\n`}\r\n${body}`;

/** A request of which the head and the body have come. */
const isWhole = (text: string): boolean => {
  const length = Number(/Content-Length: (\d+)/.exec(text)?.[1] ?? 0);
  const at = text.indexOf('\r\n\r\n');
  return at >= 0 && text.length >= at + 4 + length;
};
const answering = (response: string): Promise<RawOrigin> =>
  startRawOrigin((socket, text) => void (isWhole(text) && socket.write(response)));
const failing = (status: number, fields = ''): Promise<RawOrigin> =>
  answering(`HTTP/1.1 ${status} No\r\n${fields}Content-Length: 3\r\n\r\nno\n`);
const closing = (): Promise<RawOrigin> =>
  startRawOrigin((socket, text) => void (isWhole(text) && socket.end()));
const silent = (): Promise<RawOrigin> => startRawOrigin(() => {});

const isAsked = ({ received }: RawOrigin): boolean => received.some((text) => text !== '');

type Case = {
  readonly fails: () => Promise<RawOrigin>;
  readonly request: string;
  readonly expected: RegExp;
  /** Whether the second server is asked. */
  readonly retried: boolean;
};
const GET = requestOf('GET');
const CASES: Readonly<Record<string, Case>> = {
  ...Object.fromEntries(
    [502, 503, 504, 425].map((status) => [
      `an answer ${status} to what is idempotent`,
      { fails: () => failing(status), request: GET, expected: /200 OK/, retried: true },
    ]),
  ),
  'an answer 500': {
    fails: () => failing(500),
    request: GET,
    expected: /500 No/,
    retried: false,
  },
  'an answer 429 without Retry-After': {
    fails: () => failing(429),
    request: GET,
    expected: /429 No/,
    retried: false,
  },
  'an answer 429 with Retry-After': {
    fails: () => failing(429, 'Retry-After: 1\r\n'),
    request: GET,
    expected: /200 OK/,
    retried: true,
  },
  'a 425 to a request with early data, which belongs to the client': {
    fails: () => failing(425),
    request: requestOf('GET', '', 'Early-Data: 1\r\n'),
    expected: /425 No/,
    retried: false,
  },
  'an answer 503 to what is not idempotent': {
    fails: () => failing(503),
    request: requestOf('POST', 'x'),
    expected: /503 No/,
    retried: false,
  },
  'a connection that ends before the response, of what is idempotent': {
    fails: closing,
    request: GET,
    expected: /200 OK/,
    retried: true,
  },
  'a connection that ends before the response, of what is not': {
    fails: closing,
    request: requestOf('POST', 'x'),
    expected: /502 Bad Gateway/,
    retried: false,
  },
  'a connection that ends within the head of a response': {
    fails: () => startRawOrigin((socket) => void socket.end('HTTP/1.1 2')),
    request: GET,
    expected: /502 Bad Gateway/,
    retried: false,
  },
  'a body of what is idempotent, kept': {
    fails: () => failing(503),
    request: requestOf('PUT', 'body of the request'),
    expected: /200 OK/,
    retried: true,
  },
  'a chunked body, kept': {
    fails: () => failing(503),
    request:
      'PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n',
    expected: /200 OK/,
    retried: true,
  },
  'a body that is too long to be kept': {
    fails: () => failing(503),
    request: requestOf('PUT', 'x'.repeat(70_000)),
    expected: /503 No/,
    retried: false,
  },
  'a request that another balancer has tried already': {
    fails: () => failing(503),
    request: requestOf('GET', '', 'X-Meridian-Attempt: 2\r\n'),
    expected: /503 No/,
    retried: false,
  },
};

for (const [name, { expected, fails, request, retried }] of Object.entries(CASES)) {
  test(`${retried ? 'retried' : 'not retried'}: ${name}`, async () => {
    const [bad, good] = [await fails(), await answering(OK)];
    const rig = await startRig({ servers: [bad.port, good.port] });
    const client = connectRaw(rig.port);
    client.send(request);
    while (!expected.test(client.text())) {
      // Waits before an attempt end; far from any other limit.
      rig.pass(20);
      await new Promise(setImmediate);
    }
    const { text } = await client.ended();
    assert.match(text, expected);
    assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1, 'one response');
    assert.equal(isAsked(good), retried);
    if (retried) {
      const [sent] = good.received;
      assert.match(sent!, /\r\nX-Meridian-Attempt: 2\r\n\r\n/);
      const bodyOf = (each: string): string => each.slice(each.indexOf('\r\n\r\n'));
      assert.equal(bodyOf(sent!), bodyOf(bad.received[0]!));
    }
    assert.deepEqual(
      rig.counters().servers.map(({ active }) => active),
      [0, 0],
    );
    await rig.close();
    bad.close();
    good.close();
  });
}

test('an attempt that takes too long is followed by another, which leaves time for the answer', async () => {
  const [slow, good] = [await silent(), await answering(OK)];
  const rig = await startRig({
    servers: [slow.port, good.port],
    upstream: { retries: { ...RETRIES, attemptTimeoutMs: 1000 } },
  });
  const client = connectRaw(rig.port);
  client.send(GET);
  while (!isAsked(slow)) await new Promise(setImmediate);
  rig.pass(900);
  assert.equal(isAsked(good), false);
  rig.pass(200);
  rig.pass(200);
  assert.match((await client.ended()).text, /200 OK/);
  await rig.close();
  slow.close();
  good.close();
});

test('the total time ends it, however many attempts are left', async () => {
  const servers = [await silent(), await silent(), await silent()];
  const rig = await startRig({
    servers: servers.map(({ port }) => port),
    upstream: { totalTimeoutMs: 1500, retries: { ...RETRIES, attemptTimeoutMs: 1000 } },
  });
  const client = connectRaw(rig.port);
  client.send(GET);
  while (!servers.some(isAsked)) await new Promise(setImmediate);
  rig.pass(1100);
  rig.pass(100);
  while (servers.filter(isAsked).length < 2) await new Promise(setImmediate);
  rig.pass(200);
  assert.equal(client.text(), '');
  rig.pass(101);
  assert.match((await client.ended()).text, /^HTTP\/1.1 504 /);
  assert.equal(servers.filter(isAsked).length, 2);
  await rig.close();
  for (const server of servers) server.close();
});

test('each attempt goes to another server, as many as are allowed', async () => {
  const servers = [];
  for (let each = 0; each < 5; each++) servers.push(await failing(503));
  const rig = await startRig({ servers: servers.map(({ port }) => port) });
  const client = connectRaw(rig.port);
  client.send(GET);
  while (!client.text().includes('503')) {
    rig.pass(100);
    await new Promise(setImmediate);
  }
  assert.match((await client.ended()).text, /503 No/);
  assert.deepEqual(
    servers.map((server) => server.connections()).sort(),
    [0, 0, 1, 1, 1],
    'three attempts, no server twice',
  );
  await rig.close();
  for (const server of servers) server.close();
});

test('the only server is asked again only after the time that it has named', async () => {
  for (const [fields, connections] of [
    ['', 1],
    ['Retry-After: 1\r\n', 2],
  ] as const) {
    const origin = await startRawOrigin((socket, _text, connection) => {
      const first = `HTTP/1.1 503 No\r\n${fields}Content-Length: 0\r\n\r\n`;
      socket.write(connection === 0 ? first : OK);
    });
    const rig = await startRig({ servers: [origin.port] });
    const client = connectRaw(rig.port);
    client.send(GET);
    while (!isAsked(origin)) await new Promise(setImmediate);
    while (rig.counters().servers[0]!.retries < connections - 1) await new Promise(setImmediate);
    rig.pass(900);
    assert.equal(origin.connections(), 1);
    rig.pass(300);
    assert.match((await client.ended()).text, connections === 1 ? /503 No/ : /200 OK/);
    assert.equal(origin.connections(), connections);
    await rig.close();
    origin.close();
  }
});

test('a client that leaves during a wait leaves nothing behind', async () => {
  const [bad, good] = [await failing(503), await answering(OK)];
  const rig = await startRig({ servers: [bad.port, good.port] });
  const client = connectRaw(rig.port);
  client.send(GET);
  while (rig.counters().servers[0]!.retries === 0) await new Promise(setImmediate);
  client.socket.resetAndDestroy();
  while (rig.balancer.sessions() > 0) await new Promise(setImmediate);
  rig.pass(1000);
  assert.equal(isAsked(good), false);
  await rig.close();
  bad.close();
  good.close();
});

test('with half of the pool failing servers get at most a fifth more requests', async () => {
  const bad = [await failing(503), await failing(503)];
  const good = [await answering(OK), await answering(OK)];
  const rig = await startRig({
    servers: [...bad, ...good].map(({ port }) => port),
    // Without the allowance of a quiet upstream, which a test that takes no time would live on.
    // Nor with what takes the failing servers out, so that it is the budget alone that bounds them.
    upstream: {
      retries: { ...RETRIES, reservePerSecond: 0 },
      outliers: {
        ...OUTLIERS,
        modes: { ...OUTLIERS.modes, 'consecutive-gateway': 'off', 'success-rate': 'off' },
      },
    },
  });
  const REQUESTS = 300;
  for (let each = 0; each < REQUESTS; each++) {
    const client = connectRaw(rig.port);
    client.send(GET);
    while (!/ok$|no\n$/.test(client.text())) {
      rig.pass(13);
      await new Promise(setImmediate);
    }
    client.socket.destroy();
  }
  const total = rig.counters().servers.reduce((sum, { requests }) => sum + requests, 0);
  assert.ok(total <= 1.2 * REQUESTS, `${total} for ${REQUESTS}`);
  assert.ok(total > 1.1 * REQUESTS, `the budget is used: ${total} for ${REQUESTS}`);
  await rig.close();
  for (const server of [...bad, ...good]) server.close();
});

test('a request from before a snapshot is retried on the servers of the snapshot', async () => {
  const [leaving, staying, coming] = [await silent(), await silent(), await answering(OK)];
  const rig = await startRig({ servers: [leaving.port, staying.port] });
  const clients = [connectRaw(rig.port), connectRaw(rig.port)];
  for (const client of clients) client.send(GET);
  while (!isAsked(leaving) || !isAsked(staying)) await new Promise(setImmediate);
  const next = snapshotOf({ servers: [coming.port, staying.port] });
  rig.balancer.serve(next, new SharedArrayBuffer(counterBytes(next)));
  staying.close();
  while (!clients.some((client) => client.text().includes('200 OK'))) {
    rig.pass(20);
    await new Promise(setImmediate);
  }
  assert.equal(coming.connections(), 1);
  assert.equal(leaving.connections(), 1, 'who has left gets nothing more');
  for (const client of clients) client.socket.destroy();
  await rig.close();
  leaving.close();
  coming.close();
});

test('retries can be switched off, in all or for a kind of failure', async () => {
  for (const retries of [
    { ...RETRIES, attempts: 1 },
    { ...RETRIES, on: ['connect' as const] },
    { ...RETRIES, statuses: [502] },
    { ...RETRIES, budgetShare: 0, reservePerSecond: 0 },
  ]) {
    const [bad, good] = [await failing(503), await answering(OK)];
    const rig = await startRig({ servers: [bad.port, good.port], upstream: { retries } });
    assert.match((await talk(rig.port, GET)).text, /503 No/);
    await rig.close();
    bad.close();
    good.close();
  }
  const good = await answering(OK);
  const rig = await startRig({
    servers: [await closedPort(), good.port],
    upstream: { retries: { ...RETRIES, on: ['status'] } },
  });
  assert.match((await talk(rig.port, GET)).text, /502 Bad Gateway/);
  await rig.close();
  good.close();
});
