import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counterBytes } from '../../src/balancer/counters.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';
import { closedPort } from '../closed-port.ts';
import {
  connectRaw,
  type RawOrigin,
  type Rig,
  type RigOptions,
  snapshotOf,
  startRawOrigin,
  startRig,
} from './rig.ts';

/** Servers that answer badly lose their requests, get them back, and begin slowly. */

/** Of the rig's clock. */
const START_MS = 1_700_000_000_000;
const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const { outliers: OUTLIERS, panic: PANIC, retries, slowStart: SLOW } = DEFAULT_RESILIENCE;
/** What a server says is then what the client sees. */
const NO_RETRIES = { ...retries, attempts: 1 };
/** Ejected at once, for exactly so long. */
const AT_ONCE = { ...OUTLIERS, reducedWeight: undefined, jitterMs: 0 };

/** A server whose answers are of the status that it has at the time. */
async function startServer(): Promise<RawOrigin & { status: number }> {
  const server = { status: 200 };
  const origin = await startRawOrigin((socket) => {
    socket.write(`HTTP/1.1 ${server.status} Fine\r\nContent-Length: 2\r\n\r\nok`);
  });
  return Object.assign(server, origin);
}

async function startPool(count: number, upstream: RigOptions['upstream'] = {}) {
  const servers: Awaited<ReturnType<typeof startServer>>[] = [];
  for (let each = 0; each < count; each++) servers.push(await startServer());
  const rig = await startRig({
    servers: servers.map(({ port }) => port),
    upstream: { retries: NO_RETRIES, ...upstream },
  });
  const client = connectRaw(rig.port);
  let answers = 0;
  return {
    rig,
    servers,
    /** So many requests one after the other. @returns how many of them each server got */
    async ask(requests: number): Promise<readonly number[]> {
      const before = rig.counters().servers.map((server) => server.requests);
      for (let each = 0; each < requests; each++) {
        answers++;
        client.send(GET);
        await client.until(
          (text) => text.split('HTTP/1.1 ').length > answers && /\n$|ok$/.test(text),
        );
      }
      return rig.counters().servers.map((server, index) => server.requests - before[index]!);
    },
    async close() {
      client.socket.destroy();
      await rig.close();
      for (const server of servers) server.close();
    },
  };
}
const kindsOf = (rig: Rig): readonly string[] => rig.balancer.takeEvents().map(({ kind }) => kind);
const nameOf = (rig: Rig, server: number): string =>
  rig.snapshot.upstreams[0]!.servers[server]!.name;

test('five answers of 503 in a row cost a server first its weight, then all requests', async () => {
  const pool = await startPool(3, { outliers: { ...OUTLIERS, jitterMs: 0 } });
  pool.servers[0]!.status = 503;
  // Every third, until it has less weight; then one of twenty-one.
  await pool.ask(15);
  assert.deepEqual(pool.rig.balancer.takeEvents(), [
    {
      kind: 'reduced',
      upstream: 'web',
      server: nameOf(pool.rig, 0),
      reason:
        'in at 10 % of its weight for 30 s more: 5 answers in a row were 502, 503 or 504 (consecutive-gateway)',
    },
  ]);
  const reduced = await pool.ask(42);
  assert.ok(reduced[0] === 1 || reduced[0] === 2, `${reduced}`);
  await pool.ask(200);
  assert.deepEqual(kindsOf(pool.rig), ['ejected']);
  assert.equal((await pool.ask(30))[0], 0);
  assert.equal(pool.rig.counters().servers[0]!.ejected, 1);
  assert.equal(pool.rig.counters().servers[0]!.ejections, 1);
  await pool.close();
});

test('what is held against a server is told with its numbers, whenever it changes', async () => {
  const pool = await startPool(3, { outliers: { ...AT_ONCE, reducedWeight: 0.5 } });
  const { balancer } = pool.rig;
  const words = () =>
    balancer.takeOutliers()?.map(({ level, untilMs, why }) => [level, untilMs, why]);
  assert.equal(words(), undefined, 'nothing is held against anybody');
  pool.servers[0]!.status = 503;
  await pool.ask(15);
  const seen = '5 answers in a row were 502, 503 or 504 (consecutive-gateway)';
  assert.deepEqual(words(), [['reduced', START_MS + 30_000, seen]]);
  assert.equal(words(), undefined);
  pool.rig.pass(1000);
  await pool.ask(25);
  assert.deepEqual(words(), [['ejected', START_MS + 31_000, seen]]);
  const next = { ...pool.rig.snapshot, generation: 2 };
  balancer.serve(next, new SharedArrayBuffer(counterBytes(next)));
  assert.deepEqual(words(), [['ejected', START_MS + 31_000, seen]], 'after a reload');
  pool.rig.pass(30_000);
  assert.deepEqual(words(), []);
  assert.equal(words(), undefined);
  await pool.close();
});

test('an ejected server comes back after its time, and gets its weight bit by bit', async () => {
  const pool = await startPool(3, {
    outliers: AT_ONCE,
    slowStart: { ...SLOW, jitterMs: 0, windowMs: 30_000 },
  });
  pool.servers[0]!.status = 502;
  await pool.ask(15);
  assert.deepEqual(kindsOf(pool.rig), ['ejected']);
  pool.servers[0]!.status = 200;
  pool.rig.pass(29_000);
  assert.equal((await pool.ask(30))[0], 0);
  pool.rig.pass(1100);
  assert.deepEqual(kindsOf(pool.rig), ['returned']);
  assert.equal(pool.rig.counters().servers[0]!.ejected, 0);
  const first = (await pool.ask(210))[0]!;
  pool.rig.pass(15_000);
  const half = (await pool.ask(210))[0]!;
  pool.rig.pass(15_000);
  const whole = (await pool.ask(210))[0]!;
  assert.ok(first >= 9 && first <= 11, `${first} of 210`);
  assert.ok(half >= 40 && half <= 44, `${half} of 210`);
  assert.ok(whole >= 69 && whole <= 71, `${whole} of 210`);
  await pool.close();
});

test('a server that probes find down and up again is back at once, and slow starts too', async () => {
  const pool = await startPool(3, { outliers: AT_ONCE });
  pool.servers[0]!.status = 502;
  await pool.ask(15);
  pool.servers[0]!.status = 200;
  const server = nameOf(pool.rig, 0);
  pool.rig.pass(100);
  pool.rig.balancer.setServers([{ upstream: 'web', server, usable: true }]);
  assert.deepEqual(kindsOf(pool.rig), ['ejected'], 'that probes still like it ends nothing');
  pool.rig.balancer.setServers([{ upstream: 'web', server, usable: false }]);
  pool.rig.balancer.setServers([{ upstream: 'web', server, usable: true }]);
  assert.deepEqual(kindsOf(pool.rig), ['returned']);
  const asked = (await pool.ask(210))[0]!;
  assert.ok(asked >= 9 && asked <= 11, `${asked} of 210`);
  await pool.close();
});

test('a third of the pool may be out, and never the last server', async () => {
  const pool = await startPool(4, { outliers: AT_ONCE });
  for (const server of pool.servers) server.status = 503;
  await pool.ask(40);
  assert.deepEqual(
    pool.rig.balancer
      .takeEvents()
      .map(({ kind, reason }) => [kind, /: as many are out/.test(reason)]),
    [
      ['ejected', false],
      ['suspected', true],
      ['suspected', true],
      ['suspected', true],
    ],
  );
  assert.deepEqual((await pool.ask(30)).toSorted(), [0, 10, 10, 10]);
  await pool.close();
  const alone = await startPool(1, { outliers: AT_ONCE });
  alone.servers[0]!.status = 503;
  assert.deepEqual(await alone.ask(20), [20]);
  await alone.close();
});

test('a detector that observes says what it sees once a minute, and does nothing', async () => {
  const modes = { ...OUTLIERS.modes, 'consecutive-gateway': 'observe' as const };
  const pool = await startPool(3, { outliers: { ...AT_ONCE, modes } });
  pool.servers[0]!.status = 503;
  await pool.ask(60);
  const events = pool.rig.balancer.takeEvents();
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['suspected'],
  );
  assert.match(events[0]!.reason, /5 answers in a row.*: the detector only observes$/);
  assert.deepEqual(await pool.ask(30), [10, 10, 10]);
  pool.rig.pass(60_000);
  await pool.ask(15);
  assert.deepEqual(kindsOf(pool.rig), ['suspected']);
  await pool.close();
});

test('a success rate far below that of the pool is found at the end of an interval', async () => {
  const pool = await startPool(3, { outliers: { ...AT_ONCE, successRequestsMin: 20 } });
  for (let each = 0; each < 40; each++) {
    // Every second answer: never five in a row.
    pool.servers[0]!.status = each % 2 === 0 ? 500 : 200;
    await pool.ask(3);
  }
  pool.rig.pass(10_000);
  const events = pool.rig.balancer.takeEvents();
  assert.match(events[0]!.reason, /^out for 30 s more: only 50 % of requests succeeded/);
  assert.equal((await pool.ask(30))[0], 0);
  await pool.close();
});

test('connections that are refused count, and the request goes on to another server', async () => {
  const [good, other] = [await startServer(), await startServer()];
  const rig = await startRig({
    servers: [await closedPort(), good.port, other.port],
    upstream: { outliers: AT_ONCE },
  });
  const client = connectRaw(rig.port);
  for (let each = 1; each <= 30; each++) {
    client.send(GET);
    await client.until((text) => text.split('ok').length > each);
  }
  assert.match(
    rig.balancer.takeEvents()[0]!.reason,
    /5 requests in a row got no connection or no answer \(consecutive-local\)/,
  );
  assert.equal(rig.counters().servers[0]!.requests, 5);
  client.socket.destroy();
  await rig.close();
  good.close();
  other.close();
});

test('an ejection and a ramp outlive a snapshot, and a new server ramps', async () => {
  const pool = await startPool(3, { outliers: AT_ONCE, slowStart: { ...SLOW, jitterMs: 0 } });
  pool.servers[0]!.status = 503;
  await pool.ask(15);
  const added = await startServer();
  const ports = [added.port, ...pool.servers.map(({ port }) => port)];
  pool.rig.pass(100);
  const next = snapshotOf({
    servers: ports,
    upstream: { retries: NO_RETRIES, outliers: AT_ONCE, slowStart: { ...SLOW, jitterMs: 0 } },
  });
  const row = new SharedArrayBuffer(counterBytes(next));
  pool.rig.balancer.serve(next, row);
  const heard = pool.servers[0]!.received[0]!.length;
  await pool.ask(210);
  assert.equal(pool.servers[0]!.received[0]!.length, heard, 'it is still out');
  const newcomer = added.received.join('').split('GET ').length - 1;
  assert.ok(newcomer >= 9 && newcomer <= 11, `${newcomer} of 210`);
  pool.rig.pass(30_000);
  assert.deepEqual(kindsOf(pool.rig), ['ejected', 'returned']);
  await pool.close();
  added.close();
});

test('a priority takes what the one before it cannot', async () => {
  const servers = [];
  for (let each = 0; each < 5; each++) servers.push(await startServer());
  const snapshot = snapshotOf({ servers: servers.map(({ port }) => port) }).upstreams[0]!;
  let draw = 0;
  const rig = await startRig({
    servers: servers.map(({ port }) => port),
    upstream: {
      servers: snapshot.servers.map((server, index) => ({
        ...server,
        priority: index < 4 ? 0 : 3,
      })),
    },
    // Evenly spread.
    draw: () => (draw = (draw + 0.618_034) % 1),
  });
  const client = connectRaw(rig.port);
  let answers = 0;
  const reserveOf100 = async (): Promise<number> => {
    const before = rig.counters().servers[4]!.requests;
    for (let each = 0; each < 100; each++) {
      answers++;
      client.send(GET);
      await client.until((text) => text.split('ok').length > answers);
    }
    return rig.counters().servers[4]!.requests - before;
  };
  const setUp = (up: number): void =>
    rig.balancer.setServers(
      snapshot.servers
        .slice(0, 4)
        .map(({ name }, index) => ({ upstream: 'web', server: name, usable: index < up })),
    );
  const shares: number[] = [];
  for (const up of [4, 3, 2, 1, 0]) {
    setUp(up);
    shares.push(await reserveOf100());
  }
  // 1.4 × 3/4 takes all, 1.4 × 2/4 takes 70 %, 1.4 × 1/4 takes 35 %.
  assert.deepEqual(
    shares.map((share) => Math.round(share / 5) * 5),
    [0, 0, 30, 65, 100],
  );
  client.socket.destroy();
  await rig.close();
  for (const server of servers) server.close();
});

test('below the threshold health is not believed; without one, 503 when all are down', async () => {
  for (const panicThreshold of [0, 0.5]) {
    const pool = await startPool(3, { panic: { ...PANIC, panicThreshold } });
    pool.rig.balancer.setServers(
      [0, 1].map((server) => ({
        upstream: 'web',
        server: nameOf(pool.rig, server),
        usable: false,
      })),
    );
    assert.deepEqual(await pool.ask(30), panicThreshold === 0 ? [0, 0, 30] : [10, 10, 10]);
    pool.rig.balancer.setServers([{ upstream: 'web', server: nameOf(pool.rig, 2), usable: false }]);
    assert.deepEqual(await pool.ask(30), panicThreshold === 0 ? [0, 0, 0] : [10, 10, 10]);
    await pool.close();
  }
});
