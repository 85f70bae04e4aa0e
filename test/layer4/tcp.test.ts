import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { CONNECT_TRIES_MAX } from '../../src/layer4/tcp-session.ts';
import { startServer } from '../balancer/raw-server.ts';
import { connectRaw } from '../balancer/rig.ts';
import { startSilent } from '../balancer/silent-program.ts';
import { closedPort } from '../closed-port.ts';
import {
  closeAfter,
  eventually,
  FLOWS,
  listenerOf,
  snapshotOf,
  startEcho,
  startEchoed,
  startRig,
  upstreamOf,
} from './rig.ts';

/** TCP that is passed on unread, over whichever engine the rig runs on. */

const one = (ports: readonly number[], more = {}) =>
  snapshotOf([upstreamOf('tcp', ports, more)], [listenerOf('tcp', [[[], 0]])]);

test('bytes go both ways, either side may finish first, and everything is counted', async (t) => {
  const echo = await startEcho('a');
  const rig = await startRig(one([echo.port]));
  closeAfter(t, rig, echo);
  const client = connectRaw(rig.ports[0]!);
  client.send('hello');
  await client.until((text) => text === 'a:hello');
  assert.equal(rig.counters().servers[0]?.active, 1);
  assert.equal(rig.layer4.sessions(), 1);
  client.send('!');
  client.socket.end();
  assert.deepEqual(await client.ended(), { text: 'a:hello!', reset: false });
  await eventually(() => rig.layer4.sessions() === 0, 'the session is over');
  const { listeners, servers } = rig.counters();
  assert.partialDeepStrictEqual(listeners[0], {
    connections: 1,
    connectionsActive: 0,
    bytesIn: 6,
    bytesOut: 8,
  });
  assert.partialDeepStrictEqual(servers[0], {
    requests: 1,
    connections: 1,
    failures: 0,
    active: 0,
    bytesIn: 8,
    bytesOut: 6,
  });
});

test('a server that finishes first still hears the client', async (t) => {
  let heard = '';
  const server = await startServer((socket) => {
    socket.end('bye');
    socket.on('data', (bytes) => {
      heard += bytes;
    });
  });
  const rig = await startRig(one([server.port]));
  closeAfter(t, rig, server);
  const client = connectRaw(rig.ports[0]!);
  await once(client.socket, 'end');
  assert.equal(client.text(), 'bye');
  client.send('still here');
  client.socket.end();
  await eventually(() => rig.layer4.sessions() === 0, 'both have finished');
  await eventually(() => heard === 'still here', 'the server has heard all');
});

test('a refused connection goes to the next server, and what was said goes along', async (t) => {
  const echo = await startEcho('b');
  const dead = [await closedPort(), await closedPort()];
  const rig = await startRig(one([...dead, echo.port]));
  closeAfter(t, rig, echo);
  for (const text of ['x', 'y', 'z']) {
    const client = connectRaw(rig.ports[0]!);
    client.send(text);
    await client.until((all) => all === `b:${text}`);
    client.socket.destroy();
  }
  await eventually(() => rig.layer4.sessions() === 0, 'the clients have left');
  const { servers } = rig.counters();
  const failures = servers.reduce((sum, server) => sum + server.failures, 0);
  const retries = servers.reduce((sum, server) => sum + server.retries, 0);
  assert.ok(failures >= 3 && failures === retries, `${failures} failures, ${retries} retries`);
  assert.ok(servers.every(({ active }) => active === 0));
});

test('a server that does not answer is left when the time for connecting is over', async (t) => {
  const silent = await startSilent();
  const echo = await startEcho('c');
  const rig = await startRig(one([silent.port, echo.port]));
  closeAfter(t, rig, echo, silent);
  const client = connectRaw(rig.ports[0]!);
  client.send('late');
  await eventually(() => rig.layer4.sessions() === 1, 'it has begun');
  rig.pass(999);
  for (let round = 0; round < 20; round += 1) await new Promise((done) => setImmediate(done));
  assert.deepEqual([client.text(), rig.counters().servers[1]?.connections], ['', 0]);
  rig.pass(1);
  await client.until((text) => text === 'c:late');
  assert.equal(rig.counters().servers[0]?.failures, 1);
  client.socket.destroy();
});

test('so many servers are tried and no more, each once, and each failure is counted', async (t) => {
  const dead = await Promise.all(Array.from({ length: CONNECT_TRIES_MAX + 4 }, closedPort));
  const rig = await startRig(one(dead));
  closeAfter(t, rig);
  assert.deepEqual(await connectRaw(rig.ports[0]!).ended(), { text: '', reset: true });
  const { listeners, servers } = rig.counters();
  const counted = { connections: 1, connectFailures: CONNECT_TRIES_MAX, dropped: 1 };
  assert.partialDeepStrictEqual(listeners[0], { ...counted, connectionsActive: 0 });
  const tried = servers.filter(({ connections }) => connections > 0);
  assert.equal(tried.length, CONNECT_TRIES_MAX);
  assert.ok(tried.every((each) => each.connections === 1 && each.failures === 1));
  const retries = servers.reduce((sum, server) => sum + server.retries, 0);
  assert.equal(retries, CONNECT_TRIES_MAX - 1);
});

test('refusing and silent servers on the way to one that serves cost their time only', async (t) => {
  const [first, second] = [await startSilent(), await startSilent()];
  const echo = await startEcho('g');
  const dead = await closedPort();
  const rig = await startRig(one([first.port, dead, second.port, echo.port]));
  closeAfter(t, rig, echo, first, second);
  const client = connectRaw(rig.ports[0]!);
  client.send('at last');
  const connections = (): number[] => rig.counters().servers.map((server) => server.connections);
  await eventually(() => rig.counters().servers[0]!.connections === 1, 'the first is tried');
  rig.pass(1_000);
  await eventually(() => rig.counters().servers[2]!.connections === 1, 'the third is tried');
  assert.deepEqual(connections(), [1, 1, 1, 0]);
  rig.pass(1_000);
  await client.until((text) => text === 'g:at last');
  const failures = rig.counters().servers.map((server) => server.failures);
  assert.deepEqual(failures, [1, 1, 1, 0]);
  client.socket.destroy();
});

test('with no server to be had, or one that is down, clients are cut off', async (t) => {
  const [echo, dead] = [await startEcho('d'), await closedPort()];
  const rig = await startRig(one([dead, echo.port]));
  closeAfter(t, rig, echo);
  const down = { upstream: 'tcp', server: `s${echo.port}`, usable: false };
  rig.balancer.setServers([down]);
  const refused = connectRaw(rig.ports[0]!);
  refused.send('x');
  assert.deepEqual(await refused.ended(), { text: '', reset: true });
  rig.balancer.setServers([{ ...down, server: `s${dead}` }]);
  const cut = connectRaw(rig.ports[0]!);
  assert.equal((await cut.ended()).text, '');
  rig.balancer.setServers([{ ...down, usable: true }]);
  const served = connectRaw(rig.ports[0]!);
  await served.until((text) => text === 'd:');
  served.socket.destroy();
});

test('a connection on which nothing moves ends after the idle time, one in use does not', async (t) => {
  const { client, echo, rig } = await startEchoed(t, one);
  rig.pass(FLOWS.idleTimeoutMs - 1);
  client.send('1');
  await client.until((text) => text === 'a:1');
  rig.pass(FLOWS.idleTimeoutMs - 1);
  assert.equal(rig.layer4.sessions(), 1);
  rig.pass(1);
  assert.equal(rig.layer4.sessions(), 0);
  assert.deepEqual(await client.ended(), { text: 'a:1', reset: true });
  await eventually(() => echo.sockets.size === 0, 'the server is left, too');
});

test('a reader that does not read stops the sender, and gets every byte in the end', async (t) => {
  const total = 48 * 1024 * 1024;
  const piece = Buffer.alloc(256 * 1024, 0x61);
  let sent = 0;
  const server = await startServer((socket) => {
    const push = (): void => {
      while (sent < total) {
        sent += piece.length;
        if (!socket.write(piece)) return;
      }
      socket.end();
    };
    socket.on('drain', push);
    push();
  });
  const rig = await startRig(one([server.port]));
  closeAfter(t, rig, server);
  const client = net.connect({ port: rig.ports[0]!, host: '127.0.0.1' });
  client.pause();
  let before = -1;
  // Nothing more moves once all buffers on the way are full.
  for (let still = 0; still < 60; ) {
    await new Promise((done) => setImmediate(done));
    const moved = rig.counters().servers[0]!.bytesIn;
    still = moved === before && moved > 0 ? still + 1 : 0;
    before = moved;
  }
  assert.ok(before < total / 2, `${before} bytes were read ahead`);
  let received = 0;
  client.on('data', (bytes) => {
    received += bytes.length;
  });
  client.resume();
  await once(client, 'end');
  assert.equal(received, total);
  client.destroy();
});

test('a large upload comes whole to a server that reads late', async (t) => {
  const total = 16 * 1024 * 1024;
  let received = 0;
  const server = await startServer((socket) => {
    setImmediate(() => {
      socket.on('data', (bytes) => {
        received += bytes.length;
      });
      socket.on('end', () => socket.end(String(received)));
    });
  });
  const rig = await startRig(one([server.port]));
  closeAfter(t, rig, server);
  const client = connectRaw(rig.ports[0]!);
  client.socket.end(Buffer.alloc(total));
  assert.deepEqual(await client.ended(), { text: String(total), reset: false });
});

test('a client that breaks off breaks off at the server, and the other way round', async (t) => {
  const problems: string[] = [];
  const server = await startServer((socket) => {
    socket.write('hi');
    socket.on('error', (error: NodeJS.ErrnoException) => problems.push(error.code ?? ''));
    socket.on('data', (bytes) => {
      if (bytes.toString() === 'reset') socket.resetAndDestroy();
    });
  });
  const rig = await startRig(one([server.port]));
  closeAfter(t, rig, server);
  const leaving = connectRaw(rig.ports[0]!);
  await leaving.until((text) => text === 'hi');
  leaving.socket.resetAndDestroy();
  await eventually(() => problems.length === 1, 'the server sees it');
  assert.equal(problems[0], 'ECONNRESET');
  const left = connectRaw(rig.ports[0]!);
  await left.until((text) => text === 'hi');
  left.send('reset');
  assert.deepEqual(await left.ended(), { text: 'hi', reset: true });
  await eventually(() => rig.layer4.sessions() === 0, 'nothing is left');
});

test('servers that leave the configuration keep their connections and get no new ones', async (t) => {
  const { client: kept, rig } = await startEchoed(t, one);
  const fresh = await startEcho('new');
  closeAfter(t, fresh);
  rig.serve(one([fresh.port]));
  kept.send('on');
  await kept.until((text) => text === 'a:on');
  const next = connectRaw(rig.ports[0]!);
  await next.until((text) => text === 'new:');
  assert.equal(rig.counters().listeners[0]?.connectionsActive, 2);
  assert.equal(rig.counters().servers[0]?.active, 1);
  rig.stop(5_000);
  rig.pass(4_999);
  kept.send('!');
  await kept.until((text) => text === 'a:on!');
  rig.pass(1);
  assert.equal(rig.layer4.sessions(), 0);
  await Promise.all([kept.ended(), next.ended()]);
  assert.equal(rig.counters().listeners[0]?.connectionsActive, 0);
});

for (const [kind, options] of [
  ['least-connections', {}],
  ['least-request', { scan: 'all' }],
] as const) {
  test(`${kind} counts open connections`, async (t) => {
    const echoes = await Promise.all(['a', 'b', 'c'].map(startEcho));
    const ports = echoes.map(({ port }) => port);
    const rig = await startRig(one(ports, { algorithm: { kind, options } }));
    closeAfter(t, rig, ...echoes);
    const clients = [];
    for (let index = 0; index < 9; index += 1) {
      const client = connectRaw(rig.ports[0]!);
      await client.until((text) => text.length === 2);
      clients.push(client);
    }
    assert.deepEqual(
      rig.counters().servers.map(({ active }) => active),
      [3, 3, 3],
    );
    for (const client of clients) client.socket.destroy();
  });
}

test('one client stays on its server by address, and spreads by connection', async (t) => {
  const echoes = await Promise.all(['a', 'b', 'c', 'd'].map(startEcho));
  const ports = echoes.map(({ port }) => port);
  const keyed = (key: string) => one(ports, { algorithm: { kind: 'maglev', options: { key } } });
  const rig = await startRig(keyed('client'));
  closeAfter(t, rig, ...echoes);
  const names = async (): Promise<Set<string>> => {
    const seen = new Set<string>();
    for (let index = 0; index < 24; index += 1) {
      const client = connectRaw(rig.ports[0]!);
      seen.add(await client.until((text) => text.length === 2));
      client.socket.destroy();
    }
    return seen;
  };
  assert.equal((await names()).size, 1);
  rig.serve(keyed('connection'));
  assert.ok((await names()).size >= 3);
});

test('beyond the most connections nobody is taken', async (t) => {
  const echo = await startEcho('f');
  const snapshot = snapshotOf([upstreamOf('tcp', [echo.port])], [listenerOf('tcp', [[[], 0]])], {
    connectionsMax: 1,
  });
  const rig = await startRig(snapshot);
  closeAfter(t, rig, echo);
  const first = connectRaw(rig.ports[0]!);
  await first.until((text) => text === 'f:');
  assert.equal((await connectRaw(rig.ports[0]!).ended()).text, '');
  assert.partialDeepStrictEqual(rig.counters().listeners[0], { connections: 1, dropped: 1 });
  first.socket.destroy();
  await eventually(() => rig.layer4.sessions() === 0, 'there is room again');
  const next = connectRaw(rig.ports[0]!);
  await next.until((text) => text === 'f:');
  next.socket.destroy();
});
