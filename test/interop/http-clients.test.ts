import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser } from 'playwright-core';
import type { BalancerProcess } from '../balancer/process.ts';
import { ENGINES, startBalancerProcess } from '../balancer/process.ts';
import { snapshotOf } from '../balancer/rig.ts';
import { echoWebSocket } from '../balancer/websocket-server.ts';
import { launchBrowser } from '../page/page-fixture.ts';
import { startNginx } from './nginx-process.ts';

/**
 * The balancer in its worker between programs that people use and servers that they run: nginx for files,
 * node:http for what answers by itself. Each claim holds for both engines.
 */

const FILE = Buffer.from(randomBytes(3_000_000).toString('base64url'));
const PAGE = `<!doctype html><title>behind a balancer</title><script type="module">
  const answer = await fetch('/hash', { method: 'POST', body: new Uint8Array(3_000_000).fill(7) });
  const hash = await answer.text();
  const events = await new Promise((resolve) => {
    const seen = [];
    const source = new EventSource('/events');
    source.onmessage = ({ data }) => {
      seen.push(data);
      if (seen.length < 3) fetch('/events/next', { method: 'POST' });
      else { source.close(); resolve(seen); }
    };
  });
  const echoed = await new Promise((resolve) => {
    const socket = new WebSocket('ws://' + location.host + '/ws');
    socket.onopen = () => socket.send('x'.repeat(200_000));
    socket.onmessage = ({ data }) => { socket.onclose = ({ wasClean }) => resolve([data.length, wasClean]); socket.close(); };
  });
  document.body.dataset.told = JSON.stringify({ hash, events, echoed });
</script>`;

let releaseEvent = (): void => {};
const server = http.createServer((request, response) => {
  switch (request.url) {
    case '/':
      response.setHeader('Content-Type', 'text/html');
      response.end(PAGE);
      break;
    case '/hash': {
      const hash = createHash('sha256');
      request.on('data', (part) => hash.update(part));
      request.on('end', () => response.end(hash.digest('hex')));
      break;
    }
    case '/head':
      response.end(`${request.httpVersion} ${JSON.stringify(request.headers)}`);
      break;
    case '/refuse':
      response.writeHead(403, { 'Content-Length': 2 });
      response.end('no');
      break;
    case '/events': {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      let count = 0;
      releaseEvent = () => void response.write(`data: ${++count}\n\n`);
      releaseEvent();
      break;
    }
    case '/events/next':
      releaseEvent();
      response.end();
      break;
    default:
      response.end('hello');
  }
});
server.on('upgrade', echoWebSocket);

let nginx: Awaited<ReturnType<typeof startNginx>>;
let browser: Browser;
let directory: string;
const balancers: BalancerProcess[] = [];
before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'meridian-clients-'));
  writeFileSync(join(directory, 'file'), FILE);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  nginx = await startNginx('', { file: FILE.toString() });
  browser = await launchBrowser();
  for (const engine of ENGINES) balancers.push(await startBalancerProcess(snapshot(), engine));
});
after(async () => {
  for (const balancer of balancers) await balancer.kill();
  await browser.close();
  await nginx.stop();
  server.closeAllConnections();
  server.close();
  rmSync(directory, { recursive: true });
});

/** What is under /file comes from nginx, the rest from node:http. */
function snapshot() {
  const { port } = server.address() as AddressInfo;
  const base = snapshotOf({ servers: [port] });
  const [web] = base.upstreams;
  const files = { name: 's', address: '127.0.0.1', port: nginx.port, weight: 1 };
  return {
    ...base,
    upstreams: [web!, { ...web!, name: 'files', servers: [files] }],
    listeners: base.listeners.map((listener) => ({
      ...listener,
      routes: [
        { hosts: [], pathPrefix: '/file', filters: [], upstream: 1 },
        { hosts: [], pathPrefix: '/', filters: [], upstream: 0 },
      ],
    })),
  };
}

type Run = { readonly code: number; readonly out: Buffer; readonly err: string };

async function run(program: string, ...words: string[]): Promise<Run> {
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  const out: Buffer[] = [];
  let err = '';
  child.stdout.on('data', (part: Buffer) => out.push(part));
  child.stderr.on('data', (part: Buffer) => {
    err += part;
  });
  const [code] = (await once(child, 'close')) as [number];
  return { code, out: Buffer.concat(out), err };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

for (const [index, engine] of ENGINES.entries()) {
  const port = (): number => balancers[index]!.port;
  const url = (path: string): string => `http://127.0.0.1:${port()}${path}`;

  /** Curl succeeds, or says why not. */
  const curl = async (...words: string[]): Promise<Buffer> => {
    const { code, err, out } = await run('curl', '-sS', '--max-time', '30', ...words);
    assert.equal(code, 0, err);
    return out;
  };

  test(`curl uploads and downloads in every framing, ${engine}`, async () => {
    const file = join(directory, 'file');
    for (const framing of [
      ['-H', 'Expect: 100-continue', '--expect100-timeout', '20'],
      ['-H', 'Transfer-Encoding: chunked'],
      ['-H', 'Expect:'],
    ]) {
      const told = await curl('--data-binary', `@${file}`, ...framing, url('/hash'));
      assert.equal(told.toString(), sha256(FILE), framing.join(' '));
    }
    assert.ok((await curl(url('/file'))).equals(FILE));
    const two = await curl(url('/file'), url('/file'));
    assert.ok(two.equals(Buffer.concat([FILE, FILE])));
    const slow = await curl('--limit-rate', '8M', url('/file'));
    assert.ok(slow.equals(FILE));
  });

  test(`curl waits for 100 Continue and gets it, or the refusal, ${engine}`, async () => {
    const file = join(directory, 'file');
    const words = ['-v', '--expect100-timeout', '20', '-H', 'Expect: 100-continue'];
    const passed = await run('curl', '-sS', ...words, '--data-binary', `@${file}`, url('/hash'));
    assert.match(passed.err, /< HTTP\/1\.1 100 Continue/);
    assert.equal(passed.out.toString(), sha256(FILE));
    const refused = await curl(...words, '--data-binary', `@${file}`, url('/refuse'));
    assert.equal(refused.toString(), 'no');
  });

  test(`curl gets ranges, heads and answers of HTTP/1.0, ${engine}`, async () => {
    const part = await curl('-r', '1000-1999', '-w', '%{http_code}', url('/file'));
    assert.equal(part.toString(), `${FILE.subarray(1000, 2000).toString()}206`);
    const head = (await curl('-I', url('/file'))).toString();
    assert.match(head, new RegExp(`^HTTP/1.1 200 OK\r\n[\\s\\S]*Content-Length: ${FILE.length}`));
    const old = (await curl('-0', '-i', url('/head'))).toString();
    assert.match(old, /\r\nConnection: close\r\n\r\n1\.1 .*"via":"1\.0 meridian-test"/);
    const tag = /ETag: (\S+)/.exec(head)![1]!;
    const fresh = await curl('-i', '-H', `If-None-Match: ${tag}`, url('/file'));
    assert.match(fresh.toString(), /^HTTP\/1.1 304 [\s\S]*\r\n\r\n$/);
  });

  test(`wrk and h2load see no error, ${engine}`, async () => {
    const wrk = await run('wrk', '-t1', '-c32', '-d2s', url('/hello'));
    const text = wrk.out.toString();
    assert.match(text, /\d+ requests in /);
    assert.doesNotMatch(text, /Socket errors|Non-2xx/, text);
    const load = await run('h2load', '--h1', '-n3000', '-c32', '-m4', url('/hello'));
    assert.match(
      load.out.toString(),
      /3000 total, 3000 started, 3000 done, 3000 succeeded, 0 failed, 0 errored, 0 timeout/,
    );
    assert.match(load.out.toString(), /3000 2xx, 0 3xx, 0 4xx, 0 5xx/);
  });

  test(`Python's websockets and http.client are served, ${engine}`, async () => {
    const script = new URL('websockets-client.py', import.meta.url).pathname;
    const ws = await run('/usr/bin/python3', script, `ws://127.0.0.1:${port()}/ws`);
    assert.equal(ws.out.toString(), 'closed 1000\n', ws.err);
    const code = `import http.client
c = http.client.HTTPConnection('127.0.0.1', ${port()})
for size in (0, 10, 500000):
    c.request('POST', '/hash', iter([b'x' * size, b'y']), encode_chunked=True, headers={'Transfer-Encoding': 'chunked'})
    r = c.getresponse()
    print(r.status, r.read().decode())
`;
    const plain = await run('/usr/bin/python3', '-c', code);
    const wanted = [0, 10, 500_000].map(
      (size) => `200 ${sha256(Buffer.from(`${'x'.repeat(size)}y`))}\n`,
    );
    assert.equal(plain.out.toString(), wanted.join(''), plain.err);
  });

  test(`Node's WebSocket client echoes large messages and closes cleanly, ${engine}`, async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port()}/ws`);
    socket.binaryType = 'arraybuffer';
    await once(socket, 'open');
    for (const size of [0, 125, 126, 65_535, 65_536, 3_000_000]) {
      const sent = randomBytes(size);
      socket.send(sent);
      const [event] = (await once(socket, 'message')) as [{ readonly data: ArrayBuffer }];
      assert.ok(Buffer.from(event.data).equals(sent), `${size} octets`);
    }
    socket.close(1000);
    const [closed] = (await once(socket, 'close')) as [CloseEvent];
    assert.deepEqual([closed.code, closed.wasClean], [1000, true]);
  });

  test(`Chromium loads a page, uploads, hears events and speaks WebSocket, ${engine}`, async () => {
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    await page.goto(url('/'));
    const told = await page.waitForSelector('body[data-told]', { state: 'attached' });
    const text = (await told.getAttribute('data-told')) ?? '';
    assert.deepEqual(JSON.parse(text), {
      hash: sha256(new Uint8Array(3_000_000).fill(7)),
      events: ['1', '2', '3'],
      echoed: [200_000, true],
    });
    assert.deepEqual(problems, []);
    await page.close();
  });
}
