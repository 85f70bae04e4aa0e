import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { RouteSnapshot } from '../../src/balancer/snapshot.ts';
import type { RawOrigin, Rig } from './rig.ts';
import { connectRaw, startRawOrigin, startRig, talk } from './rig.ts';

/** Routes over real sockets: each answers with its own status, or sends on to the one server. */

const marked = (mark: string, route: Partial<RouteSnapshot>): RouteSnapshot => {
  const edits = { set: { 'X-Route': mark }, add: {}, remove: [] };
  const none = { set: {}, add: {}, remove: [] };
  const filters = [{ kind: 'headers', options: { request: none, response: edits } }];
  return { hosts: [], pathPrefix: '/', filters, upstream: 0, ...route };
};
const ROUTES: readonly RouteSnapshot[] = [
  marked('rest', {}),
  marked('exact', { path: '/exact' }),
  marked('pattern', { pathRegex: '/v\\d+/.*' }),
  marked('beta', { headers: { 'X-Beta': { present: true } } }),
  marked('cookie', { pathPrefix: '/c', cookies: { lane: { exact: 'canary' } } }),
  marked('query', { pathPrefix: '/q', query: { lang: { prefix: 'de' } } }),
  marked('post', { pathPrefix: '/m', methods: ['POST'] }),
  marked('here', { pathPrefix: '/s', sources: ['127.0.0.0/8'] }),
  marked('elsewhere', { pathPrefix: '/s/x', sources: ['192.0.2.0/24'] }),
  marked('split', {
    pathPrefix: '/split',
    upstream: -1,
    split: { by: 'client', arms: [{ name: 'web', upstream: 0, weight: 1 }] },
  }),
  {
    hosts: [],
    path: '/closed',
    pathPrefix: '/',
    filters: [{ kind: 'respond', options: { status: 410, body: 'gone\n' } }],
    upstream: -1,
  },
  {
    hosts: [],
    pathPrefix: '/old',
    filters: [
      { kind: 'rewrite', options: { prefix: { from: '/old', to: '/new' }, host: 'in.example' } },
    ],
    upstream: 0,
  },
  {
    hosts: [],
    pathPrefix: '/slow',
    filters: [{ kind: 'fault', options: { delay: { percent: 100, ms: 300 } } }],
    upstream: 0,
  },
  {
    hosts: [],
    pathPrefix: '/twice',
    filters: [
      { kind: 'fault', options: { delay: { percent: 100, ms: 20_000 } } },
      { kind: 'fault', options: { delay: { percent: 100, ms: 9000 } } },
    ],
    upstream: 0,
  },
  {
    hosts: [],
    pathPrefix: '/',
    pathRegex: '/user/(\\d+)/(.*)',
    filters: [{ kind: 'redirect', options: { location: '/$2/$1{query}', status: 301 } }],
    upstream: -1,
  },
];
let origin: RawOrigin;
let rig: Rig;
before(async () => {
  origin = await startRawOrigin((socket) =>
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
  );
  rig = await startRig({ servers: [origin.port], routes: ROUTES });
});
after(async () => {
  await rig.close();
  origin.close();
});

for (const [asked, fields, mark] of [
  ['GET /', '', 'rest'],
  ['GET /exact', '', 'exact'],
  ['GET /exact?x=1', '', 'exact'],
  ['GET /exact/', '', 'rest'],
  ['GET /./exact', '', 'exact'],
  ['GET http://other.example', '', 'rest'],
  ['OPTIONS *', '', 'rest'],
  ['GET /v12/x', '', 'pattern'],
  ['GET /%76%31/x', '', 'pattern'],
  ['GET /v/x', '', 'rest'],
  ['GET /x', 'x-beta: \r\n', 'beta'],
  ['GET /c/x', 'Cookie: a=b; lane=canary\r\n', 'cookie'],
  ['GET /c/x', 'Cookie: a=b; lane=canary2\r\n', 'rest'],
  ['GET /q?x&l%61ng=de-AT', '', 'query'],
  ['GET /q?lang=en', '', 'rest'],
  ['POST /m', 'Content-Length: 0\r\n', 'post'],
  ['GET /m', '', 'rest'],
  ['GET /s/x', '', 'here'],
  ['GET /split', '', 'split'],
] as const) {
  test(`${asked} ${fields.trim()} takes the route "${mark}"`, async () => {
    const { text } = await talk(
      rig.port,
      `${asked} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n${fields}\r\n`,
    );
    assert.match(text, /^HTTP\/1\.1 200 /);
    assert.equal(/^x-route: (.*)\r$/im.exec(text)?.[1], mark);
  });
}

test('a route without an upstream answers itself, and keeps the connection', async () => {
  const client = connectRaw(rig.port);
  client.send('GET /closed HTTP/1.1\r\nHost: a\r\n\r\nGET /closed HTTP/1.1\r\nHost: a\r\n\r\n');
  const text = await client.until((so) => so.split('gone').length === 3);
  assert.equal(text.match(/^HTTP\/1\.1 410 /gm)?.length, 2);
  client.socket.destroy();
});

test('a redirection takes its groups from the normal form of the path, and never leaves the host', async () => {
  for (const [target, location] of [
    ['/user/7/a?b=$1', '/a/7?b=$1'],
    ['/user/7/%2Fevil.example', '/%2Fevil.example/7'],
    ['/user/7//evil.example', '/evil.example/7'],
    ['/user/7/', '/7'],
  ] as const) {
    const { text } = await talk(
      rig.port,
      `GET ${target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n`,
    );
    assert.match(text, /^HTTP\/1\.1 301 /);
    assert.equal(/^location: (.*)\r$/im.exec(text)?.[1], location, target);
  }
});

test('a rewritten request has its path in normal form, its query as it came, and the new host', async () => {
  const request = 'GET /%6fld/./x?%61 HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n';
  await talk(rig.port, request);
  const asked = origin.received.join('');
  assert.match(asked, /GET \/new\/x\?%61 HTTP\/1\.1\r\nHost: in\.example\r\n/);
  assert.match(asked, /X-Forwarded-Host: a\.example\r\n/);
});

test('delays of several filters add up, within the time for all of them', async () => {
  const client = connectRaw(rig.port);
  client.send('GET /twice HTTP/1.1\r\nHost: a\r\n\r\n');
  const arrived = () => origin.received.some((text) => text.includes('GET /twice'));
  const look = () => talk(rig.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await look();
  rig.pass(20_000);
  rig.pass(8000);
  await look();
  assert.equal(arrived(), false);
  rig.pass(1000);
  await client.until((text) => text.startsWith('HTTP/1.1 200 '));
  assert.equal(arrived(), true);
  client.socket.destroy();
});

test('a delayed request waits for the clock and then goes on', async () => {
  const client = connectRaw(rig.port);
  client.send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n');
  const arrived = () => origin.received.some((text) => text.includes('GET /slow'));
  // The request is there once a later one of another connection has been answered.
  await talk(rig.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  rig.pass(200);
  await talk(rig.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  assert.equal(arrived(), false);
  rig.pass(200);
  await client.until((text) => text.startsWith('HTTP/1.1 200 '));
  assert.equal(arrived(), true);
  client.socket.destroy();
});
