import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { decodeMessage } from '../../src/dns/decode.ts';
import { formatRecord } from '../../src/dns/format.ts';
import { DOWN } from '../../src/health/health-word.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { setHealth, type WorkerState } from '../../src/nameserver/worker-state.ts';
import {
  type Ask,
  allUp,
  ask,
  compiled,
  createConfig,
  geo,
  healthOf,
  rrset,
  startWorker,
  WEB_POOL,
} from './fixture.ts';

const base = createConfig();
const zone = base.zones['gslb.example']!;
const https = { priority: 1, alpn: ['h2', 'h3'], hints: true };

function config(changes: {
  steered?: object[];
  pools?: Config['pools'];
  records?: object[];
}): Config {
  const steered = (changes.steered ?? []) as typeof zone.steered;
  const records = (changes.records ?? []) as typeof zone.rrsets;
  return createConfig({
    pools: { ...base.pools, ...changes.pools },
    zones: {
      ...base.zones,
      'gslb.example': {
        ...zone,
        steered: [...zone.steered, ...steered],
        rrsets: [...zone.rrsets, ...records],
      },
    },
  });
}

const steer = (owner: string, more: object = {}) => ({
  ...{ owner: `${owner}.gslb.example.`, pool: 'web', policy: 'near', ttlMin: 5, ttlMax: 30 },
  ...more,
});

const aliasPool: Config['pools'][string] = {
  ...WEB_POOL,
  sorry: [],
  endpoints: [
    { region: 'us', weight: 1, addresses: [], cname: 'Us.cdn.test.' },
    { region: 'eu', weight: 1, addresses: ['198.51.100.77'], cname: 'eu.cdn.test.' },
  ],
};

function lines(worker: WorkerState, name: string, type: string, how: Ask = {}): string[] {
  const { bytes } = ask(worker, `${name}.gslb.example`, type, how);
  const decoded = decodeMessage(bytes);
  assert.ok(decoded.ok, decoded.ok ? '' : decoded.reason);
  return decoded.message.answer
    .map(formatRecord)
    .map((line) => line.replace(/ (2[0-9]|30) IN/, ' 30 IN'));
}

const US = { subnet: '20.1.2.0/24' };
const EU = { subnet: '80.1.1.0/24' };

test('HTTPS and SVCB follow the region: its addresses as hints, and its protocols', () => {
  const pools = {
    web: {
      ...WEB_POOL,
      endpoints: WEB_POOL.endpoints.map((endpoint) =>
        endpoint.region === 'eu' ? { ...endpoint, alpn: ['h2'] } : endpoint,
      ),
    },
  };
  const svcb = { ...https, port: 8443, hints: false };
  const steered = [steer('site', { https }), steer('_svc.site', { svcb })];
  const worker = startWorker(compiled(config({ steered, pools })));
  assert.deepEqual(lines(worker, 'site', 'HTTPS', US), [
    'site.gslb.example. 30 IN HTTPS 1 . alpn="h2,h3" ipv4hint=198.51.100.1 ipv6hint=2001:db8::1',
  ]);
  assert.deepEqual(lines(worker, 'site', 'HTTPS', EU), [
    'site.gslb.example. 30 IN HTTPS 1 . alpn="h2" ipv4hint=198.51.100.2 ipv6hint=2001:db8::2',
  ]);
  assert.deepEqual(lines(worker, '_svc.site', 'SVCB', US), [
    '_svc.site.gslb.example. 30 IN SVCB 1 . alpn="h2,h3" port=8443',
  ]);
  assert.deepEqual(lines(worker, '_svc.site', 'HTTPS', US), []);
  assert.deepEqual(lines(worker, 'www', 'HTTPS', US), []);
  assert.equal(
    ask(worker, 'site.gslb.example', 'HTTPS', US).scope,
    ask(worker, 'site.gslb.example', 'A', US).scope,
  );
});

test('the hints are what A and AAAA answer, whatever is down', () => {
  const snapshot = compiled(config({ steered: [steer('site', { https })] }));
  const worker = startWorker(snapshot);
  const words = allUp(snapshot);
  words[snapshot.endpoints.findIndex(({ name }) => name === 'web/us')] = DOWN >>> 0;
  setHealth(worker, healthOf(words), snapshot.generation);
  const [a] = ask(worker, 'site.gslb.example', 'A', US).data;
  assert.notEqual(a, '198.51.100.1');
  assert.match(lines(worker, 'site', 'HTTPS', US)[0]!, new RegExp(`ipv4hint=${a} `));
});

test('a steered CNAME answers every type, alone, with the scope of the class', () => {
  const pools = { cdn: aliasPool };
  const worker = startWorker(
    compiled(config({ pools, steered: [steer('app2', { pool: 'cdn' })] })),
  );
  for (const type of ['A', 'AAAA', 'TXT', 'HTTPS', 'CNAME', 'ANY']) {
    assert.deepEqual(lines(worker, 'app2', type, US), [
      'app2.gslb.example. 30 IN CNAME Us.cdn.test.',
    ]);
    assert.deepEqual(lines(worker, 'app2', type, EU), [
      'app2.gslb.example. 30 IN CNAME eu.cdn.test.',
    ]);
  }
  const { aa, authority, scope } = ask(worker, 'app2.gslb.example', 'A', US);
  assert.deepEqual([aa, authority, scope], [true, [], 8]);
});

test('a steered CNAME never answers nothing, and is not followed into our own zones', () => {
  const endpoints = aliasPool.endpoints.map((endpoint) => ({
    ...endpoint,
    cname: 'static.gslb.example.',
  }));
  const snapshot = compiled(
    config({
      pools: { cdn: { ...aliasPool, endpoints } },
      steered: [steer('app2', { pool: 'cdn' })],
    }),
  );
  const worker = startWorker(snapshot);
  const words = allUp(snapshot).fill(DOWN);
  setHealth(worker, healthOf(words), snapshot.generation);
  const expected = ['app2.gslb.example. 5 IN CNAME static.gslb.example.'];
  assert.deepEqual(lines(worker, 'app2', 'A', US), expected);
});

test('what would part clients or types is refused', () => {
  const cases: readonly (readonly [Parameters<typeof config>[0], RegExp])[] = [
    [
      {
        pools: {
          cdn: { ...aliasPool, endpoints: [aliasPool.endpoints[0]!, WEB_POOL.endpoints[1]!] },
        },
      },
      /some of its endpoints are answered with a CNAME/,
    ],
    [{ pools: { cdn: { ...aliasPool, sorry: ['192.0.2.9'] } } }, /has no sorry addresses/],
    [
      {
        pools: { cdn: aliasPool },
        steered: [steer('mixed', { pool: 'cdn' })],
        records: [rrset('mixed.gslb.example.', 'TXT', ['"x"'])],
      },
      /a steered CNAME cannot have other records/,
    ],
    [
      {
        steered: [steer('site', { https })],
        records: [rrset('site.gslb.example.', 'HTTPS', ['1 . alpn=h2'])],
      },
      /cannot have static HTTPS records/,
    ],
  ];
  for (const [changes, message] of cases) {
    const result = compileSnapshot(config(changes), geo, 1, 1);
    assert.ok(!result.ok, String(message));
    assert.match(result.issues.map((issue) => issue.message).join('; '), message);
  }
});
