import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BalancerConfig } from '../../src/config/config.ts';
import { LEASE_INTERVALS } from '../../src/health/quorum.ts';
import {
  type AgentFacts,
  agentReports,
  type LoadSample,
  nodeLoad,
  REPORT_INTERVAL_MS,
} from '../../src/monitoring/agent.ts';

const server = (name: string) => ({ name, address: '127.0.0.1', port: 9000, weight: 1 });

/** Only what reports are made of. */
const PANIC = { overprovisioning: 1.4, panicThreshold: 0 };
const BALANCER = {
  upstreams: {
    app: { servers: [server('one'), server('two')], panic: PANIC },
    api: { servers: [server('three')], panic: PANIC },
  },
  listeners: [
    {
      name: 'web',
      address: '127.0.1.1',
      port: 80,
      region: 'home',
      routes: [{ upstream: 'app' }, { upstream: 'api' }, { upstream: 'app' }],
    },
    {
      name: 'api',
      address: '127.0.1.1',
      port: 81,
      region: 'home',
      routes: [{ upstream: 'api' }],
    },
  ],
} as unknown as BalancerConfig;

const state = (upstream: string, name: string, usable: boolean) => ({
  upstream,
  server: name,
  usable,
});
const LOAD = {
  listeners: [
    { listener: 'web', requestsPerSecond: 37 },
    { listener: 'api', requestsPerSecond: 5 },
  ],
  servers: [
    { upstream: 'app', server: 'one', active: 2, ejected: 0 },
    { upstream: 'app', server: 'two', active: 1, ejected: 0 },
    { upstream: 'api', server: 'three', active: 1, ejected: 0 },
  ],
};

function reports(usable: readonly string[], changes: Partial<AgentFacts> = {}) {
  return agentReports(BALANCER, {
    node: 'n',
    nowMs: 5000,
    states: [
      state('app', 'one', usable.includes('one')),
      state('app', 'two', usable.includes('two')),
      state('api', 'three', usable.includes('three')),
    ],
    load: LOAD,
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
  assert.equal(api?.requestsPerSecond, 5, 'of its own clients, not all of the upstream');
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

test('servers that requests have put out are not counted, and serve where there is no other', () => {
  const servers = LOAD.servers.map((each) => ({ ...each, ejected: 1 }));
  const [web] = reports(['one', 'two', 'three'], { load: { ...LOAD, servers } });
  assert.deepEqual([web?.serversUsable, web?.ready], [0, true]);
});

test('a region is left before its balancer has to use servers that are down', () => {
  const names = ['a', 'b', 'c', 'd'];
  const said = (
    servers: readonly object[],
    usable: readonly string[],
    more: { readonly draining?: string; readonly threshold?: number } = {},
  ) => {
    const panic = { ...PANIC, panicThreshold: more.threshold ?? 0.5 };
    const listeners = [{ name: 'l', routes: [{ upstream: 'u' }] }];
    const balancer = { listeners, upstreams: { u: { servers, panic } } };
    const [report] = agentReports(balancer as unknown as BalancerConfig, {
      node: 'n',
      nowMs: 0,
      states: names.map((name) => ({
        ...state('u', name, usable.includes(name)),
        draining: name === more.draining,
      })),
      load: { listeners: [], servers: [] },
      leaving: false,
    });
    return report?.ready === true ? 'serving' : report?.reason;
  };
  const panics = 'too few servers are usable: it panics and uses all of them';
  const all = names.map(server);
  assert.equal(said(all, ['a', 'b']), 'serving', 'half of them is enough');
  assert.equal(said(all, ['a']), panics);
  assert.equal(said(all, ['a'], { threshold: 0 }), 'serving', 'it never panics');
  assert.equal(said(all, []), 'no server is usable');
  const reserve = all.map((each, index) => ({ ...each, priority: index < 2 ? 0 : 1 }));
  assert.equal(said(reserve, ['c', 'd']), 'serving', 'the reserve takes it all');
  assert.equal(said(reserve, ['c']), 'serving', 'half of the reserve is up');
  const drained = { draining: 'b' };
  assert.equal(said(all.slice(0, 2), ['a', 'b'], drained), 'serving', 'who drains is no capacity');
  assert.equal(said(all.slice(0, 2), ['b'], drained), 'no server is usable');
});

test('nodeLoad() tells requests per second between two samples, of layer 4 connections', () => {
  const sample = (atMs: number, requests: number, connections: number): LoadSample => ({
    atMs,
    listeners: [
      { listener: 'web', requests, connections: 9 * connections },
      { listener: 'tcp', requests: 0, connections },
    ],
    servers: LOAD.servers,
  });
  const rates = (before: LoadSample | undefined, after: LoadSample) =>
    nodeLoad(before, after, new Set(['tcp'])).listeners.map((each) => each.requestsPerSecond);
  assert.deepEqual(rates(sample(1000, 10, 0), sample(3000, 50, 8)), [20, 4]);
  assert.deepEqual(rates(undefined, sample(3000, 50, 8)), [0, 0], 'nothing to compare with');
  assert.deepEqual(rates(sample(3000, 1, 1), sample(3000, 9, 9)), [0, 0], 'no time has passed');
  assert.deepEqual(rates(sample(1000, 90, 9), sample(2000, 1, 1)), [0, 0], 'counted anew');
  assert.deepEqual(nodeLoad(undefined, sample(1, 1, 1), new Set()).servers, LOAD.servers);
});

test('agentReports() is ready where every route answers by itself', () => {
  const listeners = [{ address: '127.0.1.1', port: 82, region: 'home', routes: [{}] }];
  const balancer = { upstreams: {}, listeners } as unknown as BalancerConfig;
  const load = { listeners: [], servers: [] };
  const facts = { node: 'n', nowMs: 5000, states: [], load, leaving: false };
  assert.equal(agentReports(balancer, facts)[0]?.ready, true);
  assert.equal(agentReports(balancer, { ...facts, leaving: true })[0]?.ready, false);
});
