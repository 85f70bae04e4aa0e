import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { diffConfig, guardShrink } from '../../src/config/diff.ts';
import { validateConfig } from '../../src/config/validate.ts';
import { centroids } from './centroids.ts';

const quickstart = readFileSync(new URL('../../config/quickstart.yaml', import.meta.url), 'utf8');

function config(...edits: readonly (readonly [string, string])[]): Config {
  let text = quickstart;
  for (const [from, to] of edits) {
    assert.ok(text.includes(from), from);
    text = text.replaceAll(from, to);
  }
  const result = validateConfig(text, 'test.yaml', {}, centroids);
  if (!result.ok) assert.fail(JSON.stringify(result.issues));
  return result.config;
}
const before = config();

function check(after: Config, expected: readonly string[]): void {
  assert.deepEqual(diffConfig(before, after), expected);
}

test('diffConfig() is silent when nothing changed or entries only moved', () => {
  check(config(), []);
  check(
    config([
      'ns1: { A: 127.0.0.1 }\n      ns2: { A: 127.0.0.1 }',
      'ns2: { A: 127.0.0.1 }\n      ns1: { A: 127.0.0.1 }',
    ]),
    [],
  );
});

test('diffConfig() says what changed in words', () => {
  check(config(['www: { pool: web, policy: closest', 'www: { pool: web, policy: standby']), [
    'zones.gslb.example: steered www changed policy closest → standby',
  ]);
  check(config(['capacity: 500\n', 'capacity: 700\n']), [
    'regions: region singapore changed capacity 500 → 700',
  ]);
  check(
    config([
      'short: { A: { ttl: 30, data: [192.0.2.80, 192.0.2.81] } }',
      'short: { A: { ttl: 60, data: 192.0.2.80 } }',
    ]),
    [
      'zones.gslb.example: record short A changed ttl 30 → 60',
      'zones.gslb.example: record short A changed data ["192.0.2.80","192.0.2.81"] → ["192.0.2.80"]',
    ],
  );
  check(config(['{ region: singapore, weight: 1 }', '{ region: singapore, weight: 3 }']), [
    'pools: pool web changed endpoints.singapore.weight 1 → 3',
  ]);
  check(config(["'127.0.3.1:9001', '127.0.3.1:9002'", "'127.0.3.1:9001'"]), [
    'balancer.upstreams: upstream web-singapore changed servers.127.0.3.1:9002 {"address":"127.0.3.1","port":9002,"weight":1} → none',
  ]);
  check(config(['level: info', 'level: warn'], ['127.0.0.1:5300', '127.0.0.1:5301']), [
    'dns: changed listeners [{"address":"127.0.0.1","port":5300,"protocol":"dns"}] → [{"address":"127.0.0.1","port":5301,"protocol":"dns"}]',
    'log: changed level info → warn',
  ]);
});

test('diffConfig() names what came and went', () => {
  check(
    config(
      ['      alias: { CNAME: www }\n', ''],
      ['      app:', '      other:'],
      ['gslb.example:\n', 'gslb.example:\n'],
    ),
    [
      'zones.gslb.example: steered app removed',
      'zones.gslb.example: steered other added',
      'zones.gslb.example: record alias CNAME removed',
    ],
  );
  check({ ...before, zones: {} }, ['zones: zone gslb.example removed']);
  assert.deepEqual(diffConfig({ ...before, zones: {} }, before), [
    'zones: zone gslb.example added',
  ]);
});

test('diffConfig() never shows a token', () => {
  const secret = 'a-very-secret-token';
  const after = config(['port: 8053 }', `port: 8053, tokens: [${secret}] }`]);
  check(after, ['admin: changed tokens (0 → 1)']);
  assert.deepEqual(diffConfig(after, after), []);
});

test('guardShrink() warns when answers would go', () => {
  assert.deepEqual(guardShrink(before, before), []);
  assert.deepEqual(guardShrink(before, { ...before, zones: {}, pools: {} }), [
    'zones.gslb.example: the zone is removed; its names will be refused',
    'pools.web: the pool is removed with its 3 endpoints',
  ]);
  const moved = config([
    '      - virginia # short for { region: virginia, weight: 1 }\n      - frankfurt\n',
    '',
  ]);
  assert.deepEqual(guardShrink(before, moved), ['pools.web: 2 of 3 endpoints are removed']);
  const web = before.pools['web']!;
  const other = [{ region: 'tokyo', weight: 1, addresses: ['192.0.2.1'] }];
  assert.deepEqual(
    guardShrink(before, { ...before, pools: { web: { ...web, endpoints: other } } }),
    ['pools.web: all 3 endpoints are removed'],
  );
  const fewer = config([
    '      app: { pool: web, policy: standby, ttl: { min: 2, max: 30 } }\n',
    '',
  ]);
  assert.deepEqual(guardShrink(before, fewer), [
    'zones.gslb.example: steered app is removed; it will have no answer',
  ]);
  const zone = before.zones['gslb.example']!;
  const dnssec = {
    ...({ scheme: 'csk', algorithm: 'ecdsap256', denial: 'compact' } as const),
    ...{ validitySeconds: 1000, refreshSeconds: 500 },
  };
  const signed = { ...before, zones: { 'gslb.example': { ...zone, dnssec } } };
  assert.deepEqual(guardShrink(before, signed), []);
  assert.deepEqual(guardShrink(signed, before), [
    'zones.gslb.example: the zone is not signed any more; while its parent has a DS, resolvers that validate have no answer',
  ]);
});

test('diffConfig() says that a secret of a monitor changed, and never what it is', () => {
  const base = config();
  const withToken = (token: string): Config => {
    const options = {
      headers: { authorization: `Bearer ${token}` },
      proxy: `http://u:${token}@x/`,
    };
    const monitors = Object.entries(base.monitors).map(([name, monitor]) => [
      name,
      { ...monitor, options },
    ]);
    return { ...base, monitors: Object.fromEntries(monitors) };
  };
  const lines = diffConfig(withToken('old-one'), withToken('new-one')).join('\n');
  assert.match(lines, /authorization/);
  assert.doesNotMatch(lines, /old-one|new-one/);
});
