import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { Agent, request as undiciRequest } from 'undici';
import type { Rig } from './rig.ts';
import { connectRaw, startRawOrigin, startRig, talk } from './rig.ts';

/** The balancer between real clients and a real node:http origin. */

const BIG = Buffer.alloc(5 * 1024 * 1024, 'meridian ');

let origin: http.Server;
let rig: Rig;
before(async () => {
  origin = http.createServer((request, response) => {
    const url = new URL(request.url!, 'http://x');
    switch (url.pathname) {
      case '/echo':
        response.writeHead(200, { 'x-method': request.method });
        request.pipe(response);
        break;
      case '/headers':
        response.end(JSON.stringify(request.rawHeaders));
        break;
      case '/big':
        response.writeHead(200, { 'content-length': BIG.length });
        response.end(BIG);
        break;
      case '/hash': {
        const hash = createHash('sha256');
        request.on('data', (part) => hash.update(part));
        request.on('end', () => response.end(hash.digest('hex')));
        break;
      }
      case '/trailers':
        response.writeHead(200, { Trailer: 'X-Sum', Connection: 'keep-alive, x-hidden' });
        response.write('body');
        response.addTrailers({ 'X-Sum': '42', 'X-Hidden': '1' });
        response.end();
        break;
      case '/hop':
        response.writeHead(200, {
          Connection: 'X-Nominated',
          'X-Nominated': '1',
          'Keep-Alive': 'timeout=5',
          'Proxy-Authenticate': 'Basic',
          'X-Kept': '1',
        });
        response.end('hop');
        break;
      case '/hints':
        response.writeEarlyHints({ link: '</a.css>; rel=preload' });
        response.end('after hints');
        break;
      case '/early':
        response.writeHead(403, { 'content-length': 2 });
        response.end('no');
        break;
      default:
        response.statusCode = Number(url.searchParams.get('status') ?? 200);
        response.end(
          response.statusCode === 204 || response.statusCode === 304 ? undefined : 'hello',
        );
    }
  });
  origin.on('upgrade', (request, socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhi ',
    );
    socket.write(String(request.headers['sec-key']));
    socket.pipe(socket);
  });
  origin.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  rig = await startRig({ servers: [(origin.address() as AddressInfo).port] });
});
after(async () => {
  await rig.close();
  origin.closeAllConnections();
  origin.close();
});

const close = 'Host: x\r\nConnection: close\r\n';

test('a kept client connection reuses one kept server connection', async () => {
  const client = connectRaw(rig.port);
  for (let count = 1; count <= 3; count++) {
    client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await client.until((text) => text.split('hello').length === count + 1);
  }
  client.socket.end();
  const { text } = await client.ended();
  assert.ok(!text.includes('Connection: close'));
  assert.equal(rig.counters().servers[0]?.connections, 1);
  assert.equal(rig.counters().servers[0]?.requests, 3);
  assert.equal(rig.counters().servers[0]?.active, 0);
});

test('pipelined requests are answered in order', async () => {
  const requests = ['/?status=201', '/no-such', '/?status=202', '/?status=204', '/?status=203'];
  const text = requests.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join('');
  const answer = await talk(rig.port, `${text}GET /?status=207 HTTP/1.1\r\n${close}\r\n`);
  assert.deepEqual(
    [...answer.text.matchAll(/HTTP\/1.1 (\d+)/g)].map((match) => match[1]),
    ['201', '200', '202', '204', '203', '207'],
  );
});

test('where clients may finish first, one that has pipelined still gets every answer', async (t) => {
  const patient = await startRig({
    servers: [(origin.address() as AddressInfo).port],
    abortOnClose: false,
  });
  t.after(() => patient.close());
  const client = connectRaw(patient.port);
  client.send(
    'GET /?status=201 HTTP/1.1\r\nHost: x\r\n\r\nGET /?status=202 HTTP/1.1\r\nHost: x\r\n\r\n',
  );
  client.socket.end();
  const { text } = await client.ended();
  assert.deepEqual(
    [...text.matchAll(/HTTP\/1.1 (\d+)/g)].map((match) => match[1]),
    ['201', '202'],
  );
});

test('chunked bodies go both ways, with chunk extensions left behind', async () => {
  const { text } = await talk(
    rig.port,
    `POST /echo HTTP/1.1\r\n${close}Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\n\r\n`,
  );
  assert.match(text, /\r\nTransfer-Encoding: chunked\r\n/);
  const body = text.slice(text.indexOf('\r\n\r\n') + 4).replace(/[0-9a-f]+\r\n(.*?)\r\n/gs, '$1');
  assert.equal(body, 'hello world');
});

test('the same request cut at every byte is forwarded and answered the same', async () => {
  const origin = await startRawOrigin((socket, text) => {
    if (text.includes('0\r\nX-Sum: 1\r\n\r\n')) {
      socket.end('HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok');
    }
  });
  const rig = await startRig({ servers: [origin.port] });
  const request =
    'POST /a?b HTTP/1.1\r\nHost: x\r\nX-A:  b \r\nConnection: close, x-drop\r\nX-Drop: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n';
  const whole = await talk(rig.port, request);
  const client = connectRaw(rig.port);
  for (const letter of request) {
    client.send(letter);
    await new Promise(setImmediate);
  }
  const split = await client.ended();
  assert.equal(split.text, whole.text);
  // Chunks follow the arrival of bytes; head, content and trailers do not.
  const parts = (text: string): readonly string[] => {
    const end = text.indexOf('\r\n\r\n');
    const content = text.slice(end + 4).replace(/([1-9a-f]+)\r\n(.*?)\r\n/gs, '$2');
    return [text.slice(0, end), content];
  };
  assert.deepEqual(parts(origin.received[1]!), parts(origin.received[0]!));
  assert.ok(!/x-drop/i.test(origin.received[0]!), origin.received[0]!);
  await rig.close();
  origin.close();
});

test('big bodies arrive whole both ways, through undici and node:http', async () => {
  const agent = new Agent({ connections: 2 });
  const url = `http://127.0.0.1:${rig.port}`;
  const got = await undiciRequest(`${url}/big`, { dispatcher: agent });
  assert.ok(Buffer.from(await got.body.arrayBuffer()).equals(BIG));
  const posted = await undiciRequest(`${url}/hash`, {
    dispatcher: agent,
    method: 'POST',
    body: BIG,
  });
  assert.equal(await posted.body.text(), createHash('sha256').update(BIG).digest('hex'));
  await agent.close();
  const echoed = await new Promise<Buffer>((resolve, reject) => {
    const request = http.request(`${url}/echo`, { method: 'POST', agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve(Buffer.concat(parts)));
    });
    request.on('error', reject);
    request.end(BIG);
  });
  assert.ok(echoed.equals(BIG));
});

test('a client that reads slowly holds the server back instead of filling memory', async () => {
  const sent = { bytes: 0 };
  const block = 'x'.repeat(64 * 1024);
  const total = 64 * 1024 * 1024;
  const origin = await startRawOrigin((socket, text) => {
    if (!text.endsWith('\r\n\r\n')) return;
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`);
    const pump = (): void => {
      while (sent.bytes < total) {
        sent.bytes += block.length;
        if (!socket.write(block)) break;
      }
    };
    socket.on('drain', pump);
    pump();
  });
  const rig = await startRig({ servers: [origin.port] });
  const client = connectRaw(rig.port);
  client.send(`GET / HTTP/1.1\r\n${close}\r\n`);
  await client.until((text) => text.length > 0);
  client.socket.pause();
  let before = -1;
  while (before !== sent.bytes) {
    before = sent.bytes;
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  }
  assert.ok(sent.bytes < total, `the server could send ${sent.bytes} bytes`);
  client.socket.destroy();
  await rig.close();
  origin.close();
});

test('HEAD, 204 and 304 have no body and keep the connection in step', async () => {
  const client = connectRaw(rig.port);
  client.send(
    'HEAD /big HTTP/1.1\r\nHost: x\r\n\r\nGET /?status=204 HTTP/1.1\r\nHost: x\r\n\r\n' +
      `GET /?status=304 HTTP/1.1\r\nHost: x\r\n\r\nGET /?status=206 HTTP/1.1\r\n${close}\r\n`,
  );
  const { text } = await client.ended();
  const heads = text.split(/(?=HTTP\/1.1 )/);
  assert.deepEqual(
    heads.map((head) => head.slice(9, 12)),
    ['200', '204', '304', '206'],
  );
  assert.match(heads[0]!, new RegExp(`\r\nContent-Length: ${BIG.length}\r\n\r\n$`));
  assert.ok(!/Content-Length|Transfer-Encoding/.test(heads[1]!));
  for (const head of heads.slice(0, 3)) assert.ok(head.endsWith('\r\n\r\n'), head);
});

test('Expect: 100-continue is passed on, and the interim answer back', async () => {
  const client = connectRaw(rig.port);
  client.send(`POST /echo HTTP/1.1\r\n${close}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`);
  await client.until((text) => text.includes('HTTP/1.1 100 Continue\r\n\r\n'));
  client.send('hello');
  const { text } = await client.ended();
  assert.match(text, /HTTP\/1.1 200 OK[\s\S]*hello/);
});

test('interim responses reach HTTP/1.1 clients only', async () => {
  const modern = await talk(rig.port, `GET /hints HTTP/1.1\r\n${close}\r\n`);
  assert.match(
    modern.text,
    /^HTTP\/1.1 103 Early Hints\r\nLink: [^\r]*\r\n\r\nHTTP\/1.1 200 OK\r\n/i,
  );
  const old = await talk(rig.port, 'GET /hints HTTP/1.0\r\n\r\n');
  assert.match(old.text, /^HTTP\/1.1 200 OK\r\n/);
});

test('an early response reaches a client that is still sending', async () => {
  const client = connectRaw(rig.port);
  client.send('POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n');
  client.send('x'.repeat(100_000));
  const { text } = await client.ended();
  assert.match(text, /^HTTP\/1.1 403 Forbidden\r\n[\s\S]*\r\nConnection: close\r\n[\s\S]*no$/);
});

test('HTTP/1.0 clients get plain bodies, and keep the connection only when they ask', async () => {
  const plain = await talk(rig.port, 'GET /echo HTTP/1.0\r\n\r\n');
  assert.ok(!/Transfer-Encoding/i.test(plain.text), plain.text);
  assert.match(plain.text, /\r\nConnection: close\r\n/);
  const client = connectRaw(rig.port);
  client.send('GET /big HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  await client.until((text) => text.length > BIG.length && text.includes('Connection: keep-alive'));
  client.send('GET / HTTP/1.0\r\n\r\n');
  const { text } = await client.ended();
  assert.ok(text.endsWith('hello'));
});

test('hop-by-hop fields stay behind in both directions, and claims about the client are replaced', async () => {
  const { text } = await talk(
    rig.port,
    'GET /headers HTTP/1.1\r\nHost: shop.example:8080\r\nConnection: close, X-Nominated, X-Forwarded-For, Via\r\n' +
      'X-Nominated: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\nProxy-Authorization: Basic x\r\n' +
      'HTTP2-Settings: x\r\nUpgrade: h2c\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\n' +
      'X-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Kept: yes\r\n\r\n',
  );
  const flat: string[] = JSON.parse(/\[.*\]/.exec(text)![0]);
  const pairs = flat.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${flat[at + 1]}`] : []));
  assert.deepEqual(pairs, [
    'Host: shop.example:8080',
    'X-Kept: yes',
    'X-Forwarded-For: 127.0.0.1',
    'X-Forwarded-Proto: http',
    'X-Forwarded-Host: shop.example:8080',
    'Via: 1.1 meridian-test',
    'TE: trailers',
    'Connection: TE',
  ]);
  const answer = await talk(rig.port, `GET /hop HTTP/1.1\r\n${close}\r\n`);
  assert.ok(!/X-Nominated|Keep-Alive|Proxy-Authenticate/i.test(answer.text), answer.text);
  assert.match(answer.text, /\r\nX-Kept: 1\r\n[\s\S]*\r\nVia: 1.1 meridian-test\r\n/);
});

test('trailers travel on, but not those that Connection nominates', async () => {
  const { text } = await talk(rig.port, `GET /trailers HTTP/1.1\r\n${close}\r\n`);
  assert.match(text, /\r\n0\r\nX-Sum: 42\r\n\r\n$/);
});

test('an absolute-form target becomes origin-form and its authority the Host', async () => {
  const { text } = await talk(
    rig.port,
    `GET http://real.example/headers?x=1 HTTP/1.1\r\n${close}\r\n`,
  );
  assert.match(text, /\["Host","real.example",/);
});

test('an upgrade becomes a tunnel after 101, with bytes of both sides that came early', async () => {
  const client = connectRaw(rig.port);
  client.send(
    'GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\nSec-Key: k\r\n\r\nearly',
  );
  await client.until((text) => text.includes('hi kearly'));
  client.send(' late');
  await client.until((text) => text.endsWith('hi kearly late'));
  assert.match(
    client.text(),
    /^HTTP\/1.1 101 [^\r]*\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n/,
  );
  client.socket.end();
  assert.equal((await client.ended()).reset, false);
});

test('filters edit requests and responses or answer themselves', async () => {
  const rig = await startRig({
    servers: [(origin.address() as AddressInfo).port],
    routes: [
      {
        hosts: [],
        pathPrefix: '/old',
        filters: [{ kind: 'redirect', options: { location: 'https://{host}/new' } }],
        upstream: 0,
      },
      {
        hosts: [],
        pathPrefix: '/headers',
        filters: [
          {
            kind: 'headers',
            options: {
              request: { set: { 'X-Added': 'a', Accept: 'x' }, remove: ['X-Gone'] },
              response: { set: { 'X-Frame': 'DENY' }, remove: ['Date'] },
            },
          },
        ],
        upstream: 0,
      },
    ],
  });
  const redirected = await talk(rig.port, `GET /old/x HTTP/1.1\r\n${close}\r\n`);
  assert.match(
    redirected.text,
    /^HTTP\/1.1 308 Permanent Redirect\r\n[\s\S]*\r\nLocation: https:\/\/x\/new\r\n/,
  );
  const edited = await talk(
    rig.port,
    `GET /headers HTTP/1.1\r\n${close}X-Gone: 1\r\naccept: y\r\nX-B: c\r\n\r\n`,
  );
  assert.match(edited.text, /"Host","x","X-B","c","X-Added","a","Accept","x","X-Forwarded-For"/);
  assert.match(edited.text, /\r\nX-Frame: DENY\r\n/);
  const unknown = await talk(rig.port, `GET /elsewhere HTTP/1.1\r\n${close}\r\n`);
  assert.match(unknown.text, /^HTTP\/1.1 404 Not Found\r\n/);
  await rig.close();
});

test('OPTIONS with Max-Forwards is counted down and answered at zero', async () => {
  const answered = await talk(rig.port, `OPTIONS * HTTP/1.1\r\n${close}Max-Forwards: 0\r\n\r\n`);
  assert.match(answered.text, /^HTTP\/1.1 204 /);
  const passed = await talk(
    rig.port,
    `OPTIONS /headers HTTP/1.1\r\n${close}Max-Forwards: 5\r\n\r\n`,
  );
  assert.match(passed.text, /"Max-Forwards","4"/);
});
