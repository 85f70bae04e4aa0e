import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BODY_LOOK_BYTES_MAX } from '../../src/balancer/body-look.ts';
import type { RouteSnapshot } from '../../src/balancer/snapshot.ts';
import { connectRaw, type RawOrigin, type Rig, startRawOrigin, startRig, talk } from './rig.ts';

/** Routes that ask for something of the body, over real sockets; the server gets the body unchanged. */

const marked = (mark: string, route: Partial<RouteSnapshot>): RouteSnapshot => {
  const edits = { set: { 'X-Route': mark }, add: {}, remove: [] };
  const none = { set: {}, add: {}, remove: [] };
  const filters = [{ kind: 'headers', options: { request: none, response: edits } }];
  return { hosts: [], pathPrefix: '/', filters, upstream: 0, ...route };
};
const ROUTES: readonly RouteSnapshot[] = [
  marked('rest', {}),
  marked('gold', { pathPrefix: '/o', body: { json: { 'user.tier': { exact: 'gold' } } } }),
  marked('second', { pathPrefix: '/o', body: { json: { 'items.1.n': { regex: '\\d{2}' } } } }),
  marked('nobody', { pathPrefix: '/n', body: { json: { name: { present: false } } } }),
  marked('größe', { pathPrefix: '/f', body: { form: { größe: { prefix: 'ü' } } } }),
];

let origin: RawOrigin;
let rig: Rig;
before(async () => {
  origin = await startRawOrigin((socket, text) => {
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
    const [head = ''] = text.split('\r\n\r\n', 1);
    const isDone = /chunked/i.test(head)
      ? text.endsWith('\r\n0\r\n\r\n')
      : text.length >= head.length + 4 + length;
    if (isDone) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });
  rig = await startRig({ servers: [origin.port], routes: ROUTES });
});
after(async () => {
  await rig.close();
  origin.close();
});

const octets = (text: string): string => Buffer.from(text).toString('latin1');
const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';
const gold = '{"user":{"tier":"gold"},"more":[1,2]}';
const long = JSON.stringify({ user: { tier: 'gold' }, more: 'x'.repeat(BODY_LOOK_BYTES_MAX) });

const routeOf = (text: string): string | undefined => /^x-route: (.*)\r$/im.exec(text)?.[1];

for (const [path, type, body, mark] of [
  ['/o', JSON_TYPE, gold, 'gold'],
  ['/o/x', 'Application/Vnd.x+JSON; charset=utf-8', gold, 'gold'],
  ['/o', JSON_TYPE, '{"user":{"tier":"golden"}}', 'rest'],
  ['/o', JSON_TYPE, '{"user":{"tier":["gold"]}}', 'rest'],
  ['/o', JSON_TYPE, `${gold}x`, 'rest'],
  ['/o', 'text/plain', gold, 'rest'],
  ['/o', FORM_TYPE, gold, 'rest'],
  ['/o', JSON_TYPE, long, 'rest'],
  ['/o', `${JSON_TYPE}\r\nContent-Encoding: gzip`, gold, 'rest'],
  ['/o', `${JSON_TYPE}\r\nContent-Type: ${JSON_TYPE}`, gold, 'rest'],
  ['/o', JSON_TYPE, '{"items":[{},{"n":12}]}', 'second'],
  ['/o', JSON_TYPE, '', 'rest'],
  ['/x', JSON_TYPE, gold, 'rest'],
  ['/n', JSON_TYPE, '{}', 'nobody'],
  ['/n', JSON_TYPE, '{"name":null}', 'rest'],
  ['/n', JSON_TYPE, '{', 'rest'],
  ['/f', FORM_TYPE, 'a=b&gr%C3%B6%C3%9Fe=%C3%BCber+all', 'größe'],
  ['/f', FORM_TYPE, octets('größe=überall'), 'größe'],
  ['/f', FORM_TYPE, 'grosse=ueberall', 'rest'],
] as const) {
  test(`${path} with ${JSON.stringify([type, body.slice(0, 40)])} takes the route "${mark}"`, async () => {
    const seen = origin.received.length;
    const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: ${type}\r\n`;
    const whole = await talk(rig.port, `${head}Content-Length: ${body.length}\r\n\r\n${body}`);
    assert.equal(routeOf(whole.text), octets(mark) === mark ? mark : routeOf(whole.text));
    assert.equal(routeOf(whole.text) !== 'rest', mark !== 'rest');
    const chunks =
      body === ''
        ? ''
        : `1\r\n${body[0]}\r\n${(body.length - 1).toString(16)}\r\n${body.slice(1)}\r\n`;
    const chunked = await talk(
      rig.port,
      `${head}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`,
    );
    // An empty body in chunks is no JSON, but it is a form without fields.
    assert.equal(routeOf(chunked.text) !== 'rest', mark !== 'rest');
    const [first = '', second = ''] = origin.received.slice(seen);
    assert.equal(first.slice(first.indexOf('\r\n\r\n') + 4), body);
    const sent = second.slice(second.indexOf('\r\n\r\n') + 4);
    assert.ok(sent.endsWith('0\r\n\r\n') && sent.length >= chunks.length);
  });
}

test('a body that comes octet by octet is waited for, and the next request is served', async () => {
  const client = connectRaw(rig.port);
  const head = `POST /o HTTP/1.1\r\nHost: a\r\nContent-Type: ${JSON_TYPE}\r\nContent-Length: ${gold.length}\r\n\r\n`;
  for (const octet of head + gold) client.send(octet);
  const first = await client.until((text) => text.includes('\r\n\r\n'));
  assert.equal(routeOf(first), 'gold');
  client.send('GET /o HTTP/1.1\r\nHost: a\r\n\r\n');
  const both = await client.until((text) => text.split('HTTP/1.1 200').length === 3);
  assert.match(both, /rest/);
  client.socket.destroy();
});

test('a client that waits for a word to send its body gets one, once', async () => {
  const client = connectRaw(rig.port);
  const fields = `Content-Type: ${JSON_TYPE}\r\nExpect: 100-continue\r\nContent-Length: ${gold.length}`;
  client.send(`POST /o HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n`);
  await client.until((text) => text === 'HTTP/1.1 100 Continue\r\n\r\n');
  client.send(gold.slice(0, 5));
  client.send(gold.slice(5));
  const text = await client.until((so) => so.includes(' 200 '));
  assert.equal(text.split('100 Continue').length, 2);
  assert.equal(routeOf(text), 'gold');
  client.socket.destroy();
});

test('who never sends the body is let go as for a head', async () => {
  const client = connectRaw(rig.port);
  const fields = `Content-Type: ${JSON_TYPE}\r\nExpect: 100-continue\r\nContent-Length: 10`;
  client.send(`POST /o HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n`);
  await client.until((text) => text.includes('100 Continue'));
  rig.pass(10_000);
  const text = await client.until((so) => so.includes('HTTP/1.1 408'));
  assert.match(text, /the body did not come in time/);
  assert.doesNotMatch(text, / 200 /);
  client.socket.destroy();
});

/** What begins a body of JSON, and goes on for long. */
const BEGUN = `Content-Type: ${JSON_TYPE}\r\nContent-Length: 8000\r\n\r\n{"a":"`;
const asks = { body: { json: { kind: { exact: 'x' } } } } as const;
const free: Partial<RouteSnapshot> = {};
for (const [what, request, routes, isWaitedFor] of [
  ['another host asks', 'POST / HTTP/1.1\r\nHost: b', [{ hosts: ['a'], ...asks }, free], false],
  ['its host asks', 'POST / HTTP/1.1\r\nHost: A:80', [{ hosts: ['a'], ...asks }, free], true],
  ['a wildcard asks', 'POST / HTTP/1.1\r\nHost: a.b', [{ hosts: ['*.b'], ...asks }, free], true],
  [
    'one for any host asks after all of its own',
    'POST / HTTP/1.1\r\nHost: a',
    [asks, { hosts: ['a'], path: '/x' }, free],
    true,
  ],
  [
    'its own host takes it before one for any asks',
    'POST / HTTP/1.1\r\nHost: a',
    [asks, { hosts: ['a'] }],
    false,
  ],
  [
    'another path asks',
    'POST /x HTTP/1.1\r\nHost: a',
    [{ pathPrefix: '/y', ...asks }, free],
    false,
  ],
  ['a shorter path asks', 'POST /y HTTP/1.1\r\nHost: a', [asks, { path: '/y' }], false],
  [
    'another spelling of its path asks',
    'POST /./%79 HTTP/1.1\r\nHost: a',
    [{ path: '/y', ...asks }, free],
    true,
  ],
  [
    'another method asks',
    'POST / HTTP/1.1\r\nHost: a',
    [{ methods: ['PUT'], ...asks }, free],
    false,
  ],
  [
    'a form is asked for',
    'POST / HTTP/1.1\r\nHost: a',
    [{ body: { form: { a: { exact: 'x' } } } }, free],
    false,
  ],
] as const) {
  test(`${what}: the body is ${isWaitedFor ? '' : 'not '}waited for`, async (t) => {
    const server = await startRawOrigin(() => {});
    const own = await startRig({
      servers: [server.port],
      routes: routes.map((route) => marked('', route)),
    });
    const client = connectRaw(own.port);
    t.after(async () => {
      client.socket.destroy();
      await own.close();
      server.close();
    });
    client.send(`${request}\r\n${isWaitedFor ? 'Expect: 100-continue\r\n' : ''}${BEGUN}`);
    if (isWaitedFor) {
      await client.until((text) => text.includes('100 Continue'));
      own.pass(10_000);
      await client.until((text) => text.includes('the body did not come in time'));
      assert.equal(server.connections(), 0);
    } else {
      while (!server.received.join('').endsWith('{"a":"')) await new Promise(setImmediate);
    }
  });
}
