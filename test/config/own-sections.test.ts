import assert from 'node:assert/strict';
import { test } from 'node:test';
import { followsShared, mergeShared, withoutOwnSections } from '../../src/config/own-sections.ts';
import { validateShared } from '../../src/config/validate.ts';
import { centroids } from './centroids.ts';

const OWN = `node: { name: mine }
dns: { listeners: ['127.0.0.1:5300'], udpSizeMax: 512 }
admin: { port: 1234 }
regions: { old: { location: DE, vips: 192.0.2.9 } }
`;
const SHARED = `node: { name: theirs }
regions:
  eu: { location: DE, vips: 192.0.2.1 }
dns: { listeners: ['0.0.0.0:53'], udpSizeMax: 1400 }
log: { level: debug }
`;

test('validateShared() takes own sections from the file and all others from the shared text', () => {
  const result = validate(OWN, SHARED);
  assert.ok(result.ok, JSON.stringify(result));
  const { admin, dns, log, node, regions } = result.config;
  assert.deepEqual(
    [node.name, admin.port, log.level, dns.udpSizeMax],
    ['mine', 1234, 'info', 1400],
  );
  assert.deepEqual(
    dns.listeners.map(({ port }) => port),
    [5300],
  );
  assert.deepEqual(Object.keys(regions), ['eu']);
});

test('validateShared() works when either text lacks what the other has', () => {
  const result = validate('node: { name: mine }', 'regions: { eu: { location: DE } }');
  assert.ok(result.ok);
  assert.deepEqual(
    result.config.dns.listeners.map(({ port }) => port),
    [53],
  );
  assert.ok(validate(OWN, 'regions: {}').ok);
});

test('validateShared() shows every problem in its own text, at its place', () => {
  const own = 'node:\n  name: mine\n  vantages: [{ name: v, region: moon }]\nadmin: { port: x }\n';
  const shared =
    'regions:\n  eu: { location: DE }\npools:\n  web: { endpoints: [us] }\nnosuch: 1\n';
  const result = validate(own, shared);
  assert.ok(!result.ok);
  assert.deepEqual(
    result.issues.map(({ file, line, path }) => `${file}:${line} ${path}`),
    [
      'own.yaml:3 node.vantages.0.region',
      'own.yaml:4 admin.port',
      'revision 7:4 pools.web.endpoints.0.region',
      'revision 7:5 nosuch',
    ],
  );
});

test('validateShared() shows what cannot be read at all', () => {
  const cases = [
    ['node: [', SHARED, 'own.yaml'],
    [OWN, 'regions: [', 'revision 7'],
    [OWN, '[1, 2]', 'revision 7'],
    [OWN, '', 'revision 7'],
    ['[1]', SHARED, 'own.yaml'],
  ] as const;
  for (const [own, shared, file] of cases) {
    const result = validate(own, shared);
    assert.ok(!result.ok, shared);
    assert.equal(result.issues[0]?.file, file, shared);
  }
});

test('mergeShared() does not ask for variables of sections that are not used', () => {
  const { findings } = mergeShared(
    `regions: { a: ${variable('A')} }\nadmin: { tokens: [${variable('B')}] }`,
    { text: `store: ${variable('C')}\npools: { p: ${variable('D')} }`, name: 'shared' },
    {},
  );
  assert.deepEqual(
    findings.map(({ path }) => path.join('.')),
    ['admin.tokens.0', 'pools.p'],
  );
});

test('mergeShared() leaves a section of a wrong shape to be complained of', () => {
  const merged = mergeShared(OWN, { text: 'dns: 5', name: 'shared' }, {});
  assert.equal((merged.value as { dns: unknown }).dns, 5);
});

test('withoutOwnSections() leaves what all nodes have in common, with its comments', () => {
  const text = `dns:\n  listeners: ['127.0.0.1:53']\n  # small\n  udpSizeMax: 512\nadmin: { tokens: [t] }\nregions: { eu: { location: DE } }\n`;
  assert.equal(
    withoutOwnSections(text),
    'dns:\n  # small\n  udpSizeMax: 512\nregions: { eu: { location: DE } }\n',
  );
  assert.equal(
    withoutOwnSections("dns: { listeners: ['127.0.0.1:53'] }\nregions: {}"),
    'regions: {}\n',
  );
});

test('withoutOwnSections() refuses what is no map or leans on what it would take away', () => {
  for (const text of ['[', '3', '', 'node: &a { name: x }\nregions: { eu: *a }']) {
    assert.equal(withoutOwnSections(text), undefined, text);
  }
});

test('followsShared() is true only when the file says so', () => {
  assert.equal(followsShared('cluster: { sharedConfig: true }', {}), true);
  for (const text of ['cluster: { sharedConfig: "true" }', 'cluster: {}', '', '[']) {
    assert.equal(followsShared(text, {}), false, text);
  }
});

function validate(own: string, shared: string) {
  const text = { text: shared, name: 'revision 7' };
  return validateShared(own, 'own.yaml', text, { HOSTNAME: 'host' }, centroids);
}

const variable = (name: string): string => `"$\{${name}}"`;
