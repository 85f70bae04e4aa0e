import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openCli } from './cli-harness.ts';

const ZONE = `'': { type: NS, value: ns1.example.net. }
www:
  type: A
  value: 192.0.2.1
  dynamic:
    pools: { eu: { values: [{ value: 192.0.2.1 }] } }
    rules: !include rules/all.yaml
old: { type: URLFWD, value: { code: 301 } }
`;
const FILES = { 'shop.example.yaml': ZONE, 'rules/all.yaml': '- pool: eu\n' };

test('import octodns writes a configuration that check accepts, and tells what is left out', async (t) => {
  const folder = scratch(t, FILES);
  const to = join(folder, 'meridian.yaml');
  const { run, runIn } = await openCli(t);
  const { code, stderr, stdout } = await run(
    'import',
    'octodns',
    join(folder, 'shop.example.yaml'),
    '--to',
    to,
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /meridian\.yaml: 1 zone, 0 record sets, 1 steered name, 1 warning\.\n$/);
  assert.match(
    stderr,
    /shop\.example\.yaml:8:6: warning: URLFWD of old\.shop\.example is left out\n {2}hint: .*"redirect"/,
  );
  const text = readFileSync(to, 'utf8');
  assert.match(
    text,
    /\{ pool: www\.shop\.example, policy: www\.shop\.example, ttl: \{ min: 5, max: 3600 \} \}/,
  );
  const checked = await runIn({ readFile: async () => text }, 'check', to);
  assert.match(checked.stdout, /is valid\.\n$/);
});

test('import octodns writes to standard output unless told otherwise, also for programs', async (t) => {
  const folder = scratch(t, FILES);
  const zone = join(folder, 'shop.example.yaml');
  const { run } = await openCli(t);
  const plain = await run(
    'import',
    'octodns',
    zone,
    '--ttl',
    '30',
    '--nameserver',
    'ns.other.example',
  );
  assert.equal(plain.code, 0);
  assert.match(plain.stdout, /^# Made from .*shop\.example\.yaml by "meridian import octodns"\.\n/);
  assert.match(plain.stdout, /ttl: 30\n {4}nameservers: \[ns\.other\.example\.\]\n/);
  const json = await run('import', 'octodns', zone, '-o', 'json');
  const { config, steered, warnings, zones } = JSON.parse(json.stdout);
  assert.match(config, /^# Made from /);
  assert.deepEqual([zones, steered, warnings.length], [1, 1, 1]);
});

test('import octodns takes a zone that is split over files', async (t) => {
  const folder = scratch(t, {
    'shop.example./$shop.example.yaml': "'': { type: NS, value: ns1.example.net. }\n",
    'shop.example./www.yaml': 'www: { type: A, value: 192.0.2.1 }\n',
    'other.example.yaml': "'': { type: NS, value: ns1.example.net. }\n",
  });
  const { run } = await openCli(t);
  const files = [
    'shop.example./$shop.example.yaml',
    'shop.example./www.yaml',
    'other.example.yaml',
  ];
  const { code, stdout } = await run(
    'import',
    'octodns',
    ...files.map((file) => join(folder, file)),
  );
  assert.equal(code, 0);
  const zones = stdout.slice(stdout.indexOf('\nzones:'));
  assert.deepEqual(zones.match(/^ {2}\S.*$/gm), ['  shop.example:', '  other.example:']);
  assert.match(zones, / {6}www:\n {8}A: 192\.0\.2\.1\n/);
});

test('import octodns says everything that is wrong, and writes nothing then', async (t) => {
  const folder = scratch(t, { 'shop.example.yaml': `${ZONE}new: { type: A }\n` });
  const zone = join(folder, 'shop.example.yaml');
  const to = join(folder, 'meridian.yaml');
  const { run } = await openCli(t);
  const { code, stderr, stdout } = await run(
    'import',
    'octodns',
    zone,
    join(folder, 'no.example.yaml'),
    '--to',
    to,
  );
  assert.equal(code, 78);
  assert.equal(stdout, '');
  assert.match(
    stderr,
    /shop\.example\.yaml:7:21: .*rules\/all\.yaml cannot be read: there is no such file/,
  );
  assert.match(stderr, /shop\.example\.yaml:9:6: A has no values/);
  assert.match(
    stderr,
    /no\.example\.yaml:1:1: .*no\.example\.yaml cannot be read: there is no such file/,
  );
  assert.match(stderr, /meridian: \d problems: nothing was written\.\n/);
  assert.throws(() => readFileSync(to), { code: 'ENOENT' });
});

test('import octodns overwrites nothing', async (t) => {
  const folder = scratch(t, { ...FILES, 'meridian.yaml': 'mine' });
  const to = join(folder, 'meridian.yaml');
  const { run } = await openCli(t);
  const zone = join(folder, 'shop.example.yaml');
  const there = await run('import', 'octodns', zone, '--to', to);
  assert.equal(there.code, 2);
  assert.match(there.stderr, /meridian\.yaml is there already\.\n {2}hint: Choose another name/);
  assert.equal(readFileSync(to, 'utf8'), 'mine');
  const nowhere = await run('import', 'octodns', zone, '--to', join(folder, 'no/such/folder.yaml'));
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.stderr, /cannot be written: /);
  const ttl = await run('import', 'octodns', zone, '--ttl', '5m');
  assert.equal(ttl.code, 2);
  assert.match(ttl.stderr, /Give whole seconds: 3600\./);
});

function scratch(t: TestContext, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-import-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}
