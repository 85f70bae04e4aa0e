import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type net from 'node:net';
import { test } from 'node:test';
import { setTimeout as passed } from 'node:timers/promises';
import { runOrigin } from '../../src/cli/origin.ts';
import { DEFAULT_SLOW_START } from '../../src/resilience/slow-start.ts';
import { CLIENTS, served, startLoad } from '../balancer/load.ts';
import { type BalancerProcess, ENGINES, startBalancerProcess } from '../balancer/process.ts';
import { connectRaw, type RawClient, snapshotOf, startRawOrigin } from '../balancer/rig.ts';

/** Servers restart, listeners drain and configurations change while requests are under way: none is lost. */

const WEBSOCKETS = 1_000;
const UPLOADS = 10;
const POOL = 500;
const MB = 1024 * 1024;
/** A pool of 500 with its connections may take so much more than one of a single server. */
const POOL_GROWTH_MAX = 64 * MB;

async function idle(balancer: BalancerProcess, server: number): Promise<void> {
  while ((await balancer.counters()).servers[server]!.active > 0) await passed(5);
}

const listenAt = (port: number) => ({ name: 'o', listen: [{ address: '127.0.0.1', port }] });

for (const engine of ENGINES) {
  test(`servers that are drained and restarted one by one lose no request, ${engine}`, async (t) => {
    const origins = await Promise.all([0, 0, 0, 0].map((port) => runOrigin(listenAt(port))));
    const ports = origins.map(({ servers }) => servers[0]!.port);
    const snapshot = snapshotOf({ servers: ports });
    const balancer = await startBalancerProcess(snapshot, engine);
    t.after(() => Promise.all([balancer.kill(), ...origins.map((origin) => origin.close())]));
    const load = startLoad(balancer.port, '/slow?ms=2', ['GET', 'POST', 'PUT', 'PATCH']);
    for (const [index, port] of ports.entries()) {
      const { name } = snapshot.upstreams[0]!.servers[index]!;
      const say = (usable: boolean): void =>
        balancer.tell({ type: 'servers', states: [{ upstream: 'web', server: name, usable }] });
      await served(load, 200);
      say(false);
      // What was picked before the word came is under way: the count is read after it.
      await served(load, 2 * CLIENTS);
      await idle(balancer, index);
      await origins[index]!.close();
      await served(load, 200);
      origins[index] = await runOrigin(listenAt(port));
      say(true);
    }
    const before = (await balancer.counters()).servers.map(({ requests }) => requests);
    await served(load, 400);
    await load.stop();
    assert.deepEqual(load.lost, []);
    const { servers } = await balancer.counters();
    for (const [index, { requests }] of servers.entries()) assert.ok(requests > before[index]!);
  });

  test(`a listener that drains under load, and a worker that stops, lose no request, ${engine}`, async (t) => {
    const origin = await runOrigin(listenAt(0));
    const balancer = await startBalancerProcess(
      snapshotOf({ servers: [origin.servers[0]!.port] }),
      engine,
    );
    t.after(() => Promise.all([balancer.kill(), origin.close()]));
    const load = startLoad(balancer.port, '/slow?ms=2', ['GET', 'POST']);
    await served(load, 300);
    balancer.tell({ type: 'drain', listeners: ['http'], draining: true });
    await served(load, 300);
    await load.stop();
    assert.deepEqual(load.lost, []);
    // Who is in the queue of the kernel when a port closes is reset: nobody comes any more here.
    const last = startLoad(balancer.port, '/slow?ms=500', ['GET', 'POST']);
    while ((await balancer.counters()).servers[0]!.active < CLIENTS) await passed(5);
    balancer.tell({ type: 'stop', graceMs: 10_000, givesUpAddresses: true });
    await last.stop();
    assert.deepEqual(last.lost, []);
    assert.equal(last.answered(), CLIENTS);
  });

  test(`${WEBSOCKETS} WebSockets and ${UPLOADS} uploads live through reloads, ${engine}`, async (t) => {
    const origin = await startRawOrigin((socket, text) => {
      if (text.startsWith('POST ')) {
        if (text.endsWith('END')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        return;
      }
      if (text.endsWith('\r\n\r\n')) {
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
        );
      } else socket.write(text.at(-1)!);
    });
    const other = await startRawOrigin(() => {});
    const base = snapshotOf({ servers: [origin.port] });
    const balancer = await startBalancerProcess(base, engine);
    t.after(() => Promise.all([balancer.kill(), origin.close(), other.close()]));
    const open = (head: string): RawClient => {
      const client = connectRaw(balancer.port);
      client.send(head);
      return client;
    };
    const upgrade =
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
    const sockets = Array.from({ length: WEBSOCKETS }, () => open(upgrade));
    for (const client of sockets) await client.until((text) => text.endsWith('\r\n\r\n'));
    const uploads = Array.from({ length: UPLOADS }, () =>
      open('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4003\r\n\r\n'),
    );
    while (origin.received.filter((text) => text.startsWith('POST ')).length < UPLOADS) {
      await passed(5);
    }
    const both = snapshotOf({ servers: [origin.port, other.port] });
    const later = [both, snapshotOf({ servers: [other.port] }), both, base];
    for (const [round, next] of later.entries()) {
      for (const client of uploads) client.send('u'.repeat(1000));
      await balancer.serve({ ...next, generation: round + 2 });
      const mark = String(round);
      for (const client of sockets) client.send(mark);
      for (const client of sockets) await client.until((text) => text.endsWith(mark));
    }
    for (const client of uploads) {
      client.send('END');
      await client.until((text) => text.startsWith('HTTP/1.1 200 OK') && text.endsWith('ok'));
    }
    for (const { socket } of [...sockets, ...uploads]) socket.destroy();
  });

  test(`a pool of ${POOL} servers uses them all, in bounded memory, ${engine}`, async (t) => {
    const servers: net.Server[] = [];
    const ports: number[] = [];
    for (let count = 0; count < POOL; count++) {
      const server = http.createServer((request, response) => {
        request.resume();
        response.end('hello');
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      ports.push((server.address() as net.AddressInfo).port);
      servers.push(server);
    }
    const one = snapshotOf({ servers: ports.slice(0, 1) });
    const balancer = await startBalancerProcess(one, engine);
    t.after(() => Promise.all([balancer.kill(), ...servers.map((server) => server.close())]));
    const before = balancer.heldBytes();
    // Servers that join begin slowly otherwise.
    const upstream = { slowStart: { ...DEFAULT_SLOW_START, windowMs: 0 } };
    await balancer.serve({ ...snapshotOf({ servers: ports, upstream }), generation: 2 });
    const load = startLoad(balancer.port, '/', ['GET', 'POST']);
    await served(load, 4 * POOL);
    await load.stop();
    assert.deepEqual(load.lost, []);
    const counts = (await balancer.counters()).servers.map(({ requests }) => requests);
    assert.equal(counts.length, POOL);
    assert.ok(Math.min(...counts) > 0);
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, 'in turn');
    const growth = balancer.heldBytes() - before;
    t.diagnostic(`${Math.round(growth / MB)} MiB more than with one server`);
    assert.ok(growth < POOL_GROWTH_MAX, `${growth} octets more`);
  });
}
