import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counterBytes, SERVER_COUNTER, serverBase } from '../../src/balancer/counters.ts';
import { type BalancerSnapshot, DEFAULT_LIMITS } from '../../src/balancer/snapshot.ts';
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
      },
    ],
  };
}
