import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Role } from '../../src/config/config.ts';
import { loadConfig } from '../../src/node/config-file.ts';

const CONFIG = {
  node: {
    name: 'n',
    vantages: [
      { name: 'here', region: 'eu' },
      { name: 'there', region: 'us' },
    ],
  },
  regions: {
    eu: { location: 'DE', vips: '192.0.2.1' },
    us: { location: 'US', vips: '192.0.2.2' },
  },
  balancer: {
    listeners: [
      { region: 'eu', address: '192.0.2.1', port: 80, upstream: 'eu' },
      { region: 'us', address: '192.0.2.2', port: 80, upstream: 'us' },
    ],
    upstreams: { eu: { servers: ['10.0.0.1:80'] }, us: { servers: ['10.0.0.2:80'] } },
  },
};

test('loadConfig() takes the roles of the command line over those of the file', (t) => {
  const load = loaderOf(t);
  assert.equal(load({}).node.roles.length, 4);
  assert.deepEqual(load({ roles: ['prober'] }).node.roles, ['prober']);
});

test("loadConfig() with a region leaves that region's listeners, upstreams and vantage points", (t) => {
  const config = loaderOf(t)({ region: 'us' });
  assert.deepEqual(
    config.balancer.listeners.map(({ region }) => region),
    ['us'],
  );
  assert.deepEqual(Object.keys(config.balancer.upstreams), ['us']);
  assert.deepEqual(
    config.node.vantages.map(({ name }) => name),
    ['there'],
  );
  // What is answered stays whole.
  assert.deepEqual(Object.keys(config.regions), ['eu', 'us']);
});

test('loadConfig() keeps the vantage points when none is in the region', (t) => {
  const node = { ...CONFIG.node, vantages: [{ name: 'anywhere' }] };
  const config = loaderOf(t, { ...CONFIG, node })({ region: 'us' });
  assert.deepEqual(
    config.node.vantages.map(({ name }) => name),
    ['anywhere'],
  );
});

test('loadConfig() says when the region, the file or its content will not do', (t) => {
  const directory = scratch(t);
  const file = join(directory, 'meridian.yaml');
  const issue = (path: string, region?: string) => {
    const loaded = loadConfig({ file: path, region, environment: {} });
    assert.ok(!loaded.ok);
    return loaded.issues[0]!;
  };
  assert.match(issue(file).message, /no such file/);
  mkdirSync(join(directory, 'folder'));
  assert.match(issue(join(directory, 'folder')).message, /cannot be read \(EISDIR\)/);
  writeFileSync(file, JSON.stringify(CONFIG));
  for (const region of ['mars', 'constructor', '__proto__']) {
    assert.equal(issue(file, region).message, `there is no region "${region}"`);
  }
  writeFileSync(file, '{');
  assert.equal(issue(file).file, file);
});

test('loadConfig() knows the name of the host where the environment does not', (t) => {
  const { node: _node, ...rest } = CONFIG;
  assert.notEqual(loaderOf(t, rest)({}).node.name, '');
  assert.equal(loaderOf(t, rest)({ environment: { HOSTNAME: 'h-1' } }).node.name, 'h-1');
});

function loaderOf(t: TestContext, content: object = CONFIG) {
  const file = join(scratch(t), 'meridian.yaml');
  writeFileSync(file, JSON.stringify(content));
  return (more: {
    readonly roles?: readonly Role[];
    readonly region?: string;
    readonly environment?: Readonly<Record<string, string>>;
  }) => {
    const loaded = loadConfig({ file, environment: {}, ...more });
    assert.ok(loaded.ok, JSON.stringify(loaded));
    return loaded.config;
  };
}

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-config-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

test('folders of keys are those beside the file; one that is not there is a warning', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-config-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'meridian.yaml');
  const zones = Object.fromEntries(
    ['there', 'away', 'not/there'].map((folder, at) => [
      `z${at}.example`,
      { nameservers: 'ns.other.example.', dnssec: { folder } },
    ]),
  );
  mkdirSync(join(directory, 'there'));
  writeFileSync(file, JSON.stringify({ zones }));
  const loaded = loadConfig({ file, environment: {} });
  assert.ok(loaded.ok);
  const folders = Object.values(loaded.config.zones).map(({ dnssec }) => dnssec?.folder);
  assert.deepEqual(
    folders,
    ['there', 'away', 'not/there'].map((folder) => join(directory, folder)),
  );
  const about = loaded.warnings.filter(({ path }) => path.endsWith('.folder'));
  assert.deepEqual(
    about.map(({ path }) => path),
    ['zones.z1.example.dnssec.folder', 'zones.z2.example.dnssec.folder'],
  );
  assert.match(about[0]!.message, /away does not exist: z1\.example is answered unsigned/);
});
