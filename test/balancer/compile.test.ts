import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileBalancer } from '../../src/balancer/compile.ts';
import { counterBytes } from '../../src/balancer/counters.ts';
import { readCounters } from '../../src/balancer/counts.ts';
import { compileRoutes, findRoute } from '../../src/balancer/route.ts';
import type { BalancerConfig } from '../../src/config/config.ts';
import { DEFAULT_ADMISSION } from '../../src/resilience/admission.ts';
import { DEFAULT_HEDGE_RULES } from '../../src/resilience/hedging.ts';
import { DEFAULT_RESILIENCE, type ResilienceSettings } from '../../src/resilience/settings.ts';
import { headOf } from './request-head.ts';

const upstream = (port: number): BalancerConfig['upstreams'][string] => ({
  algorithm: { kind: 'least-request', options: {} },
  servers: [{ name: `s${port}`, address: '127.0.0.1', port, weight: 1 }],
  keepalive: { idleMax: 4, idleTimeoutMs: 1000 },
  connectTimeoutMs: 100,
  responseTimeoutMs: 200,
  bodyIdleTimeoutMs: 60_000,
  ...DEFAULT_RESILIENCE,
});
const listener = (name: string, region: string, upstream: string) => ({
  name,
  region,
  address: '127.0.0.1',
  port: 8080,
  routes: [{ hosts: ['WWW.Example'], pathPrefix: '/', filters: [], upstream }],
});
const CONFIG: BalancerConfig = {
  engine: 'auto',
  upstreams: { a: upstream(1), b: upstream(2), unused: upstream(3) },
  listeners: [listener('l1', 'east', 'a'), listener('l2', 'west', 'b')],
};

test('compileBalancer() keeps the listeners of the wanted regions and what they reach', () => {
  const all = compileBalancer(CONFIG, { generation: 7, nodeName: 'node 1' });
  assert.deepEqual(
    all.upstreams.map(({ name }) => name),
    ['a', 'b'],
  );
  assert.equal(all.via, 'meridian-node-1');
  assert.deepEqual(all.listeners[1]?.routes[0], {
    hosts: ['www.example'],
    pathPrefix: '/',
    filters: [],
    upstream: 1,
  });
  const west = compileBalancer(CONFIG, { generation: 7, nodeName: 'n', regions: ['west'] });
  assert.deepEqual(
    west.upstreams.map(({ name }) => name),
    ['b'],
  );
  assert.deepEqual(
    west.listeners.map(({ name }) => name),
    ['l2'],
  );
  assert.deepEqual(structuredClone(west), west);
});

test('all settings for trouble with an upstream arrive', () => {
  const said: Required<ResilienceSettings> = {
    ...DEFAULT_RESILIENCE,
    hedging: DEFAULT_HEDGE_RULES,
    shedding: DEFAULT_ADMISSION,
  };
  const upstreams = Object.fromEntries(
    Object.entries(CONFIG.upstreams).map(([name, upstream]) => [name, { ...upstream, ...said }]),
  );
  const snapshot = compileBalancer({ ...CONFIG, upstreams }, { generation: 1, nodeName: 'n' });
  for (const upstream of snapshot.upstreams) {
    for (const [key, value] of Object.entries(said)) {
      assert.deepEqual(upstream[key as keyof ResilienceSettings], value, key);
    }
  }
  assert.ok(snapshot.upstreams.length > 0);
});

test('an upstream that only gets copies is compiled along', () => {
  const [l1] = CONFIG.listeners;
  const route = { ...l1!.routes[0]!, mirror: { upstream: 'unused', percent: 5 } };
  const { listeners, upstreams } = compileBalancer(
    { ...CONFIG, listeners: [{ ...l1!, routes: [route] }] },
    { generation: 1, nodeName: 'n' },
  );
  const mirror = listeners[0]?.routes[0]?.mirror;
  assert.equal(mirror?.percent, 5);
  assert.equal(upstreams[mirror.upstream]?.name, 'unused');
});

test('readCounters() names what a row of the snapshot holds', () => {
  const snapshot = compileBalancer(CONFIG, { generation: 1, nodeName: 'n' });
  const counts = readCounters(snapshot, new SharedArrayBuffer(counterBytes(snapshot)));
  assert.deepEqual(
    counts.listeners.map(({ listener }) => listener),
    ['l1', 'l2'],
  );
  assert.deepEqual(
    counts.servers.map(({ upstream, server }) => [upstream, server]),
    [
      ['a', 's1'],
      ['b', 's2'],
    ],
  );
  assert.deepEqual(counts.listeners[0]?.statusClasses, [0, 0, 0, 0, 0]);
});

test('findRoute() prefers the exact host, then the longest wildcard, then any; then the longest prefix', () => {
  const table = compileRoutes(
    [
      [['a.example'], '/'],
      [['a.example'], '/api'],
      [['*.example'], '/'],
      [['*.b.example'], '/'],
      [[], '/'],
      [[], '/static/'],
      [['c.example'], '/only'],
    ].map(([hosts, pathPrefix], upstream) => ({
      hosts: hosts as string[],
      pathPrefix: pathPrefix as string,
      filters: [],
      upstream,
    })),
  );
  for (const [host, path, expected] of [
    ['a.example', '/', 0],
    ['a.example', '/api', 1],
    ['a.example', '/api/x', 1],
    ['a.example', '/apiary', 0],
    ['x.example', '/', 2],
    ['x.y.example', '/', 2],
    ['x.b.example', '/', 3],
    ['example', '/', 4],
    ['other', '/static/x', 5],
    ['other', '/static', 4],
    ['c.example', '/only', 6],
    ['c.example', '/else', 2],
    ['', '/', 4],
  ] as const) {
    assert.equal(
      findRoute(table, headOf('GET', host, path), undefined, '192.0.2.1')?.upstream,
      expected,
      `${host}${path}`,
    );
  }
  assert.equal(
    findRoute(compileRoutes([]), headOf('GET', 'a', '/'), undefined, '192.0.2.1'),
    undefined,
  );
});

test('hosts that are longer than a name are looked up, and not kept', () => {
  const table = compileRoutes([
    { hosts: ['*.example'], pathPrefix: '/', filters: [], upstream: 1 },
    { hosts: [], pathPrefix: '/', filters: [], upstream: 0 },
  ]);
  const upstreamOf = (host: string) =>
    findRoute(table, headOf('GET', host, '/'), undefined, '192.0.2.1')?.upstream;
  assert.equal(upstreamOf(`${'a'.repeat(300)}.example`), 1);
  assert.equal(table.memo.size, 0);
  assert.equal(upstreamOf('a.example'), 1);
  assert.equal(table.memo.size, 1);
});
