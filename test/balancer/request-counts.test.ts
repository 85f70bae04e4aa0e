import assert from 'node:assert/strict';
import type net from 'node:net';
import { test } from 'node:test';
import { counterBytes, OTHER_ROUTES, ROUTE_ROWS_MAX } from '../../src/balancer/counters.ts';
import { type BalancerCounts, readCounters } from '../../src/balancer/counts.ts';
import type { BalancerSnapshot, RouteSnapshot } from '../../src/balancer/snapshot.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';
import { closedPort } from '../closed-port.ts';
import type { Rig, RigOptions } from './rig.ts';
import { connectRaw, startRawOrigin, startRig, talk } from './rig.ts';

/** What real requests leave in the counter row. */

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
const ok = (socket: net.Socket): void => void socket.write(OK);
const CLOSE = 'Host: a\r\nConnection: close\r\n\r\n';
const route = (pathPrefix: string, more: Partial<RouteSnapshot> = {}): RouteSnapshot => ({
  ...{ hosts: [], pathPrefix, filters: [], upstream: 0 },
  ...more,
});

async function withRig(
  options: Partial<RigOptions>,
  onText: (socket: net.Socket, text: string, connection: number) => void,
  run: (rig: Rig) => Promise<void>,
): Promise<void> {
  const origin = await startRawOrigin(onText);
  const rig = await startRig({ servers: [origin.port], ...options });
  try {
    await run(rig);
  } finally {
    await rig.close();
    origin.close();
  }
}

/** Settles once it holds: what the balancer does after its last word is not seen from outside. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

const routeOf = ({ routes }: BalancerCounts, path: string) =>
  routes.find(({ route: name }) => name === `* ${path}`)!;

test('a request is counted at its route, with octets, class, end and duration', async () => {
  await withRig({ routes: [route('/'), route('/api')] }, ok, async (rig) => {
    const request = `GET /api HTTP/1.1\r\n${CLOSE}`;
    const { text } = await talk(rig.port, request);
    const counts = rig.counters();
    const api = routeOf(counts, '/api');
    assert.partialDeepStrictEqual(api, {
      ...{ listener: 'http', when: '', requests: 1, active: 0, retries: 0 },
      ...{ statusClasses: [0, 1, 0, 0, 0], bytesIn: request.length, bytesOut: text.length },
    });
    assert.deepEqual([api.ends.done, api.duration.count], [1, 1]);
    assert.equal(routeOf(counts, '/').requests, 0);
    const [listener] = counts.listeners;
    assert.partialDeepStrictEqual(listener, { requests: 1, requestsActive: 0 });
    assert.equal(listener?.ends.done, 1);
    const [server] = counts.servers;
    assert.deepEqual(server?.statusClasses, [0, 1, 0, 0, 0]);
    assert.deepEqual([server?.firstByte?.count, server?.connect?.count], [1, 1]);
  });
});

test('durations are those of the clock: of the whole, until the answer, until connected', async () => {
  const asked: net.Socket[] = [];
  await withRig(
    {},
    (socket) => asked.push(socket),
    async (rig) => {
      const client = connectRaw(rig.port);
      client.send(`GET / HTTP/1.1\r\n${CLOSE}`);
      await until(() => asked.length > 0);
      assert.equal(routeOf(rig.counters(), '/').active, 1);
      rig.pass(40);
      asked[0]!.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel');
      await client.until((text) => text.endsWith('hel'));
      rig.pass(200);
      asked[0]!.write('lo');
      await client.ended();
      const { routes, servers } = rig.counters();
      assert.deepEqual([routes[0]?.duration.sumMs, servers[0]?.firstByte?.sumMs], [240, 40]);
      assert.equal(servers[0]?.connect?.sumMs, 0);
    },
  );
});

test('a body counts with its octets, and what follows on the connection for itself', async () => {
  await withRig({}, ok, async (rig) => {
    const client = connectRaw(rig.port);
    const [first, second] = [
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n1234567',
      `GET / HTTP/1.1\r\n${CLOSE}`,
    ];
    client.send(first);
    const answered = (await client.until((text) => text.endsWith('hello'))).length;
    assert.partialDeepStrictEqual(routeOf(rig.counters(), '/'), {
      ...{ bytesIn: first.length, bytesOut: answered, requests: 1 },
    });
    client.send(second);
    const { text } = await client.ended();
    assert.partialDeepStrictEqual(routeOf(rig.counters(), '/'), {
      ...{ bytesIn: first.length + second.length, bytesOut: text.length, requests: 2 },
    });
  });
});

test('failures are counted by how, and add up; retries are those of the route too', async () => {
  const gone = await closedPort();
  const origin = await startRawOrigin((socket) => socket.destroy());
  const other = await startRawOrigin(
    (socket) => void socket.write('HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n'),
  );
  const retries = { ...DEFAULT_RESILIENCE.retries, backOffBaseMs: 0, backOffMaxMs: 0 };
  const servers = [gone, origin.port, other.port];
  const rig = await startRig({ servers, upstream: { retries } });
  try {
    for (let request = 0; request < 12; request++)
      await talk(rig.port, `GET / HTTP/1.1\r\n${CLOSE}`);
    const { routes, servers } = rig.counters();
    const [refused, broken, busy] = servers;
    const kinds = servers.map(({ failed }) => Object.values(failed).map((count) => count > 0));
    assert.deepEqual(kinds, [
      [true, false, false, false],
      [false, true, false, false],
      [false, false, false, true],
    ]);
    for (const server of [refused!, broken!, busy!]) {
      const sum = Object.values(server.failed).reduce((total, count) => total + count, 0);
      assert.deepEqual([server.failures, sum], [server.requests, server.requests]);
    }
    assert.equal(busy?.statusClasses[4], busy?.requests);
    assert.equal(
      routes[0]?.retries,
      servers.reduce((sum, { retries }) => sum + retries, 0),
    );
    assert.ok(routes[0]!.retries > 0);
    assert.equal(routes[0]?.statusClasses[4], 12);
  } finally {
    await rig.close();
    origin.close();
    other.close();
  }
});

test('a silent server is a timeout, a client that leaves an end of its own', async () => {
  let asked = 0;
  await withRig(
    { upstream: { retries: { ...DEFAULT_RESILIENCE.retries, attempts: 1 } } },
    () => {
      asked += 1;
    },
    async (rig) => {
      const client = connectRaw(rig.port);
      client.send(`GET / HTTP/1.1\r\n${CLOSE}`);
      await until(() => asked === 1);
      rig.pass(6_000);
      await client.ended();
      assert.equal(rig.counters().servers[0]?.failed.timeout, 1);
      const leaves = connectRaw(rig.port);
      leaves.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await until(() => asked === 2);
      leaves.socket.resetAndDestroy();
      await until(() => rig.counters().listeners[0]?.requestsActive === 0);
      const { ends, duration, statusClasses } = routeOf(rig.counters(), '/');
      assert.deepEqual([ends['response-timeout'], ends['client-gone']], [1, 1]);
      // Nobody was answered by it.
      assert.deepEqual([duration.count, statusClasses], [1, [0, 0, 0, 0, 1]]);
    },
  );
});

test('what is no request, or has no route, ends at the listener', async () => {
  await withRig({ routes: [route('/api')] }, ok, async (rig) => {
    await talk(rig.port, 'no request at all\r\n\r\n');
    await talk(rig.port, `GET /other HTTP/1.1\r\n${CLOSE}`);
    const { listeners, routes } = rig.counters();
    assert.equal(listeners[0]?.ends.refused, 2);
    assert.equal(routes[0]?.ends.refused, 0);
    assert.equal(listeners[0]?.requestsActive, 0);
  });
});

test('a tunnel is under way until it ends, and its time is no latency', async () => {
  const answer = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: t\r\n\r\n';
  await withRig(
    {},
    (socket, text) => {
      if (text.endsWith('\r\n\r\n')) socket.write(answer);
      else socket.end();
    },
    async (rig) => {
      const client = connectRaw(rig.port);
      const head = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: t\r\n\r\n';
      client.send(head);
      await client.until((text) => text.includes('101'));
      assert.equal(routeOf(rig.counters(), '/').active, 1);
      rig.pass(1000);
      client.send('bye');
      await client.ended();
      await until(() => rig.counters().listeners[0]?.requestsActive === 0);
      const counts = routeOf(rig.counters(), '/');
      assert.partialDeepStrictEqual(counts, {
        ...{ active: 0, bytesIn: head.length + 3, statusClasses: [1, 0, 0, 0, 0] },
      });
      assert.deepEqual([counts.duration.count, counts.ends.done], [0, 1]);
    },
  );
});

test('who waits for room is seen, for how long, and who found none', async () => {
  const asked: net.Socket[] = [];
  const limits = {
    ...DEFAULT_RESILIENCE.limits,
    serverRequests: 1,
    queueMax: 1,
    queueTimeoutMs: 500,
  };
  await withRig(
    { upstream: { limits } },
    (socket) => asked.push(socket),
    async (rig) => {
      const whole = () => rig.counters().upstreams[0]!;
      const clients = [];
      for (const waiting of [0, 1, 1]) {
        const client = connectRaw(rig.port);
        client.send(`GET / HTTP/1.1\r\n${CLOSE}`);
        clients.push(client);
        await until(() => asked.length > 0 && whole().queued === waiting);
      }
      await clients[2]!.ended();
      assert.deepEqual([whole().queueFull, whole().queueTimeouts], [1, 0]);
      rig.pass(300);
      asked[0]!.write(OK);
      await until(() => asked.length === 2);
      assert.deepEqual([whole().queued, whole().wait.count, whole().wait.sumMs], [0, 1, 300]);
      const late = connectRaw(rig.port);
      late.send(`GET / HTTP/1.1\r\n${CLOSE}`);
      await until(() => whole().queued === 1);
      rig.pass(600);
      await late.ended();
      assert.deepEqual([whole().queued, whole().queueTimeouts, whole().wait.count], [0, 1, 2]);
      asked[1]!.write(OK);
      await clients[1]!.ended();
    },
  );
});

/** Takes another snapshot; what it counts from then on. */
function reload(rig: Rig, next: BalancerSnapshot): () => BalancerCounts {
  const row = new SharedArrayBuffer(counterBytes(next));
  rig.balancer.serve(next, row);
  return () => readCounters(next, row);
}

test('a request under way is counted at its own route after a reload, wherever that stands', async () => {
  const asked: net.Socket[] = [];
  await withRig(
    { routes: [route('/a'), route('/b')] },
    (socket) => asked.push(socket),
    async (rig) => {
      const client = connectRaw(rig.port);
      client.send(`GET /b HTTP/1.1\r\n${CLOSE}`);
      await until(() => asked.length > 0);
      const [listener] = rig.snapshot.listeners;
      const routes = [route('/c'), route('/b'), route('/a')];
      const counts = reload(rig, { ...rig.snapshot, listeners: [{ ...listener!, routes }] });
      assert.equal(counts().listeners[0]?.requestsActive, 1);
      assert.deepEqual(
        counts().routes.map((each) => [each.route, each.active]),
        [
          ['* /c', 0],
          ['* /b', 1],
          ['* /a', 0],
        ],
      );
      asked[0]!.write(OK);
      await client.ended();
      assert.deepEqual(
        counts().routes.map(({ active, ends }) => [active, ends.done]),
        [
          [0, 0],
          [0, 1],
          [0, 0],
        ],
      );
      assert.equal(counts().listeners[0]?.requestsActive, 0);
    },
  );
});

test('a request whose route has left is counted nowhere else', async () => {
  const asked: net.Socket[] = [];
  await withRig(
    { routes: [route('/gone'), route('/')] },
    (socket) => asked.push(socket),
    async (rig) => {
      const client = connectRaw(rig.port);
      client.send(`GET /gone HTTP/1.1\r\n${CLOSE}`);
      await until(() => asked.length > 0);
      const [listener] = rig.snapshot.listeners;
      const [upstream] = rig.snapshot.upstreams;
      const listeners = [{ ...listener!, routes: [route('/new'), route('/')] }];
      const upstreams = [{ ...upstream!, name: 'next' }];
      const counts = reload(rig, { ...rig.snapshot, listeners, upstreams });
      asked[0]!.write(OK);
      await client.ended();
      for (const each of counts().routes) {
        assert.partialDeepStrictEqual(each, { requests: 0, active: 0, bytesOut: 0 });
        assert.equal(each.duration.count + each.ends.done, 0);
      }
      const [server] = counts().servers;
      assert.partialDeepStrictEqual(server, { upstream: 'next', requests: 0, active: 0 });
      assert.equal(server!.statusClasses[1]! + server!.firstByte!.count, 0);
    },
  );
});

test('routes that only conditions tell apart say which; of the same name they share a place', async () => {
  const beta = { headers: { 'X-Beta': { exact: 'secret' } } };
  const more = { ...beta, methods: ['POST'], query: { v: { exact: '2' } } };
  const routes = [route('/', beta), route('/', more), route('/'), route('/', beta)];
  await withRig({ routes }, ok, async (rig) => {
    await talk(rig.port, `GET / HTTP/1.1\r\nX-Beta: secret\r\n${CLOSE}`);
    const counts = rig.counters().routes.map(({ requests, when }) => [when, requests]);
    assert.deepEqual(counts, [
      ['header X-Beta', 1],
      ['POST, header X-Beta, query v', 0],
      ['', 0],
    ]);
  });
});

test('of too many routes those beyond the limit share a place, and say so', async () => {
  const routes = Array.from({ length: ROUTE_ROWS_MAX + 20 }, (_, index) => route(`/${index}`));
  await withRig({ routes }, ok, async (rig) => {
    for (const path of [0, ROUTE_ROWS_MAX + 3, ROUTE_ROWS_MAX + 19])
      await talk(rig.port, `GET /${path} HTTP/1.1\r\n${CLOSE}`);
    const { routes: counted } = rig.counters();
    assert.equal(counted.length, ROUTE_ROWS_MAX + 1);
    assert.equal(counted[0]?.requests, 1);
    assert.partialDeepStrictEqual(counted.at(-1), {
      ...{ listener: '', route: OTHER_ROUTES, requests: 2, statusClasses: [0, 2, 0, 0, 0] },
    });
  });
});

test('with metrics "basic" listeners and servers count, routes and durations do not', async () => {
  await withRig({ metrics: 'basic' }, ok, async (rig) => {
    await talk(rig.port, `GET / HTTP/1.1\r\n${CLOSE}`);
    const { listeners, routes, servers } = rig.counters();
    assert.deepEqual(
      [routes.length, servers[0]?.firstByte, servers[0]?.connect],
      [0, undefined, undefined],
    );
    assert.deepEqual([listeners[0]?.requests, servers[0]?.requests], [1, 1]);
    assert.deepEqual(servers[0]?.statusClasses, [0, 1, 0, 0, 0]);
  });
});
