import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import WebSocket, { WebSocketServer } from 'ws';
import type { BalancerProcess } from '../balancer/process.ts';
import { ENGINES, startBalancerProcess } from '../balancer/process.ts';
import { snapshotOf } from '../balancer/rig.ts';

/**
 * The package that most servers on Node speak WebSocket with (RFC 6455, RFC 7692), at both sides of the balancer in
 * its worker, over both engines.
 */
const MEBIBYTE = 1024 * 1024;
const MANY = 200;
const REFUSED =
  'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 2\r\n\r\nno';

const server = http.createServer((_request, response) => response.end('hello'));
const sockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: { threshold: 0 },
  handleProtocols: (names) => (names.has('chat') ? 'chat' : false),
});
server.on('upgrade', (request, socket, head) => {
  if (request.url === '/refused') {
    socket.end(REFUSED);
    return;
  }
  sockets.handleUpgrade(request, socket, head, (one) => serve(one, request));
});

function serve(socket: WebSocket, { headers, url: path = '' }: http.IncomingMessage): void {
  if (path === '/bye') socket.close(4001, 'said by the server');
  if (path === '/terminate') socket.terminate();
  if (path === '/ping') socket.ping('are you there');
  socket.on('pong', (bytes) => socket.send(`pong: ${bytes}`));
  socket.on('message', (bytes, binary) => socket.send(bytes, { binary }));
  socket.on('close', (code, reason) =>
    closed.push(`${headers['x-engine']} ${path} ${code} ${reason}`),
  );
}
/** How clients have closed, as the server heard it. */
const closed: string[] = [];

const balancers: BalancerProcess[] = [];
before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const snapshot = snapshotOf({ servers: [port] });
  for (const engine of ENGINES) balancers.push(await startBalancerProcess(snapshot, engine));
});
after(async () => {
  for (const balancer of balancers) await balancer.kill();
  server.closeAllConnections();
  server.close();
});

for (const [index, engine] of ENGINES.entries()) {
  const open = async (path: string, options: WebSocket.ClientOptions = {}) => {
    const url = `ws://127.0.0.1:${balancers[index]!.port}${path}`;
    const headers = { 'X-Engine': engine };
    const socket = new WebSocket(url, ['chat'], { headers, ...options });
    await once(socket, 'open');
    return socket;
  };
  const echoed = async (socket: WebSocket, sent: Buffer | string) => {
    socket.send(sent);
    const [bytes, isBinary] = (await once(socket, 'message')) as [Buffer, boolean];
    assert.equal(isBinary, typeof sent !== 'string');
    assert.ok(bytes.equals(Buffer.from(sent)), `${sent.length} come back as they were`);
  };

  for (const perMessageDeflate of [false, true]) {
    const how = perMessageDeflate ? 'compressed' : 'as they are';
    test(`messages of ws go both ways ${how}, ${engine}`, async () => {
      const socket = await open('/', { perMessageDeflate });
      assert.equal(socket.protocol, 'chat');
      assert.equal(socket.extensions, perMessageDeflate ? 'permessage-deflate' : '');
      for (const length of [0, 1, 125, 126, 65_535, 65_536, MEBIBYTE]) {
        await echoed(socket, randomBytes(length));
        await echoed(socket, 'é'.repeat(length / 2));
      }
      socket.close(1000, 'done');
      assert.deepEqual(await once(socket, 'close'), [1000, Buffer.from('done')]);
    });
  }

  test(`pings of ws are answered from end to end, ${engine}`, async () => {
    const socket = await open('/ping');
    const [told] = (await once(socket, 'message')) as [Buffer];
    assert.equal(told.toString(), 'pong: are you there');
    socket.ping('and you');
    const [bytes] = (await once(socket, 'pong')) as [Buffer];
    assert.equal(bytes.toString(), 'and you');
    socket.terminate();
  });

  test(`either side of ws closes with a code, or breaks off, ${engine}`, async () => {
    const told = new WebSocket(`ws://127.0.0.1:${balancers[index]!.port}/bye`);
    assert.deepEqual(await once(told, 'close'), [4001, Buffer.from('said by the server')]);
    const cut = new WebSocket(`ws://127.0.0.1:${balancers[index]!.port}/terminate`);
    assert.equal((await once(cut, 'close'))[0], 1006);
    const first = await open('/own');
    first.close(4002, 'said by the client');
    assert.deepEqual(await once(first, 'close'), [4002, Buffer.from('said by the client')]);
    const second = await open('/gone');
    second.terminate();
    for (const words of ['/own 4002 said by the client', '/gone 1006 ']) {
      while (!closed.includes(`${engine} ${words}`)) await new Promise(setImmediate);
    }
  });

  test(`a server that refuses the upgrade of ws is heard, ${engine}`, async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${balancers[index]!.port}/refused`);
    const [, response] = (await once(socket, 'unexpected-response')) as [
      unknown,
      http.IncomingMessage,
    ];
    assert.equal(response.statusCode, 401);
    assert.equal(response.headers['www-authenticate'], 'Bearer');
    response.resume();
    await once(response, 'end');
  });

  test(`${MANY} clients of ws at once each hear their own words, ${engine}`, async () => {
    const all = await Promise.all(Array.from({ length: MANY }, () => open('/')));
    for (let round = 0; round < 5; round++) {
      await Promise.all(all.map((socket, each) => echoed(socket, `${each} says ${round}`)));
    }
    for (const socket of all) socket.terminate();
  });
}
