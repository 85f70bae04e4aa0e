import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { BODY_BYTES_MAX, http, https } from '../../src/probe/http.ts';
import type { ProbeResult } from '../../src/probe/probe.ts';
import { type Fixture, serve } from './fixture-server.ts';
import { speakingHttp2 } from './grpc-server.ts';
import { caFile, good, overTls } from './tls-server.ts';

/** What the http kinds do beyond a GET that is judged by its status. */
const never = new AbortController().signal;

function run(port: number, options: object): Promise<ProbeResult> {
  return http.run({ address: '127.0.0.1', port }, http.options.parse(options), never);
}

/** A web server whose connections are counted like the other fixtures'. */
function serveHttp(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Fixture> {
  const server = createServer(answer);
  return serve(t, (socket: Socket) => server.emit('connection', socket));
}

test('run() sends a body with POST and PUT', async (t) => {
  const server = await serveHttp(t, (request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += String(chunk);
    });
    request.on('end', () => response.end(`${request.method} ${text}`));
  });
  for (const method of ['POST', 'PUT']) {
    const options = { method, send: '{"deep":true}', body: `${method} {"deep":true}` };
    assert.equal((await run(server.port, options)).reason, '200 OK');
  }
  const result = http.options.safeParse({ send: 'x' });
  assert.equal(result.success, false, 'a GET sends nothing');
});

test('run() finds a value in a JSON body', async (t) => {
  const document = { ready: true, 'a/b~c': [{ n: 1 }, null], none: null, text: 'fine' };
  const server = await serveHttp(t, (_request, response) => response.end(JSON.stringify(document)));
  const cases = [
    ['/ready', true, '200 OK'],
    ['/ready', false, 'body has true at /ready, wanted false'],
    ['/ready', 'true', 'body has true at /ready, wanted "true"'],
    ['/a~1b~0c/0/n', 1, '200 OK'],
    ['/a~1b~0c/1', null, '200 OK'],
    ['/none', null, '200 OK'],
    ['/text', 'fine', '200 OK'],
    ['/text/0', 'f', 'body has nothing at /text/0, wanted "f"'],
    ['/toString', 'x', 'body has nothing at /toString, wanted "x"'],
    ['/__proto__', null, 'body has nothing at /__proto__, wanted null'],
    ['', 1, `body has ${JSON.stringify(document)} at its top, wanted 1`],
  ] as const;
  for (const [pointer, equals, reason] of cases) {
    const result = await run(server.port, { bodyJson: { pointer, equals } });
    assert.equal(result.reason, reason);
  }
  for (const pointer of ['ready', '/a~2', '/~']) {
    assert.equal(http.options.safeParse({ bodyJson: { pointer, equals: 1 } }).success, false);
  }
});

test('run() says when a body is no JSON, or too long for it', async (t) => {
  let text = 'ready';
  const server = await serveHttp(t, (_request, response) => response.end(text));
  const bodyJson = { pointer: '/x', equals: 1 };
  assert.equal((await run(server.port, { bodyJson })).reason, 'body is no JSON');
  text = `[${' '.repeat(BODY_BYTES_MAX)}]`;
  const long = await run(server.port, { bodyJson });
  assert.equal(long.reason, 'body is too long to be read as JSON');
  text = '['.repeat(BODY_BYTES_MAX - 1);
  assert.equal((await run(server.port, { bodyJson })).reason, 'body is no JSON');
});

test('run() follows redirections to other paths of the same host, as many as allowed', async (t) => {
  const asked: string[] = [];
  const server = await serveHttp(t, (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const [, kind = '', left = ''] = (request.url ?? '').split('/');
    const places: Readonly<Record<string, string>> = {
      other: 'http://a.example/',
      port: 'http://web.example:9/',
      tls: 'https://web.example/',
      bad: 'http://[',
    };
    const location = left === '0' ? undefined : (places[kind] ?? `/chain/${Number(left) - 1}`);
    if (location === undefined) response.end('here');
    else response.writeHead(left === '' ? 302 : 301, { location }).end();
  });
  const ask = (options: object): Promise<ProbeResult> =>
    run(server.port, { host: 'web.example', ...options });
  assert.equal((await ask({ path: '/chain/2' })).reason, 'status 301, wanted 200-299');
  const followed = await ask({ path: '/chain/2', redirects: 2, body: 'here', method: 'POST' });
  assert.equal(followed.reason, '200 OK');
  assert.deepEqual(asked.slice(-3), ['POST /chain/2', 'GET /chain/1', 'GET /chain/0']);
  const many = await ask({ path: '/chain/3', redirects: 2 });
  assert.equal(many.reason, 'status 301, wanted 200-299');
  const elsewhere = [
    ['/other', 'redirected elsewhere: http://a.example'],
    ['/port', 'redirected elsewhere: http://web.example:9'],
    ['/tls', 'redirected elsewhere: https://web.example'],
    ['/bad', 'redirected to nowhere: http://['],
  ] as const;
  for (const [path, reason] of elsewhere) {
    assert.deepEqual((await ask({ path, redirects: 5 })).reason, reason);
  }
  await server.idle();
});

test('run() repeats the request where a redirection says so', async (t) => {
  const asked: string[] = [];
  const server = await serveHttp(t, (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (request.url === '/') response.writeHead(308, { location: 'deep?x=1' }).end();
    else response.end();
  });
  assert.equal((await run(server.port, { method: 'PUT', send: 'x', redirects: 1 })).ok, true);
  assert.deepEqual(asked, ['PUT /', 'PUT /deep?x=1']);
});

test('run() takes the name for TLS from the host, and asks over HTTP/1.1 or HTTP/2', async (t) => {
  const one = createServer((_request, response) => response.end('fit'));
  const two = speakingHttp2((stream) => {
    stream.respond({ ':status': 200 });
    stream.end('fit');
  });
  const names: (string | false | null)[] = [];
  const server = await serve(
    t,
    overTls((socket) => {
      names.push((socket as { servername?: string | false }).servername ?? null);
      if (socket.alpnProtocol === 'h2') two(socket);
      else one.emit('connection', socket);
    }),
  );
  const ask = (options: object): Promise<ProbeResult> => {
    const parsed = https.options.parse({ tls: { ca: caFile(t) }, body: 'fit', ...options });
    return https.run({ address: '127.0.0.1', port: server.port }, parsed, never);
  };
  for (const options of [{}, { host: 'localhost:8443' }, { host: 'localhost', http2: true }]) {
    const result = await ask(options);
    assert.deepEqual([result.ok, result.reason], [true, '200 OK']);
    assert.ok(result.expiresAtMs! > Date.now());
  }
  assert.deepEqual(names, [false, 'localhost', 'localhost']);
  const old = await serve(
    t,
    overTls((socket) => one.emit('connection', socket), good, ['x']),
  );
  const parsed = https.options.parse({ tls: { ca: caFile(t) }, http2: true });
  const result = await https.run({ address: '127.0.0.1', port: old.port }, parsed, never);
  assert.match(result.reason, /none of these protocols/);
});

test('options refuse HTTP/2 without TLS', () => {
  assert.equal(http.options.safeParse({ http2: true }).success, false);
  assert.equal(http.options.safeParse({ http2: true, tls: true }).success, true);
});
