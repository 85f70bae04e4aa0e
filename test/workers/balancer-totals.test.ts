import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  counterBytes,
  LISTENER_COUNTER,
  layoutOf,
  listenerBase,
  ROUTE_COUNTER,
  SERVER_COUNTER,
  SERVER_LATENCY,
  UPSTREAM_COUNTER,
  WORKER_COUNTER,
} from '../../src/balancer/counters.ts';
import { type BalancerSnapshot, DEFAULT_LIMITS } from '../../src/balancer/snapshot.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';
import { observeLatency } from '../../src/telemetry/latencies.ts';
import { createBalancerTotals, GONE_MAX } from '../../src/workers/balancer-totals.ts';

test('read() adds up workers by server, over snapshots that move a server to another index', () => {
  const totals = createBalancerTotals();
  const attach = (worker: string, servers: readonly string[]) => {
    const snapshot = snapshotOf(servers);
    const row = new SharedArrayBuffer(counterBytes(snapshot));
    totals.attach(worker, snapshot, row);
    const values = taken(row);
    return (server: string, counter: keyof typeof SERVER_COUNTER, value: number): void => {
      const base = layoutOf(snapshot).servers[0]![servers.indexOf(server)]!;
      values[base + SERVER_COUNTER[counter]] = value;
    };
  };
  const of = (name: string) => totals.read().servers.find(({ server }) => server === name);
  const first = attach('w1', ['a', 'b']);
  const other = attach('w2', ['a', 'b']);
  first('b', 'requests', 2);
  first('b', 'active', 1);
  other('b', 'requests', 30);
  other('b', 'active', 4);
  assert.equal(of('b')?.requests, 32);
  assert.equal(of('b')?.active, 5);
  // The server before it goes away; what the old row says is in flight is counted in the new one.
  const second = attach('w1', ['b']);
  second('b', 'requests', 400);
  second('b', 'active', 1);
  for (let more = 0; more < 4; more += 1) {
    assert.equal(of('b')?.requests, 432, `after ${more} more snapshots`);
    assert.equal(of('b')?.active, more === 0 ? 5 : 4, `after ${more} more snapshots`);
    assert.equal(of('a')?.requests, 0);
    attach('w1', ['b']);
  }
});

test('what is under way stands in the row before until the worker takes the new one', () => {
  const totals = createBalancerTotals();
  const snapshot = snapshotOf(['a']);
  const active = layoutOf(snapshot).servers[0]![0]! + SERVER_COUNTER.active;
  const attach = (): Float64Array => {
    const row = new SharedArrayBuffer(counterBytes(snapshot));
    totals.attach('w1', snapshot, row);
    return new Float64Array(row);
  };
  const now = (): number | undefined => totals.read().servers[0]?.active;
  const first = attach();
  first[WORKER_COUNTER.taken] = 1;
  first[active] = 3;
  const second = attach();
  assert.equal(now(), 3, 'nobody counts in the new one yet');
  second[active] = 3;
  second[WORKER_COUNTER.taken] = 1;
  assert.equal(now(), 3, 'and not twice');
  second[active] = 0;
  attach();
  assert.equal(now(), 0);
});

test('listeners are added up by name, over snapshots that move it', () => {
  const totals = createBalancerTotals();
  const attach = (worker: string, names: readonly string[]) => {
    const listeners = names.map((name) => {
      return { name, region: 'eu', address: '127.0.0.1', port: 1, routes: [] };
    });
    const snapshot = { ...snapshotOf([]), listeners };
    const row = new SharedArrayBuffer(counterBytes(snapshot));
    totals.attach(worker, snapshot, row);
    const values = taken(row);
    return (name: string, counter: keyof typeof LISTENER_COUNTER, value: number): void => {
      values[listenerBase(names.indexOf(name)) + LISTENER_COUNTER[counter]] = value;
    };
  };
  const [first, other] = [attach('w1', ['a', 'b']), attach('w2', ['b'])];
  first('b', 'connections', 3);
  first('b', 'connectionsActive', 2);
  first('b', 'connectFailures', 5);
  other('b', 'connectionsActive', 1);
  other('b', 'dropped', 7);
  const then = attach('w1', ['b']);
  then('b', 'connections', 40);
  then('b', 'connectionsActive', 1);
  for (let more = 0; more < 4; more += 1) {
    const b = totals.read().listeners.find(({ listener }) => listener === 'b');
    assert.partialDeepStrictEqual(b, { connections: 43, connectFailures: 5, dropped: 7 });
    assert.equal(b?.connectionsActive, more === 0 ? 2 : 1, `after ${more} more snapshots`);
    attach('w1', ['b']);
  }
});

test('durations of servers and counts of routes are added up by name; a level is of the newest row', () => {
  const totals = createBalancerTotals();
  const attach = (worker: string, paths: readonly string[]) => {
    const routes = paths.map((pathPrefix) => ({ hosts: [], pathPrefix, filters: [], upstream: 0 }));
    const listener = { name: 'http', region: 'eu', address: '127.0.0.1', port: 1, routes };
    const snapshot = { ...snapshotOf(['a']), listeners: [listener] };
    const row = new SharedArrayBuffer(counterBytes(snapshot));
    totals.attach(worker, snapshot, row);
    return { layout: layoutOf(snapshot), paths, values: taken(row) };
  };
  const first = attach('w1', ['/a', '/b']);
  const other = attach('w2', ['/b']);
  for (const { layout, paths, values } of [first, other]) {
    const base = layout.routes[0]![paths.indexOf('/b')]!.base;
    values[base + ROUTE_COUNTER.requests] = 5;
    values[base + ROUTE_COUNTER.active] = 2;
    observeLatency(values, base + ROUTE_COUNTER.duration, 3);
    observeLatency(values, layout.latencies[0]![0]! + SERVER_LATENCY.connect, 0.2);
  }
  const b = () => totals.read().routes.find(({ route }) => route === '* /b');
  assert.partialDeepStrictEqual(b(), { listener: 'http', when: '', requests: 10, active: 4 });
  assert.equal(b()?.duration.count, 2);
  const [server] = totals.read().servers;
  assert.deepEqual([server?.connect?.count, server?.connect?.sumMs], [2, 0.4]);
  assert.equal(server?.firstByte?.count, 0);
  attach('w1', ['/a']);
  assert.partialDeepStrictEqual(b(), { requests: 10, active: 2 });
  assert.equal(totals.read().routes.find(({ route }) => route === '* /a')?.requests, 0);
});

test('what left long ago is forgotten, and no more than that', () => {
  const totals = createBalancerTotals();
  const attach = (server: string): void => {
    const snapshot = { ...snapshotOf([server]), metrics: 'basic' } as const;
    const row = new SharedArrayBuffer(counterBytes(snapshot));
    totals.attach('w1', snapshot, row);
    new Float64Array(row)[layoutOf(snapshot).servers[0]![0]! + SERVER_COUNTER.requests] = 1;
  };
  for (let number = 0; number < GONE_MAX + 50; number += 1) attach(`s${number}`);
  const { servers } = totals.read();
  assert.ok(servers.length <= GONE_MAX + 10, `${servers.length}`);
  assert.ok(servers.every(({ requests }) => requests === 1));
  assert.equal(servers.at(-1)?.server, `s${GONE_MAX + 49}`);
  assert.ok(!servers.some(({ server }) => server === 's0'));
});

/** The worker counts in it. */
function taken(row: SharedArrayBuffer): Float64Array {
  const values = new Float64Array(row);
  values[WORKER_COUNTER.taken] = 1;
  return values;
}

function snapshotOf(servers: readonly string[]): BalancerSnapshot {
  return {
    generation: 1,
    via: 'test',
    limits: DEFAULT_LIMITS,
    listeners: [],
    upstreams: [
      {
        name: 'web',
        algorithm: { kind: 'round-robin', options: {} },
        servers: servers.map((name) => ({ name, address: '127.0.0.1', port: 1, weight: 1 })),
        idleMax: 1,
        idleTimeoutMs: 1,
        connectTimeoutMs: 1,
        responseTimeoutMs: 1,
        ...DEFAULT_RESILIENCE,
      },
    ],
  };
}

test('tables of sessions are added up by upstream, and questions of all workers, also of old rows', () => {
  const totals = createBalancerTotals();
  const attach = (worker: string): void => {
    const snapshot = snapshotOf(['a', 'b']);
    const row = new SharedArrayBuffer(counterBytes(snapshot));
    totals.attach(worker, snapshot, row);
    const values = taken(row);
    const base = layoutOf(snapshot).upstreams[0]!;
    values[base + UPSTREAM_COUNTER.sessionHits] = 10;
    values[base + UPSTREAM_COUNTER.sessionsEvicted] = 3;
    values[base + UPSTREAM_COUNTER.sessionsSpared] = 1;
    values[WORKER_COUNTER.sessionsAsked] = 5;
    values[WORKER_COUNTER.sessionsDropped] = 1;
    values[WORKER_COUNTER.sessionsLinked] = 1;
  };
  for (let index = 0; index < 6; index += 1) attach('w1');
  attach('w2');
  const { sharedSessions, upstreams } = totals.read();
  assert.equal(sharedSessions.linked, 2, 'of the newest rows');
  assert.deepEqual(
    upstreams.map(({ sessions }) => sessions),
    [{ hits: 70, misses: 0, inserted: 0, evicted: 21, spared: 7 }],
  );
  const { asked, dropped, found } = sharedSessions;
  assert.deepEqual([asked, found, dropped], [35, 0, 7]);
});
