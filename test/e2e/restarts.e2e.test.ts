import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { served, startLoad } from '../balancer/load.ts';
import { ENGINES, startBalancerProcess } from '../balancer/process.ts';
import { connectRaw, snapshotOf, startRawOrigin, talk } from '../balancer/rig.ts';

/** Processes that die and come back, on the same port. */

const LAST_GET = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const BUSY = 200;
const SERVERS = 4;
/** Repeated when a connection breaks, for they may come twice (RFC 9110 section 9.2.2); the others must not. */
const REPEATED = ['GET', 'PUT', 'DELETE', 'OPTIONS'];

type ServerProcess = { readonly child: ChildProcess; readonly port: number };

async function startServerProcess(port: number): Promise<ServerProcess> {
  const file = new URL('../balancer/fixtures/origin-process.ts', import.meta.url);
  const child = fork(file, [String(port)]);
  const [at] = (await once(child, 'message')) as [number];
  return { child, port: at };
}

async function endServer({ child }: ServerProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}

for (const engine of ENGINES) {
  test(`a killed process leaves its port to the next one, with clients under way, ${engine}`, async (t) => {
    const origin = await startRawOrigin((socket, text) => {
      if (text.endsWith('\r\n\r\n') && !text.includes('/hang')) socket.write(OK);
    });
    const base = snapshotOf({ servers: [origin.port] });
    let balancer = await startBalancerProcess(base, engine);
    t.after(() => Promise.all([balancer.kill(), origin.close()]));
    const { port } = balancer;
    const snapshot = { ...base, listeners: base.listeners.map((at) => ({ ...at, port })) };
    for (let round = 0; round < 3; round++) {
      const busy = Array.from({ length: BUSY }, () => {
        const client = connectRaw(port);
        client.send('GET /hang HTTP/1.1\r\nHost: x\r\n\r\n');
        return client;
      });
      while ((await balancer.counters()).listeners[0]!.requests < BUSY);
      await balancer.kill();
      // At once: what the kernel still does for the dead ring must not hold, nor take, anything.
      balancer = await startBalancerProcess(snapshot, engine);
      assert.equal(balancer.port, port);
      for (const { text } of await Promise.all(
        Array.from({ length: 50 }, () => talk(port, LAST_GET)),
      )) {
        assert.match(text, /^HTTP\/1.1 200 OK[\s\S]*ok$/);
      }
      for (const client of busy) await client.ended();
    }
  });

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`servers that nobody drains get ${signal} one by one under load, ${engine}`, async (t) => {
      const servers = await Promise.all(
        Array.from({ length: SERVERS }, () => startServerProcess(0)),
      );
      const snapshot = snapshotOf({ servers: servers.map(({ port }) => port) });
      const balancer = await startBalancerProcess(snapshot, engine);
      t.after(() =>
        Promise.all([balancer.kill(), ...servers.map((server) => endServer(server, 'SIGKILL'))]),
      );
      const mayFail = (method: string, status: number): boolean =>
        status === 502 && !REPEATED.includes(method);
      const methods = [...REPEATED, 'POST', 'PATCH'];
      const load = startLoad(balancer.port, '/', methods, mayFail);
      for (let at = 0; at < SERVERS; at++) {
        await served(load, 200);
        await endServer(servers[at]!, signal);
        await served(load, 200);
        servers[at] = await startServerProcess(servers[at]!.port);
        // A probe's word: requests have shown that it was down, and they do not come any more to see that it is back.
        const { name } = snapshot.upstreams[0]!.servers[at]!;
        const states = [{ upstream: 'web', server: name, usable: true }];
        balancer.tell({ type: 'servers', states });
      }
      await served(load, 200);
      await load.stop();
      assert.deepEqual(load.lost, []);
      const { listeners, servers: counted } = await balancer.counters();
      const sum = (key: 'failures' | 'retries'): number =>
        counted.reduce((total, server) => total + server[key], 0);
      const { requests, statusClasses } = listeners[0]!;
      t.diagnostic(`${requests} requests, ${sum('retries')} retries, ${load.failed()} refused`);
      assert.equal(
        statusClasses[4],
        load.failed(),
        'what is not repeated is answered, and counted',
      );
      assert.equal(requests, load.answered() + load.failed());
      assert.ok(sum('retries') > 0);
      assert.ok(sum('failures') >= load.failed());
      assert.ok(
        counted.every(({ active }) => active === 0),
        'nothing is left under way',
      );
    });
  }
}
