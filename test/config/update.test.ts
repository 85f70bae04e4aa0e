import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesName, parseNamePattern } from '../../src/config/name-pattern.ts';
import { validateConfig } from '../../src/config/validate.ts';
import { parseName } from '../../src/dns/name.ts';
import { centroids } from './centroids.ts';

test('patterns cover names relative to the zone, label by label', () => {
  const apex = parseName('example.com.')!;
  const covers = (pattern: string, name: string): boolean =>
    matchesName(parseNamePattern(pattern)!, parseName(`${name}.`)!, apex);
  const rows: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['@', ['example.com'], ['a.example.com']],
    ['**', ['example.com', 'a.example.com', 'a.b.example.com'], []],
    ['www', ['www.example.com'], ['example.com', 'a.www.example.com', 'ww.example.com']],
    ['*.apps', ['a.apps.example.com'], ['apps.example.com', 'a.b.apps.example.com']],
    [
      '_acme-challenge.**',
      ['_acme-challenge.example.com', '_acme-challenge.a.b.example.com'],
      ['example.com', 'a._acme-challenge.example.com', '_acme-challenges.example.com'],
    ],
    ['**.apps', ['apps.example.com', 'a.b.apps.example.com'], ['apps.a.example.com']],
    ['a.**.z', ['a.z.example.com', 'a.b.c.z.example.com'], ['a.example.com', 'z.example.com']],
    ['A.B', ['a.b.example.com'], ['b.a.example.com']],
    // Wildcards speak for names of any depth.
    ['**', ['*.example.com', '*.a.example.com'], []],
    ['*', [], ['*.example.com']],
    ['*.**', ['*.example.com', '*.a.example.com'], []],
    ['*.apps', [], ['*.apps.example.com']],
    ['**.apps', ['*.apps.example.com', '*.a.apps.example.com'], ['*.example.com']],
    ['*.**.apps', ['*.apps.example.com'], ['*.example.com']],
    ['*.*.**', [], ['*.example.com']],
    ['_acme-challenge.**', ['_acme-challenge.*.example.com'], ['*.example.com']],
  ];
  for (const [pattern, inside, outside] of rows) {
    for (const name of inside) assert.ok(covers(pattern, name), `${pattern} ${name}`);
    for (const name of outside) assert.ok(!covers(pattern, name), `${pattern} ${name}`);
  }
  for (const wrong of ['', '.', 'a..b', 'a.', '**.**', '***', 'a*', 'ä', 'x'.repeat(64)]) {
    assert.equal(parseNamePattern(wrong), undefined, wrong);
  }
});

const SECRET = Buffer.alloc(32).toString('base64');
const check = (update: unknown, more: object = {}) =>
  validateConfig(
    JSON.stringify({
      ...more,
      zones: { 'example.com': { nameservers: 'ns.other.example.', update } },
      dns: { keys: { 'a.key': { secret: SECRET } } },
    }),
    'update.yaml',
    {},
    centroids,
  );

test('who may update says names and types; the key must be there', () => {
  const allow = { key: 'A.Key', names: ['**'], types: ['txt', 'TYPE65280', '*'] };
  const done = check({ allow: [{ ...allow, networks: ['192.0.2.0/24'] }] });
  assert.ok(done.ok, JSON.stringify(done));
  assert.deepEqual(done.config.zones['example.com']!.update!.allow, [
    {
      key: 'a.key.',
      names: ['**'],
      types: ['TXT', 'TYPE65280', '*'],
      networks: ['192.0.2.0/24'],
    },
  ]);
  for (const wrong of [
    { allow: [] },
    { allow: [{ key: 'a.key', types: ['TXT'] }] },
    { allow: [{ key: 'a.key', names: ['**'] }] },
    { allow: [{ ...allow, key: 'other.key' }] },
    { allow: [{ ...allow, names: ['a..b'] }] },
    { allow: [{ ...allow, types: ['AXFR'] }] },
    { allow: [{ ...allow, types: ['NOPE'] }] },
    { allow: [{ ...allow, networks: ['everywhere'] }] },
    { allow: [{ names: ['**'], types: ['*'], networks: ['192.0.2.0/24'] }] },
  ]) {
    assert.equal(check(wrong).ok, false, JSON.stringify(wrong));
  }
});

test('there should be a place that outlives the node, and one for all nodes', () => {
  const update = { allow: [{ key: 'a.key', names: ['**'], types: ['*'] }] };
  const warnings = (more: object): string[] => {
    const done = check(update, more);
    assert.ok(done.ok, JSON.stringify(done));
    return done.warnings.map(({ message }) => message).filter((each) => /updates/.test(each));
  };
  const node = { stateDirectory: '/var/lib/meridian' };
  const store = { kind: 'redis', url: 'redis://127.0.0.1' };
  const cluster = { keys: ['a cluster key that is long enough to be one'] };
  assert.match(warnings({})[0]!, /is lost when this node ends/);
  assert.deepEqual(warnings({ node }), []);
  assert.match(warnings({ node, store })[0]!, /only the node that is asked/);
  assert.deepEqual(warnings({ store, cluster }), []);
  assert.deepEqual(warnings({ node: { roles: ['admin'] } }), []);
});
