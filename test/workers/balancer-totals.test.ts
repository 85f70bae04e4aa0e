import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  counterBytes,
  LISTENER_COUNTER,
  listenerBase,
  SERVER_COUNTER,
  serverBase,
} from '../../src/balancer/counters.ts';
import { type BalancerSnapshot, DEFAULT_LIMITS } from '../../src/balancer/snapshot.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';
import { createBalancerTotals } from '../../src/workers/balancer-totals.ts';

test('read() adds up workers by server, over snapshots that move a server to another index', () => {
  const totals = createBalancerTotals();
  const attach = (worker: string, servers: readonly string[]) => {
    const snapshot = snapshotOf(servers);
    const row = new SharedArrayBuffer(counterBytes(snapshot));
    totals.attach(worker, snapshot, row);
    const values = new Float64Array(row);
    return (server: string, counter: keyof typeof SERVER_COUNTER, value: number): void => {
      values[serverBase(snapshot, 0, servers.indexOf(server)) + SERVER_COUNTER[counter]] = value;
    };
  };
  const of = (name: string) => totals.read().find(({ server }) => server === name);
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

test('readListeners() adds up workers by listener, over snapshots that move it', () => {
  const totals = createBalancerTotals();
  const attach = (worker: string, names: readonly string[]) => {
    const listeners = names.map((name) => {
      return { name, region: 'eu', address: '127.0.0.1', port: 1, routes: [] };
    });
    const snapshot = { ...snapshotOf([]), listeners };
    const row = new SharedArrayBuffer(counterBytes(snapshot));
    totals.attach(worker, snapshot, row);
    const values = new Float64Array(row);
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
    const b = totals.readListeners().find(({ listener }) => listener === 'b');
    assert.partialDeepStrictEqual(b, { connections: 43, connectFailures: 5, dropped: 7 });
    assert.equal(b?.connectionsActive, more === 0 ? 2 : 1, `after ${more} more snapshots`);
    attach('w1', ['b']);
  }
});

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
