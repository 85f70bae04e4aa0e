import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { validateConfig } from '../../src/config/validate.ts';
import { readPlaces } from '../../src/workers/geo-files.ts';

const ROOT = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');
const places = readPlaces();

/** What the examples say that the environment must hold. */
const environment = {
  MERIDIAN_NODE: 'ns1-virginia',
  MERIDIAN_REGION: 'virginia',
  MERIDIAN_ADMIN_TOKEN: '0123456789abcdef0123456789abcdef',
  MERIDIAN_ADMIN_TOKEN_SHA256: 'a'.repeat(64),
};

const examples = readdirSync(new URL('config/examples/', ROOT)).map(
  (name) => `config/examples/${name}`,
);

for (const path of ['config/quickstart.yaml', ...examples]) {
  test(`validateConfig() has nothing to say about ${path}`, () => {
    const result = validateConfig(read(path), path, environment, places);
    assert.deepEqual(result.ok ? result.warnings : result.issues, []);
  });

  test(`${path} tells editors where its schema is`, () => {
    const [, schema] = /^# yaml-language-server: \$schema=(\S+)/.exec(read(path)) ?? [];
    assert.ok(schema, 'the first line is the modeline');
    assert.equal(
      new URL(schema, new URL(path, ROOT)).href,
      new URL('config/meridian.schema.json', ROOT).href,
    );
  });
}

test('docs/CONFIG.md shows the minimal example as it is', () => {
  const [, body = ''] = read('config/examples/minimal.yaml').split(/^(?=regions:)/m);
  const shown = /```yaml\n(regions:[^`]*)```/.exec(read('docs/CONFIG.md'))?.[1] ?? '';
  const bare = (text: string) => text.replace(/\n+/g, '\n').trim();
  assert.equal(bare(shown), bare(body));
});

test('config/quickstart.yaml has three regions, each with its own VIP, vantage point and balancer', () => {
  const path = 'config/quickstart.yaml';
  const result = validateConfig(read(path), path, {}, places);
  assert.ok(result.ok);
  const { regions, node, balancer, dns, admin, zones } = result.config;
  const vips = Object.values(regions).flatMap((region) => region.vips);
  assert.deepEqual(vips, ['127.0.1.1', '127.0.2.1', '127.0.3.1']);
  assert.deepEqual(
    node.vantages.flatMap(({ source }) => source),
    vips,
  );
  assert.deepEqual(
    balancer.listeners.map(({ address, port }) => `${address}:${port}`),
    vips.map((vip) => `${vip}:8080`),
  );
  assert.deepEqual(dns.listeners, [{ address: '127.0.0.1', port: 5300, protocol: 'dns' }]);
  assert.deepEqual([admin.address, admin.port], ['127.0.0.1', 8053]);
  const types = new Set(zones['gslb.example']?.rrsets.map(({ type }) => type));
  assert.deepEqual([...types].sort(), ['A', 'AAAA', 'CAA', 'CNAME', 'MX', 'NS', 'SRV', 'TXT']);
});
