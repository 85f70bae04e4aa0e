import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BalancerConfig } from '../../src/config/config.ts';
import { LEASE_INTERVALS } from '../../src/health/quorum.ts';
import {
  type AgentFacts,
  agentReports,
  REPORT_INTERVAL_MS,
  upstreamLoads,
} from '../../src/monitoring/agent.ts';

const server = (name: string) => ({ name, address: '127.0.0.1', port: 9000, weight: 1 });

/** Only what reports are made of. */
const BALANCER = {
  upstreams: {
    app: { servers: [server('one'), server('two')] },
    api: { servers: [server('three')] },
  },
  listeners: [
    {
      address: '127.0.1.1',
      port: 80,
      region: 'home',
      routes: [{ upstream: 'app' }, { upstream: 'api' }, { upstream: 'app' }],
    },
    { address: '127.0.1.1', port: 81, region: 'home', routes: [{ upstream: 'api' }] },
  ],
} as unknown as BalancerConfig;

function reports(usable: readonly string[], changes: Partial<AgentFacts> = {}) {
  const state = (upstream: string, name: string) => ({
    upstream,
    server: name,
    usable: usable.includes(name),
  });
  return agentReports(BALANCER, {
    node: 'n',
    nowMs: 5000,
    states: [state('app', 'one'), state('app', 'two'), state('api', 'three')],
    load: [
      { upstream: 'app', active: 3, requestsPerSecond: 30 },
      { upstream: 'api', active: 1, requestsPerSecond: 7 },
    ],
    leaving: false,
    ...changes,
  });
}

test('agentReports() has one report per listener, of the servers behind it', () => {
  const [web, api] = reports(['one', 'three']);
  assert.deepEqual(web, {
    node: 'n',
    region: 'home',
    address: '127.0.1.1',
    port: 80,
    ready: true,
    reason: 'serving',
    serversUsable: 2,
    serversTotal: 3,
    requestsPerSecond: 37,
    active: 4,
    heardAtMs: 5000,
    leaseMs: REPORT_INTERVAL_MS * LEASE_INTERVALS,
  });
  assert.deepEqual([api?.serversUsable, api?.serversTotal, api?.active], [1, 1, 1]);
});

test('agentReports() says that a listener serves nobody when no server behind it is usable', () => {
  const [web, api] = reports(['one']);
  assert.deepEqual([web?.ready, api?.ready], [true, false]);
  assert.equal(api?.reason, 'no server is usable');
});

test('agentReports() is not ready on the way down, however well its servers are', () => {
  for (const report of reports(['one', 'two', 'three'], { leaving: true })) {
    assert.deepEqual([report.ready, report.reason], [false, 'it is shutting down']);
  }
});

test('upstreamLoads() tells requests per second between two samples', () => {
  const sample = (atMs: number, one: number, two: number) => ({
    atMs,
    servers: [
      { upstream: 'app', active: 2, requests: one },
      { upstream: 'app', active: 1, requests: two },
    ],
  });
  const load = (before: ReturnType<typeof sample> | undefined, after: ReturnType<typeof sample>) =>
    upstreamLoads(before, after).map(({ active, requestsPerSecond }) => [
      active,
      requestsPerSecond,
    ]);
  assert.deepEqual(load(sample(1000, 10, 0), sample(3000, 40, 10)), [[3, 20]]);
  assert.deepEqual(load(undefined, sample(3000, 40, 10)), [[3, 0]], 'nothing to compare with');
  assert.deepEqual(load(sample(3000, 1, 1), sample(3000, 9, 9)), [[3, 0]], 'no time has passed');
  assert.deepEqual(load(sample(1000, 90, 0), sample(2000, 1, 0)), [[3, 0]], 'counted anew');
});

test('agentReports() is ready where every route answers by itself', () => {
  const listeners = [{ address: '127.0.1.1', port: 82, region: 'home', routes: [{}] }];
  const balancer = { upstreams: {}, listeners } as unknown as BalancerConfig;
  const facts = { node: 'n', nowMs: 5000, states: [], load: [], leaving: false };
  assert.equal(agentReports(balancer, facts)[0]?.ready, true);
  assert.equal(agentReports(balancer, { ...facts, leaving: true })[0]?.ready, false);
});
