import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config, MonitorConfig, PoolConfig } from '../../src/config/config.ts';
import { type Check, checkKeys } from '../../src/health/composite.ts';
import {
  canaryJobs,
  canaryOf,
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
  recheckMs: 125,
  idle: { afterMs: 600_000, intervalMs: 2000 },
};
const endpoints = [
  { region: 'virginia', weight: 1, addresses: [] },
  { region: 'tokyo', weight: 1, addresses: ['192.0.2.9'] },
];
const pool = (more: Partial<PoolConfig>): PoolConfig => ({
  endpoints,
  port: 8080,
  quorumMin: 1,
  downShare: 0.5,
  panicThreshold: 0,
  ramp: { from: 0.1, overMs: 0 },
  withdrawals: { shareMax: 1, countMax: 10, windowMs: 300_000 },
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
    canaries: [
      { monitor: 'deep', address: '198.51.100.1' },
      { monitor: 'web', address: '198.51.100.2', port: 53 },
      { monitor: 'ping', address: '198.51.100.3' },
    ],
  },
  regions: { virginia: region(['127.0.1.1', '::1']), tokyo: region(['127.0.2.1']) },
  monitors: {
    web: MONITOR,
    deep: { ...MONITOR, port: 9999 },
    ping: { ...MONITOR, kind: 'icmp' },
    primary: { ...MONITOR, address: '192.0.2.77', port: 77 },
  },
  pools: {
    web: pool({ monitor: 'web', quorumMin: 2 }),
    api: pool({ monitor: 'web' }),
    deep: pool({ monitor: 'deep' }),
    plain: pool({}),
    site: pool({ monitor: 'site' }),
  },
  monitorGroups: {
    site: {
      of: [
        { monitor: 'web', required: true, inverted: false, weight: 1 },
        { monitor: 'primary', required: false, inverted: true, weight: 2 },
      ],
      need: 2,
    },
  },
  balancer: {
    engine: 'auto',
    upstreams: { shop: upstream('web'), blog: upstream('web'), raw: upstream() },
    listeners: [],
  },
} as unknown as Config;

const target = (key: string, home?: string): Check => ({
  kind: 'target',
  key,
  ...(home === undefined ? {} : { home }),
});

test('healthEndpoints() lists every endpoint with what is probed for its addresses', () => {
  const list = healthEndpoints(CONFIG);
  assert.deepEqual(
    list.map(({ name }) => name),
    ['web', 'api', 'deep', 'plain', 'site'].flatMap((name) => [
      `${name}/virginia`,
      `${name}/tokyo`,
    ]),
  );
  assert.deepEqual(list[0], {
    name: 'web/virginia',
    pool: 'web',
    region: 'virginia',
    quorumMin: 2,
    downShare: 0.5,
    capacity: 1,
    sockets: ['127.0.1.1:8080', '[::1]:8080', '0.0.0.0:8080', '[::]:8080'],
    targets: [
      { address: '127.0.1.1', check: target('endpoint web 127.0.1.1:8080', 'virginia') },
      { address: '::1', check: target('endpoint web [::1]:8080', 'virginia') },
    ],
  });
  assert.deepEqual(
    list[1]?.sockets,
    ['192.0.2.9:8080'],
    'a balancer on all addresses does not speak for what is not at its VIPs',
  );
  assert.deepEqual(list[1]?.targets, [
    { address: '192.0.2.9', check: target('endpoint web 192.0.2.9:8080', 'tokyo') },
  ]);
  assert.deepEqual(list[2]?.targets, list[0]?.targets, 'pools share what they share');
  assert.deepEqual(list[4]?.targets[0]?.check, target('endpoint deep 127.0.1.1:9999', 'virginia'));
  assert.deepEqual(list[6]?.targets, [], 'no monitor');
  assert.deepEqual(list[9]?.targets, [
    {
      address: '192.0.2.9',
      check: {
        kind: 'composite',
        name: 'site',
        need: 2,
        members: [
          {
            check: target('endpoint web 192.0.2.9:8080', 'tokyo'),
            required: true,
            inverted: false,
            weight: 1,
          },
          {
            // An address of its own, whatever the endpoint, and in no region.
            check: target('endpoint primary 192.0.2.77:77'),
            required: false,
            inverted: true,
            weight: 2,
          },
        ],
      },
    },
  ]);
});

test('endpointJobs() probes each target once from each vantage point that can', () => {
  const jobs = endpointJobs(CONFIG);
  assert.deepEqual(
    jobs.map(({ vantage, key }) => `${vantage} ${key}`),
    ['web', 'deep']
      .flatMap((monitor) => {
        const port = monitor === 'web' ? 8080 : 9999;
        return [
          `eye-1 endpoint ${monitor} 127.0.1.1:${port}`,
          `eye-2 endpoint ${monitor} 127.0.1.1:${port}`,
          `eye-2 endpoint ${monitor} [::1]:${port}`,
          `eye-1 endpoint ${monitor} 192.0.2.9:${port}`,
          `eye-2 endpoint ${monitor} 192.0.2.9:${port}`,
        ];
      })
      .concat('eye-1 endpoint primary 192.0.2.77:77', 'eye-2 endpoint primary 192.0.2.77:77'),
  );
  assert.deepEqual(jobs[0], {
    vantage: 'eye-1',
    group: 'virginia',
    key: 'endpoint web 127.0.1.1:8080',
    probe: 'http',
    options: { path: '/healthz' },
    target: { address: '127.0.1.1', port: 8080, sourceAddress: '127.0.1.1' },
    rules: {
      rise: 2,
      fall: 3,
      intervalMs: 500,
      timeoutMs: 300,
      jitter: 0.1,
      recheckMs: 125,
      idle: { afterMs: 600_000, intervalMs: 2000 },
    },
  });
  assert.equal(jobs[1]?.group, 'eye-2', 'without a region it is a failure domain of its own');
  const probed = new Set(jobs.map(({ key }) => key));
  for (const { targets } of healthEndpoints(CONFIG)) {
    for (const key of targets.flatMap(({ check }) => checkKeys(check))) {
      assert.ok(probed.has(key), key);
    }
  }
});

test('serverJobs() probes each server once for this node', () => {
  const jobs = serverJobs(CONFIG);
  assert.deepEqual(
    jobs.map(({ vantage, key, target }) => [vantage, key, target]),
    [[SERVER_VANTAGE, 'server web 127.0.0.1:9001', { address: '127.0.0.1', port: 9001 }]],
  );
  assert.deepEqual(
    healthServers(CONFIG).map(({ live, upstream: name }) => [name, live]),
    [
      ['shop', target('server web 127.0.0.1:9001')],
      ['blog', target('server web 127.0.0.1:9001')],
      ['raw', undefined],
    ],
  );
});

test('serverJobs() asks the servers of an upstream with readiness twice', () => {
  const shop = { ...upstream('web'), readiness: 'deep' };
  const config = {
    ...CONFIG,
    balancer: { upstreams: { shop }, listeners: [] },
  } as unknown as Config;
  const keys = ['server web 127.0.0.1:9001', 'server deep 127.0.0.1:9999'];
  assert.deepEqual(
    serverJobs(config).map(({ key }) => key),
    keys,
  );
  assert.deepEqual(
    healthServers(config).map(({ live, ready }) => [live, ready]),
    [keys.map((key) => target(key))],
  );
});

test('serverJobs() asks all of a group, and servers are judged by it', () => {
  const shop = { ...upstream('site'), readiness: 'web' };
  const config = {
    ...CONFIG,
    balancer: { upstreams: { shop }, listeners: [] },
  } as unknown as Config;
  const keys = ['server web 127.0.0.1:9001', 'server primary 127.0.0.1:77'];
  assert.deepEqual(
    serverJobs(config).map(({ key }) => key),
    keys,
  );
  const [server] = healthServers(config);
  assert.deepEqual(server?.ready, target(keys[0]!));
  assert.deepEqual(checkKeys(server!.live!), keys);
  assert.ok(server?.live?.kind === 'composite' && server.live.need === 2);
});

test('serverJobs() begins with a PROXY header where servers want one, but for a port of its own', () => {
  const told = { ...upstream('web'), readiness: 'deep', proxyProtocol: 'v2' };
  // Requests have no header: whoever gets them wants none.
  const upstreams = { told, plain: upstream('web'), http: { ...told, readiness: undefined } };
  const routes = (name: string) => [{ upstream: name }];
  const listeners = [{ layer4: {}, routes: routes('told') }, { routes: routes('http') }];
  const config = { ...CONFIG, balancer: { upstreams, listeners } } as unknown as Config;
  const server = { address: '127.0.0.1', port: 9001 };
  assert.deepEqual(
    serverJobs(config).map(({ key, target: asked }) => [key, asked]),
    [
      ['server web 127.0.0.1:9001 PROXY v2', { ...server, proxyProtocol: 'v2' }],
      ['server deep 127.0.0.1:9999', { ...server, port: 9999 }],
      ['server web 127.0.0.1:9001', server],
    ],
  );
  assert.deepEqual(
    healthServers(config).map(({ live }) => live),
    [
      target('server web 127.0.0.1:9001 PROXY v2'),
      ...Array(2).fill(target('server web 127.0.0.1:9001')),
    ],
  );
});

test('canaryJobs() lets every vantage point ask every canary', () => {
  const jobs = canaryJobs(CONFIG);
  assert.deepEqual(
    jobs.map(({ vantage, key, target: { port } }) => [vantage, key, port]),
    [
      ['eye-1', 'canary 198.51.100.1:9999', 9999],
      ['eye-2', 'canary 198.51.100.1:9999', 9999],
      ['eye-1', 'canary 198.51.100.2:53', 53],
      ['eye-2', 'canary 198.51.100.2:53', 53],
      ['eye-1', 'canary 198.51.100.3', 0],
      ['eye-2', 'canary 198.51.100.3', 0],
    ],
  );
  assert.equal(canaryOf(jobs[0]!.key), '198.51.100.1:9999');
  assert.equal(canaryOf('endpoint web 127.0.0.1:1'), undefined);
});

test('healthEndpoints() weighs by the capacities of regions when all of them state one', () => {
  const stated = (capacity: number) => ({ ...region(['127.0.0.1']), capacity });
  const of = (virginia: number, tokyo: number) => {
    const regions = { virginia: stated(virginia), tokyo: stated(tokyo) };
    return healthEndpoints({ ...CONFIG, regions })
      .slice(0, 2)
      .map(({ capacity }) => capacity);
  };
  assert.deepEqual(of(1000, 500), [1000, 500]);
  assert.deepEqual(of(1000, 0), [1, 1], 'else by weight');
});
