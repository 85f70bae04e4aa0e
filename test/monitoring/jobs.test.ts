import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config, MonitorConfig, PoolConfig } from '../../src/config/config.ts';
import {
  endpointJobs,
  healthEndpoints,
  healthServers,
  SERVER_VANTAGE,
  serverJobs,
} from '../../src/monitoring/jobs.ts';

const MONITOR: MonitorConfig = {
  kind: 'http',
  options: { path: '/healthz' },
  intervalMs: 500,
  timeoutMs: 300,
  rise: 2,
  fall: 3,
  jitter: 0.1,
};
const endpoints = [
  { region: 'virginia', weight: 1, addresses: [] },
  { region: 'tokyo', weight: 1, addresses: ['192.0.2.9'] },
];
const pool = (more: Partial<PoolConfig>): PoolConfig => ({
  endpoints,
  port: 8080,
  quorumMin: 1,
  panicThreshold: 0,
  sorry: [],
  ...more,
});
const upstream = (monitor?: string) => ({
  algorithm: { kind: 'round-robin', options: {} },
  servers: [{ name: 'a', address: '127.0.0.1', port: 9001, weight: 1 }],
  ...(monitor === undefined ? {} : { monitor }),
  keepalive: { idleMax: 1, idleTimeoutMs: 1 },
  connectTimeoutMs: 1,
  responseTimeoutMs: 1,
});
const region = (vips: readonly string[]) => ({
  location: { latitude: 0, longitude: 0 },
  vips,
  capacity: 0,
});
/** Only what jobs are made of; the rest of a configuration is of no concern here. */
const CONFIG = {
  node: {
    vantages: [
      { name: 'eye-1', region: 'virginia', source: ['127.0.1.1'] },
      { name: 'eye-2', source: [] },
    ],
  },
  regions: { virginia: region(['127.0.1.1', '::1']), tokyo: region(['127.0.2.1']) },
  monitors: { web: MONITOR, deep: { ...MONITOR, port: 9999 } },
  pools: {
    web: pool({ monitor: 'web', quorumMin: 2 }),
    api: pool({ monitor: 'web' }),
    deep: pool({ monitor: 'deep' }),
    plain: pool({}),
  },
  balancer: { upstreams: { shop: upstream('web'), blog: upstream('web'), raw: upstream() } },
} as unknown as Config;

test('healthEndpoints() lists every endpoint with what is probed for its addresses', () => {
  const list = healthEndpoints(CONFIG);
  assert.deepEqual(
    list.map(({ name }) => name),
    ['web', 'api', 'deep', 'plain'].flatMap((name) => [`${name}/virginia`, `${name}/tokyo`]),
  );
  assert.deepEqual(list[0], {
    name: 'web/virginia',
    pool: 'web',
    region: 'virginia',
    quorumMin: 2,
    targets: [
      { address: '127.0.1.1', key: 'endpoint web 127.0.1.1:8080' },
      { address: '::1', key: 'endpoint web [::1]:8080' },
    ],
  });
  assert.deepEqual(list[1]?.targets, [
    { address: '192.0.2.9', key: 'endpoint web 192.0.2.9:8080' },
  ]);
  assert.deepEqual(list[2]?.targets, list[0]?.targets, 'pools share what they share');
  assert.equal(list[4]?.targets[0]?.key, 'endpoint deep 127.0.1.1:9999');
  assert.deepEqual(list[6]?.targets, [], 'no monitor');
});

test('endpointJobs() probes each target once from each vantage point that can', () => {
  const jobs = endpointJobs(CONFIG);
  assert.deepEqual(
    jobs.map(({ vantage, key }) => `${vantage} ${key}`),
    ['web', 'deep'].flatMap((monitor) => {
      const port = monitor === 'web' ? 8080 : 9999;
      return [
        `eye-1 endpoint ${monitor} 127.0.1.1:${port}`,
        `eye-2 endpoint ${monitor} 127.0.1.1:${port}`,
        `eye-2 endpoint ${monitor} [::1]:${port}`,
        `eye-1 endpoint ${monitor} 192.0.2.9:${port}`,
        `eye-2 endpoint ${monitor} 192.0.2.9:${port}`,
      ];
    }),
  );
  assert.deepEqual(jobs[0], {
    vantage: 'eye-1',
    group: 'virginia',
    key: 'endpoint web 127.0.1.1:8080',
    probe: 'http',
    options: { path: '/healthz' },
    target: { address: '127.0.1.1', port: 8080, sourceAddress: '127.0.1.1' },
    rules: { rise: 2, fall: 3, intervalMs: 500, timeoutMs: 300, jitter: 0.1 },
  });
  assert.equal(jobs[1]?.group, 'eye-2', 'without a region it is a failure domain of its own');
  const probed = new Set(jobs.map(({ key }) => key));
  for (const { targets } of healthEndpoints(CONFIG)) {
    for (const { key } of targets) assert.ok(probed.has(key), key);
  }
});

test('serverJobs() probes each server once for this node', () => {
  const jobs = serverJobs(CONFIG);
  assert.deepEqual(
    jobs.map(({ vantage, key, target }) => [vantage, key, target]),
    [[SERVER_VANTAGE, 'server web 127.0.0.1:9001', { address: '127.0.0.1', port: 9001 }]],
  );
  assert.deepEqual(
    healthServers(CONFIG).map(({ upstream: name, key }) => [name, key]),
    [
      ['shop', 'server web 127.0.0.1:9001'],
      ['blog', 'server web 127.0.0.1:9001'],
      ['raw', undefined],
    ],
  );
});
