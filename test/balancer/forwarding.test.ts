import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RouteSnapshot, TrustSnapshot } from '../../src/balancer/snapshot.ts';
import { connectRaw, snapshotOf, startRawOrigin, startRig, talk } from './rig.ts';

/** What servers are told of clients, in the bytes that arrive there. The peer is always 127.0.0.1. */

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const ALL = {
  believe: ['x-forwarded'],
  send: [
    'x-forwarded-for',
    'x-forwarded-proto',
    'x-forwarded-host',
    'x-forwarded-port',
    'x-real-ip',
    'forwarded',
    'via',
  ],
} as const;
const PROXY = { ...ALL, proxies: ['127.0.0.0/8', '10.0.0.0/8', '2001:db8:1::/48'] };
const OWN = 'by=_meridian-test;for=127.0.0.1;host=shop.example;proto=http';

type Answered = { readonly lines: readonly string[]; readonly answer: string };

/** @returns the lines about the client that the server got */
async function told(
  trust: TrustSnapshot | undefined,
  fields: readonly string[],
  routes?: readonly RouteSnapshot[],
): Promise<Answered> {
  const origin = await startRawOrigin((socket) => void socket.write(OK));
  const rig = await startRig({
    servers: [origin.port],
    ...(trust ? { trust } : {}),
    ...(routes ? { routes } : {}),
  });
  const head = ['GET / HTTP/1.1', 'Host: shop.example', 'Connection: close', ...fields];
  const { text } = await talk(rig.port, `${head.join('\r\n')}\r\n\r\n`);
  await rig.close();
  origin.close();
  const names = /^(x-forwarded-[a-z-]+|x-real-ip|forwarded|via|(x-)?client-cert[a-z-]*): /i;
  const lines = (origin.received[0] ?? '').split('\r\n').filter((line) => names.test(line));
  return { lines, answer: text };
}

const CLAIMS = [
  'X-Forwarded-For: 6.6.6.6',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Host: evil.example',
  'X-Forwarded-Port: 443',
  'X-Real-IP: 6.6.6.6',
  'Forwarded: for=6.6.6.6;proto=https;host=evil.example',
  'X-Client-Cert: forged',
  'Client-Cert: :Zm9yZ2Vk:',
  'Client-Cert-Chain: :Zm9yZ2Vk:',
  'X-Forwarded-Client-Cert: By=forged',
];

test('a stranger is told by his address, whatever he claims', async () => {
  const usual = ['X-Forwarded-For: 127.0.0.1', 'X-Forwarded-Proto: http'];
  const host = 'X-Forwarded-Host: shop.example';
  const via = 'Via: 1.1 meridian-test';
  assert.deepEqual((await told(undefined, CLAIMS)).lines, [...usual, host, via]);
  const elsewhere = { ...ALL, proxies: ['10.0.0.0/8', '127.0.0.2'] };
  assert.deepEqual((await told(elsewhere, CLAIMS)).lines, [
    ...usual,
    'X-Forwarded-Port: 0',
    'X-Real-IP: 127.0.0.1',
    host,
    `Forwarded: ${OWN}`,
    via,
  ]);
});

test('a trusted peer is appended to, and the client is the first stranger from the right', async () => {
  const { lines } = await told(PROXY, [
    'X-Forwarded-For: 6.6.6.6, 192.0.2.1',
    'x-forwarded-for:10.0.0.9',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: www.example:8443',
    'X-Forwarded-Port: 8443',
    'Client-Cert: :c2VlbmJ5cHJveHk=:',
  ]);
  assert.deepEqual(lines, [
    'Client-Cert: :c2VlbmJ5cHJveHk=:',
    'X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.0.0.9, 127.0.0.1',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Port: 8443',
    'X-Real-IP: 192.0.2.1',
    'X-Forwarded-Host: www.example:8443',
    `Forwarded: for=6.6.6.6, for=192.0.2.1;host="www.example:8443";proto=https, for=10.0.0.9, ${OWN}`,
    'Via: 1.1 meridian-test',
  ]);
});

/** The client that is found behind this X-Forwarded-For of a trusted peer. */
const CLIENTS: readonly (readonly [chain: string, client: string])[] = [
  ['192.0.2.1', '192.0.2.1'],
  ['192.0.2.1:4711', '192.0.2.1'],
  ['2001:DB8:0:0::7', '2001:db8::7'],
  ['"[2001:db8::7]:80"', '127.0.0.1'],
  ['[2001:db8::7]:80', '2001:db8::7'],
  ['192.0.2.1, 2001:db8:1::5', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['192.0.2.1, ::ffff:10.0.0.1', '192.0.2.1'],
  // All are proxies: the one that came first.
  ['10.0.0.1, 10.0.0.2', '10.0.0.1'],
  // Nobody can vouch for who is behind somebody unknown.
  ['192.0.2.1, unknown, 10.0.0.2', '10.0.0.2'],
  ['192.0.2.1, 010.0.0.1', '127.0.0.1'],
  ['192.0.2.1, _hidden', '127.0.0.1'],
  [', ,192.0.2.1, ,', '192.0.2.1'],
  ['', '127.0.0.1'],
];

for (const [chain, client] of CLIENTS) {
  test(`behind "X-Forwarded-For: ${chain}" is ${client}`, async () => {
    const { lines } = await told(PROXY, [`X-Forwarded-For: ${chain}`]);
    assert.ok(lines.includes(`X-Real-IP: ${client}`), lines.join('\n'));
  });
}

test('Forwarded is believed where proxies write it, and X-Forwarded-* is then made of it', async () => {
  const trust: TrustSnapshot = { ...PROXY, believe: ['forwarded'] };
  const { lines } = await told(trust, [
    'X-Forwarded-For: 6.6.6.6',
    'X-Forwarded-Proto: http',
    'Forwarded: for="[2001:db8::7]:4711";proto=https;host="www.example:8443"',
    'Forwarded: for=10.0.0.9;by=_a',
  ]);
  assert.deepEqual(lines, [
    'X-Forwarded-For: 2001:db8::7, 10.0.0.9, 127.0.0.1',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Port: 0',
    'X-Real-IP: 2001:db8::7',
    'X-Forwarded-Host: www.example:8443',
    `Forwarded: for="[2001:db8::7]:4711";proto=https;host="www.example:8443", for=10.0.0.9;by=_a, ${OWN}`,
    'Via: 1.1 meridian-test',
  ]);
});

test('a malformed Forwarded says nothing', async () => {
  const trust: TrustSnapshot = { ...PROXY, believe: ['forwarded'] };
  for (const text of ['for=192.0.2.1;for=192.0.2.2', 'for="192.0.2.1', 'for = 192.0.2.1']) {
    const { lines } = await told(trust, [`Forwarded: ${text}`]);
    assert.ok(lines.includes('X-Real-IP: 127.0.0.1'), text);
    assert.ok(lines.includes(`Forwarded: ${OWN}`), text);
  }
});

test('of both families each is appended to, and X-Forwarded-For says who the client is', async () => {
  const trust: TrustSnapshot = { ...PROXY, believe: ['x-forwarded', 'forwarded'] };
  const both = ['Forwarded: for=192.0.2.2', 'X-Forwarded-For: 192.0.2.1'];
  const { lines } = await told(trust, both);
  assert.ok(lines.includes('X-Forwarded-For: 192.0.2.1, 127.0.0.1'));
  assert.ok(lines.includes('X-Real-IP: 192.0.2.1'));
  assert.ok(lines.includes(`Forwarded: for=192.0.2.2, ${OWN}`));
  const only = await told(trust, ['Forwarded: for=192.0.2.2']);
  assert.ok(only.lines.includes('X-Forwarded-For: 192.0.2.2, 127.0.0.1'));
});

test('what a proxy says that is no scheme, host or port is not passed on', async () => {
  const { lines } = await told(PROXY, [
    'X-Forwarded-Proto: https, gopher',
    'X-Forwarded-Host: a.example/../b',
    'X-Forwarded-Port: 0',
  ]);
  assert.ok(lines.includes('X-Forwarded-Proto: http'));
  assert.ok(lines.includes('X-Forwarded-Host: shop.example'));
  assert.ok(lines.includes('X-Forwarded-Port: 0'));
});

test('only what is configured is sent, and Via to nobody without it', async () => {
  const none = await told({ proxies: [], believe: ['x-forwarded'], send: [] }, CLAIMS);
  assert.deepEqual(none.lines, []);
  assert.doesNotMatch(none.answer, /\r\nVia:/i);
  const some = await told({ proxies: [], believe: ['x-forwarded'], send: ['forwarded'] }, CLAIMS);
  assert.deepEqual(some.lines, [`Forwarded: ${OWN}`]);
});

test('routes and filters see the client that a proxy speaks for', async () => {
  const allow = { kind: 'redirect', options: { location: 'https://secure.example/', status: 302 } };
  const routes: RouteSnapshot[] = [
    { hosts: [], pathPrefix: '/', filters: [allow], upstream: -1, sources: ['192.0.2.0/24'] },
    { hosts: [], pathPrefix: '/', filters: [], upstream: 0 },
  ];
  const near = await told(PROXY, ['X-Forwarded-For: 192.0.2.1'], routes);
  assert.match(near.answer, /^HTTP\/1.1 302 /);
  const far = await told(PROXY, ['X-Forwarded-For: 192.0.3.1'], routes);
  assert.match(far.answer, /^HTTP\/1.1 200 /);
  // A stranger cannot say so.
  const stranger = await told({ ...PROXY, proxies: [] }, ['X-Forwarded-For: 192.0.2.1'], routes);
  assert.match(stranger.answer, /^HTTP\/1.1 200 /);
});

test('a proxy speaks for another client with each request, and hash keys follow', async () => {
  const origins = await Promise.all(
    [0, 1, 2, 3].map((id) =>
      startRawOrigin((socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nX-Id: ${id}\r\nContent-Length: 0\r\n\r\n`);
      }),
    ),
  );
  const servers = origins.map(({ port }) => port);
  const rig = await startRig({ servers, trust: PROXY, algorithm: 'ip-hash' });
  const addresses = Array.from({ length: 32 }, (_, index) => `192.0.${index}.${index}`);
  const request = (address: string, more = ''): string =>
    `GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ${address}\r\n${more}\r\n`;
  const texts = [...addresses, ...addresses].map((address) => request(address));
  const { text } = await talk(
    rig.port,
    `${texts.join('')}${request('::1', 'Connection: close\r\n')}`,
  );
  const ids = [...text.matchAll(/X-Id: (\d)/g)].map(([, id]) => id);
  assert.deepEqual(ids.slice(0, 32), ids.slice(32, 64));
  assert.ok(new Set(ids).size > 1);
  await rig.close();
  for (const origin of origins) origin.close();
});

test('a new snapshot takes trust away from a connection that is open', async () => {
  const origin = await startRawOrigin((socket) => void socket.write(OK));
  const rig = await startRig({ servers: [origin.port], trust: PROXY });
  const client = connectRaw(rig.port);
  const request = 'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n';
  client.send(request);
  await client.until((text) => text.split('200 OK').length === 2);
  const next = snapshotOf({ servers: [origin.port] });
  rig.balancer.serve(next, new SharedArrayBuffer(4096));
  client.send(request);
  await client.until((text) => text.split('200 OK').length === 3);
  const [first, second] = origin.received[0]!.split('GET / ').slice(1);
  assert.match(first!, /X-Forwarded-For: 192\.0\.2\.1, 127\.0\.0\.1\r\n/);
  assert.match(second!, /X-Forwarded-For: 127\.0\.0\.1\r\n/);
  client.socket.destroy();
  await rig.close();
  origin.close();
});
