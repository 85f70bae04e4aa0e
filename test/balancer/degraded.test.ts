import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { serverStates } from '../../src/monitoring/server-states.ts';
import { createServerHealth } from '../../src/monitoring/servers.ts';
import { probeKinds } from '../../src/probe/registry.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';
import { startMonitoring } from './real-monitoring.ts';
import { connectRaw, type RawOrigin, type Rig, startRawOrigin, startRig } from './rig.ts';

/** Servers that probes call degraded keep a share of their requests, and get the others back. */

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

async function startPool(algorithm: string) {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  const servers: RawOrigin[] = [];
  for (let each = 0; each < 3; each++) {
    servers.push(await startRawOrigin((socket) => void socket.write(answer)));
  }
  let seed = 1;
  const draw = (): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const rig = await startRig({ servers: servers.map(({ port }) => port), algorithm, draw });
  const client = connectRaw(rig.port);
  let answers = 0;
  return {
    rig,
    /** The share of so many requests, one after the other, that the first server got. */
    async share(requests: number): Promise<number> {
      const before = rig.counters().servers[0]!.requests;
      for (let each = 0; each < requests; each++) {
        answers++;
        client.send(GET);
        await client.until((text) => text.split('\r\n\r\nok').length > answers);
      }
      return (rig.counters().servers[0]!.requests - before) / requests;
    },
    async close() {
      client.socket.destroy();
      await rig.close();
      for (const server of servers) server.close();
    },
  };
}

function say({ balancer, snapshot }: Rig, server: number, degraded: boolean): void {
  const { name } = snapshot.upstreams[0]!.servers[server]!;
  balancer.setServers([{ upstream: 'web', server: name, usable: true, degraded }]);
}

/** A tenth of its weight beside two whole ones. */
const LOWERED = DEFAULT_RESILIENCE.degradedWeight / (2 + DEFAULT_RESILIENCE.degradedWeight);
const isAbout = (share: number, expected: number, why: string): void =>
  assert.ok(Math.abs(share - expected) < 0.05, `${why}: ${share}, not ${expected}`);

for (const algorithm of ['round-robin', 'random', 'least-request', 'least-connections']) {
  test(`a degraded server gets its lowered share, then its whole one: ${algorithm}`, async () => {
    const pool = await startPool(algorithm);
    isAbout(await pool.share(210), 1 / 3, 'all are alike');
    say(pool.rig, 0, true);
    const lowered = await pool.share(420);
    isAbout(lowered, LOWERED, 'degraded');
    assert.ok(lowered > 0, 'it still serves');
    say(pool.rig, 0, false);
    isAbout(await pool.share(210), 1 / 3, 'back at once, not bit by bit');
    for (const server of [0, 1, 2]) say(pool.rig, server, true);
    isAbout(await pool.share(210), 1 / 3, 'none has less than another');
    assert.deepEqual(pool.rig.balancer.takeEvents(), [], 'none is an outlier');
    await pool.close();
  });
}

/** A web server that is proxied and probed: `/healthz` says whether it is degraded, `/readyz` whether ready. */
async function startWebServer() {
  const state = { isDegraded: false, isReady: true, served: 0 };
  const server = createServer((request, response) => {
    if (request.url === '/') state.served++;
    else if (request.url === '/readyz') response.statusCode = state.isReady ? 200 : 503;
    else if (state.isDegraded) response.setHeader('x-degraded', 'cold cache');
    response.end('ok');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return Object.assign(state, { port: address.port, close: () => server.close() });
}

test('a real server is degraded by a header, unready by a monitor, and comes back each time', async () => {
  const servers = [await startWebServer(), await startWebServer()];
  const [first] = servers;
  const rig = await startRig({
    servers: servers.map(({ port }) => port),
    algorithm: 'round-robin',
  });
  const known = rig.snapshot.upstreams[0]!.servers.map(({ name }) => {
    const [live, ready] = ['live', 'ready'].map((word) => {
      return { kind: 'target', key: `${word} ${name}` } as const;
    });
    return { upstream: 'web', name, live: live!, ready: ready! };
  });
  const told: string[] = [];
  let hear = (): void => {};
  const health = createServerHealth({
    onChange(flags, events) {
      rig.balancer.setServers(serverStates(known, flags));
      told.push(...events.map(({ message }) => message));
      hear();
    },
  });
  health.setServers(known);
  const monitoring = startMonitoring(health.observe);
  const heard = async (count: number): Promise<void> => {
    while (told.length < count) await new Promise<void>((resolve) => (hear = resolve));
  };
  const { options: schema } = probeKinds.find(({ kind }) => kind === 'http')!;
  const asked = {
    live: { path: '/healthz', degraded: { header: 'X-Degraded' } },
    ready: { path: '/readyz' },
  };
  monitoring.setJobs(
    servers.flatMap(({ port }, index) =>
      (['live', 'ready'] as const).map((which) => ({
        ...{ vantage: 'v', group: 'v', key: known[index]![which].key, probe: 'http' },
        options: schema.parse(asked[which]),
        target: { address: '127.0.0.1', port },
        rules: { rise: 2, fall: 3, intervalMs: 40, timeoutMs: 2000, jitter: 0.2 },
      })),
    ),
  );
  const client = connectRaw(rig.port);
  let answers = 0;
  const served = async (requests: number): Promise<number> => {
    const before = first!.served;
    for (let each = 0; each < requests; each++) {
      answers++;
      client.send(GET);
      await client.until((text) => text.split('\r\n\r\nok').length > answers);
    }
    return first!.served - before;
  };
  await heard(2);
  assert.equal(await served(22), 11);
  first!.isDegraded = true;
  await heard(3);
  assert.equal(await served(22), 2, 'a tenth beside a whole one');
  first!.isDegraded = false;
  await heard(4);
  assert.equal(await served(22), 11);
  first!.isReady = false;
  await heard(5);
  assert.equal(await served(22), 0, 'nobody new');
  first!.isReady = true;
  await heard(6);
  assert.equal(await served(22), 11);
  assert.deepEqual(
    told.map((message) => message.replace(/\d+ ms/, 'n ms')),
    [
      ...['up: 200 OK', 'up: 200 OK', 'degraded: 200 OK, degraded, after n ms', 'up: 200 OK'],
      ...['unready: status 503, wanted 200-299', 'up: 200 OK'],
    ],
  );
  client.socket.destroy();
  await monitoring.close();
  await rig.close();
  for (const server of servers) server.close();
});
