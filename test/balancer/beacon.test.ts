import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { beaconRoutes } from '../../src/balancer/beacon.ts';
import { compileBalancer } from '../../src/balancer/compile.ts';
import { explainRequest } from '../../src/balancer/explain-request.ts';
import type { RouteSnapshot } from '../../src/balancer/snapshot.ts';
import type { BalancerConfig } from '../../src/config/config.ts';
import { startRawOrigin, startRig, talk } from './rig.ts';

/** The paths that pages measure ways with, beside routes that people wrote, in bytes. */
const settings = {
  path: '/.well-known/meridian',
  regions: ['frankfurt', 'singapore'],
  script: '(() => {})();\n',
};
const own = (route: Partial<RouteSnapshot>): RouteSnapshot => ({
  ...{ hosts: [], pathPrefix: '/', upstream: 0, filters: [] },
  ...route,
});
const HOSTS = ['shop.example', '*.b.example'];
const ROUTES = [
  own({}),
  ...HOSTS.map((host) => own({ hosts: [host] })),
  own({ hosts: ['shop.example'], pathRegex: '/.well-known/.*' }),
];
const PROXY = { believe: ['x-forwarded'], send: [], proxies: ['127.0.0.0/8'] } as const;

async function open(t: TestContext, more = {}) {
  const origin = await startRawOrigin((socket) =>
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\norigin'),
  );
  const routes = [...ROUTES, ...beaconRoutes(settings, HOSTS)];
  const rig = await startRig({ servers: [origin.port], routes, trust: PROXY, ...more });
  t.after(async () => {
    await rig.close();
    await origin.close();
  });
  const ask = async (line: string, host = 'any.example', ...fields: string[]) => {
    const head = [`${line} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...fields];
    return (await talk(rig.port, `${head.join('\r\n')}\r\n\r\n`)).text;
  };
  return { rig, ask };
}

test('pages of any site get something to fetch, of any host', async (t) => {
  const { ask } = await open(t);
  for (const host of ['any.example', 'shop.example', 'a.b.example']) {
    const reply = await ask('GET /.well-known/meridian/rtt?x', host);
    assert.match(reply, /^HTTP\/1\.1 204 No Content\r\n/, host);
    assert.match(reply, /\r\nAccess-Control-Allow-Origin: \*\r\n/);
    assert.match(reply, /\r\nTiming-Allow-Origin: \*\r\n/);
    assert.match(reply, /\r\nCache-Control: no-store\r\n/);
  }
  const script = await ask('GET /.well-known/meridian/beacon.js', 'shop.example');
  assert.match(script, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(script, /\r\nContent-Type: text\/javascript; charset=utf-8\r\n/);
  assert.ok(script.endsWith(`\r\n\r\n${settings.script}`));
});

test('all other paths are whose they were', async (t) => {
  const { ask } = await open(t);
  for (const path of ['/', '/.well-known/meridian', '/.well-known/meridian/', '/beacon.js']) {
    assert.match(await ask(`GET ${path}`, 'shop.example'), /\r\n\r\norigin$/, path);
  }
});

test('a report is told with the client that a trusted proxy speaks for', async (t) => {
  const { ask, rig } = await open(t);
  const report = 'POST /.well-known/meridian/report?frankfurt=12.5&singapore=170';
  const reply = await ask(
    report,
    'shop.example',
    'Content-Length: 0',
    'X-Forwarded-For: 192.0.2.7',
  );
  assert.match(reply, /^HTTP\/1\.1 204 /);
  assert.deepEqual(rig.balancer.takePageReports(), [
    {
      address: '192.0.2.7',
      readings: [
        { region: 'frankfurt', rttMs: 12.5 },
        { region: 'singapore', rttMs: 170 },
      ],
    },
  ]);
  assert.deepEqual(rig.balancer.takePageReports(), [], 'once');
});

test('a report of a stranger is told with its own address, whatever it says', async (t) => {
  const { ask, rig } = await open(t, { trust: undefined });
  await ask('POST /.well-known/meridian/report?frankfurt=1', 'a', 'X-Forwarded-For: 192.0.2.7');
  assert.equal(rig.balancer.takePageReports()[0]?.address, '127.0.0.1');
});

test('what is no report is refused, and tells nobody anything', async (t) => {
  const { ask, rig } = await open(t);
  const path = '/.well-known/meridian';
  for (const query of ['', '?', '?tokyo=1', '?frankfurt=', `?frankfurt=1&${'a'.repeat(3000)}`]) {
    assert.match(await ask(`POST ${path}/report${query}`), /^HTTP\/1\.1 400 /, query);
  }
  assert.match(
    await ask(`GET ${path}/report?frankfurt=1`),
    /^HTTP\/1\.1 405 [\s\S]*\r\nAllow: POST\r\n/,
  );
  assert.match(await ask(`POST ${path}/rtt`, 'a', 'Content-Length: 0'), /^HTTP\/1\.1 405 /);
  // A body is not waited for.
  const long = await ask(`POST ${path}/report?frankfurt=1`, 'a', 'Content-Length: 1000000');
  assert.match(long, /^HTTP\/1\.1 204 [\s\S]*Connection: close/);
  assert.equal(rig.balancer.takePageReports().length, 1);
});

test('reports between two ticks have a bound', async (t) => {
  const { rig } = await open(t);
  const one =
    'POST /.well-known/meridian/report?frankfurt=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n';
  for (let turn = 0; turn < 12; turn += 1) {
    const text = `${`${one}\r\n`.repeat(99)}${one}Connection: close\r\n\r\n`;
    await talk(rig.port, text);
  }
  assert.equal(rig.balancer.takePageReports().length, 1000);
});

test('HTTP listeners have them where pages measure, others do not', () => {
  const listener = { address: '127.0.0.1', region: 'a', routes: [] };
  const flows = {
    protocol: 'tcp',
    byServerName: false,
    idleTimeoutMs: 1,
    drainTimeoutMs: 1,
  } as const;
  const config: BalancerConfig = {
    ...{ engine: 'auto', upstreams: {} },
    listeners: [
      { ...listener, name: 'web', port: 80 },
      { ...listener, name: 'flows', port: 81, layer4: { ...flows, sessionsMax: 1, responses: 0 } },
    ],
  };
  const options = { generation: 1, nodeName: 'n' };
  const pathsOf = (beacon?: typeof settings) =>
    compileBalancer(config, { ...options, beacon }).listeners.map(({ routes }) =>
      routes.map(({ path }) => path),
    );
  const base = settings.path;
  const paths = [`${base}/beacon.js`, `${base}/rtt`, `${base}/report`];
  assert.deepEqual(pathsOf(settings), [paths, []]);
  assert.deepEqual(pathsOf(), [[], []]);
});

test('an explanation knows them', async (t) => {
  const { rig } = await open(t);
  const result = explainRequest(
    rig.snapshot,
    {
      method: 'POST',
      headers: [],
      url: 'http://shop.example/.well-known/meridian/report?frankfurt=1',
    },
    {
      server: () => undefined,
      shown: (_, value) => value,
      sessions: { nowMs: 0, memoryOf: () => undefined },
    },
  );
  assert.ok(!('wrong' in result), JSON.stringify(result));
  assert.deepEqual(result.filters[0]?.kind, 'latency-beacon');
  assert.match(result.filters[0]?.effects.join() ?? '', /takes 1 reading/);
});
