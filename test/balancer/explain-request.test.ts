import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainRequest, type RequestExplanation } from '../../src/balancer/explain-request.ts';
import type { RouteSnapshot, UpstreamSnapshot } from '../../src/balancer/snapshot.ts';
import { bytesOf } from '../../src/http/ascii.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';
import { serverIdOf } from '../../src/sessions/server-id.ts';
import { cookieKeyOf, makeSessionCookie } from '../../src/sessions/session-cookie.ts';
import { startRawOrigin, startRig, talk } from './rig.ts';

/** What an explanation says is what the same request gets over a socket. */

const FACTS = {
  server: () => undefined,
  shown: (_: string, value: string) => value,
  sessions: { nowMs: 0, memoryOf: () => undefined },
};
const answering = (status: number, route: Partial<RouteSnapshot>): RouteSnapshot => ({
  ...{ hosts: [], pathPrefix: '/', upstream: -1 },
  filters: [{ kind: 'respond', options: { status } }],
  ...route,
});
const toServer = (route: Partial<RouteSnapshot>, ...filters: RouteSnapshot['filters']) =>
  answering(0, { filters, upstream: 0, ...route });
const ROUTES: readonly RouteSnapshot[] = [
  answering(201, { path: '/exact' }),
  answering(202, { pathRegex: '/v\\d+/.*' }),
  answering(203, { hosts: ['*.b.example'], pathPrefix: '/p', methods: ['POST'] }),
  answering(206, {
    hosts: ['a.b.example'],
    sources: ['127.0.0.0/8'],
    query: { q: { exact: '1' } },
  }),
  toServer(
    { hosts: ['s.example'], pathPrefix: '/old' },
    { kind: 'headers', options: { request: { set: { 'X-A': 'b' } } } },
    { kind: 'rewrite', options: { prefix: { from: '/old', to: '/new' }, host: 'in.example' } },
  ),
  toServer(
    { hosts: ['f.example'] },
    { kind: 'fault', options: { abort: { percent: 100, status: 555 } } },
  ),
];

const explained = (
  snapshot: Parameters<typeof explainRequest>[0],
  question: Partial<Parameters<typeof explainRequest>[1]>,
): RequestExplanation => {
  const asked = { method: 'GET', headers: [], url: '', ...question };
  const result = explainRequest(snapshot, asked, FACTS);
  assert.ok(!('wrong' in result), JSON.stringify(result));
  return result;
};

test('an explanation says what the same request gets', async (t) => {
  const origin = await startRawOrigin((socket) =>
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
  );
  const rig = await startRig({ servers: [origin.port], routes: ROUTES });
  t.after(async () => {
    await rig.close();
    origin.close();
  });
  for (const [method, host, target, headers, status] of [
    ['GET', 'x.example', '/exact', [], 201],
    ['GET', 'x.example', '/./exact', [], 201],
    ['GET', 'x.example', '/%76%31/x', [], 202],
    ['POST', 'a.b.example', '/p/x', ['Content-Length: 0'], 203],
    ['GET', 'a.b.example', '/p/x', [], 404],
    ['GET', 'A.B.example:80', '/p?q=1', [], 206],
    ['GET', 's.example', '/%6fld/x?%61', [], 200],
    ['GET', 'f.example', '/', [], 555],
    ['GET', 'x.example', '/a\\b', [], 400],
    ['TRACE', 'x.example', '/', [], 405],
    ['OPTIONS', 'x.example', '/', ['Max-Forwards: 0'], 204],
    ['OPTIONS', 'x.example', '/', ['Max-Forwards: 00'], 204],
    ['GET', 'x.example', '/', ['Via: 1.1 meridian-test'], 508],
    ['GET', 'x.example', '/exact', ['Via: 1.1 meridian-test-10 (of meridian-test)'], 201],
    ['GET', 'x.example', '/', ['Host: y.example', 'Host: z.example'], 400],
  ] as const) {
    const hasHost = headers.some((line) => line.startsWith('Host:'));
    const lines = [
      `${method} ${target} HTTP/1.1`,
      ...(hasHost ? [] : [`Host: ${host}`]),
      ...headers,
    ];
    const { text } = await talk(rig.port, `${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`);
    const what = `${method} ${host}${target} ${headers.join()}`;
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), what);
    const question = { method, url: `http://${host}${target}`, headers };
    const { answer, upstream } = explained(rig.snapshot, question);
    assert.equal(answer?.status ?? (upstream ? 200 : 0), status, what);
  }
  const asked = origin.received.join('');
  const { asked: told, filters } = explained(rig.snapshot, { url: 'http://s.example/%6fld/x?%61' });
  assert.match(asked, new RegExp(`^GET ${told?.target.replace('?', '\\?')} HTTP/1\\.1\r\n`));
  assert.ok(asked.includes(`\r\nHost: ${told?.host}\r\n`));
  assert.deepEqual(filters, [
    { kind: 'headers', effects: ['sets X-A: b'] },
    {
      kind: 'rewrite',
      effects: ['asks the server for /new/x?%61', 'tells the server the host in.example'],
    },
  ]);
});

test('a body that a route asks for is part of the question', async () => {
  const body = { json: { 'user.tier': { exact: 'gold' } } };
  const rig = await startRig({
    servers: [1],
    routes: [answering(201, { body }), answering(202, {})],
  });
  await rig.close();
  const statusOf = (headers: readonly string[], text: string) => {
    const question = { method: 'POST', url: 'http://a/', headers, body: text };
    return explained(rig.snapshot, question).answer?.status;
  };
  const gold = '{"user":{"tier":"gold"}}';
  assert.equal(statusOf(['Content-Type: application/json'], gold), 201);
  assert.equal(statusOf([], gold), 202);
  const { routes } = explained(rig.snapshot, { url: 'http://a/' });
  assert.equal(routes[0]?.why, 'not so: JSON field user.tier = gold');
});

test('a keyed algorithm names the server, one that is down is never it', async () => {
  const rig = await startRig({
    servers: [1, 2, 3],
    algorithm: 'maglev',
    algorithmOptions: { key: 'header:X-User' },
  });
  await rig.close();
  const question = { url: 'http://x.example/', headers: ['X-User: alice'] };
  const picked = ({ upstream }: RequestExplanation) =>
    upstream?.servers.filter(({ isPicked }) => isPicked).map(({ name }) => name) ?? [];
  const [first, ...more] = picked(explained(rig.snapshot, question));
  assert.ok(first !== undefined && more.length === 0);
  const server = (_: string, name: string) =>
    name === first ? { state: 'down', reason: 'refused' } : { state: 'up', reason: '' };
  const asked = { method: 'GET', ...question };
  const without = explainRequest(rig.snapshot, asked, { ...FACTS, server });
  assert.ok(!('wrong' in without));
  assert.equal(picked(without).length, 1);
  assert.notEqual(picked(without)[0], first);
  const anybody = explained(rig.snapshot, { url: 'http://x.example/' });
  assert.deepEqual(picked(anybody), []);
  assert.match(anybody.upstream?.why ?? '', /maglev by header:x-user, which the request does not/);
});

test('whether a request would be hedged, and when', async () => {
  const key = { kind: 'header', name: 'x-user' } as const;
  const table = { key, ttlSeconds: 600, sessionsMax: 1000, shared: false, secret: '' };
  const wordsFor = async (method: string, attempts: number, fields: readonly string[] = []) => {
    const retries = { ...DEFAULT_RESILIENCE.retries, attempts };
    const upstream = { retries, hedging: { quantile: 0.95, leastMs: 5 } };
    const rig = await startRig({ servers: [1, 2], upstream, affinity: { table } });
    await rig.close();
    const question = { method, url: 'http://x.example/', headers: fields };
    return explained(rig.snapshot, question).upstream?.hedging ?? '';
  };
  assert.match(await wordsFor('GET', 3), /takes longer than 95 % of this route's, and 5 ms at/);
  assert.match(await wordsFor('POST', 3), /^none: POST may not be sent twice/);
  assert.match(await wordsFor('GET', 1), /^none: it would be a retry/);
  const upgrade = ['Connection: Upgrade', 'Upgrade: websocket'];
  assert.match(await wordsFor('GET', 3, upgrade), /^none: it may become a tunnel/);
  assert.match(await wordsFor('GET', 3, ['X-User: ann']), /^none: its session keeps it/);
});

test('who has the session is told, and when another one answers', async () => {
  const secret = 'the secret of this test';
  const attributes = { path: '/', secure: false, httpOnly: true, sameSite: 'Lax' } as const;
  const cookie = { name: 'M', secret, maxAgeSeconds: 0, maxLifeSeconds: 0, ...attributes };
  const rig = await startRig({ servers: [1, 2], affinity: { cookie, loadFactor: 1.5 } });
  await rig.close();
  const [{ name, servers }] = rig.snapshot.upstreams as [UpstreamSnapshot];
  const policy = { ...cookie, name: bytesOf('M'), attributes: '', formerKey: undefined };
  const key = cookieKeyOf(secret, name);
  const made = makeSessionCookie({ ...policy, key }, serverIdOf(name, servers[1]!.name), 0);
  const { upstream } = explained(rig.snapshot, { url: 'http://x/', headers: [`Cookie: ${made}`] });
  const words = 'has the session; another answers while it has more than 1.5 times its share';
  assert.ok(upstream?.why.startsWith(`${servers[1]!.name} ${words}`));
});

test('the listener is the one on the port, at the address, or by its name', async () => {
  const rig = await startRig({ servers: [1] });
  await rig.close();
  const [one] = rig.snapshot.listeners;
  const at = (name: string, address: string, port: number) => ({ ...one!, name, address, port });
  const listeners = [
    at('a', '192.0.2.1', 80),
    at('b', '192.0.2.2', 80),
    at('c', '192.0.2.1', 8080),
    { ...at('d', '192.0.2.1', 81), layer4: undefined },
  ];
  const snapshot = { ...rig.snapshot, listeners: listeners as typeof rig.snapshot.listeners };
  const nameOf = (url: string, listener?: string) => {
    const question = { method: 'GET', headers: [], url, listener };
    const result = explainRequest(snapshot, question, FACTS);
    return 'wrong' in result ? result.wrong : result.listener.name;
  };
  assert.equal(nameOf('http://192.0.2.2/'), 'b');
  assert.equal(nameOf('http://x.example:8080/'), 'c');
  assert.equal(nameOf('http://x.example/', 'a'), 'a');
  assert.equal(nameOf('http://x.example/'), 'several listeners are on port 80');
  assert.equal(nameOf('http://x.example:82/'), 'no listener is on port 82');
});
